package assemble

import (
	"context"
	"errors"
	"fmt"
	"image"
	"net/url"
	"reflectionflow"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/config"
	"slices"
	"time"
)

// Finding is what trying one part out has shown.
type Finding struct {
	Kind, Name, At string
	Err            error // why it does not work
	Took           time.Duration
	Supports       []string
	Cost           reflectionflow.Cost
}

// TryEndpoint asks about a picture.
func (b *Builder) TryEndpoint(ctx context.Context, name string) Finding {
	row := Finding{Kind: "endpoint", Name: name, At: place(b.config.Endpoints[name].URL)}
	client, err := b.client(name)
	if err != nil {
		row.Err = err
		return row
	}
	start := time.Now()
	show := b.config.ShowsPictures(name)
	report, err := client.Check(ctx, show)
	row.Took, row.Err = time.Since(start), err
	if err != nil {
		return row
	}
	seen := "sees"
	if !show {
		seen = "text" // only parsers ask it
	}
	supports := []string{report.Model}
	for _, can := range []struct {
		does      bool
		what, not string
	}{
		{report.Sees || !show, seen, "does not see the picture"},
		{report.Structured != completions.Prompt, string(report.Structured), "no structured output"},
		{report.Obeys, "", "did not answer in the form"},
		{report.Logprobs, "log-probabilities", "no log-probabilities"},
		{report.Seeds, "seeds", "no seeds"},
	} {
		if can.does {
			supports = append(supports, can.what)
		} else {
			supports = append(supports, can.not)
		}
	}
	row.Supports, row.Cost = slices.DeleteFunc(supports, func(s string) bool { return s == "" }), report.Cost
	return row
}

// TryGenerator draws a picture and corrects it.
func (b *Builder) TryGenerator(ctx context.Context, name string, draw bool) Finding {
	g := b.config.Generators[name]
	row := Finding{Kind: "generator", Name: name, At: place(g.URL)}
	entry := Model{Width: 1024, Height: 1024, Steps: 20, Guidance: 3.5}
	generator, err := b.generator(name)
	if err == nil {
		err = applyGenerator(&entry, b.config, name)
	}
	if err == nil {
		err = applySampling(&entry, b.config)
	}
	if row.Err = err; err != nil {
		return row
	}
	if !draw {
		row.Supports = []string{"not tried"}
		return row
	}
	request := reflectionflow.Request{
		Prompt: "a red apple on a table", Seed: 1, Width: entry.Width, Height: entry.Height, Steps: entry.Steps, Guidance: entry.Guidance,
	}
	start := time.Now()
	drawn, err := one(ctx, generator, request)
	row.Took, row.Err = time.Since(start), err
	if err != nil {
		return row
	}
	seeds := "seeds"
	if drawn.Unseeded {
		seeds = "no seeds: runs cannot be reproduced"
	}
	supports := []string{size(drawn.Image), seeds}
	request.Reference, request.Reflection = drawn.Image, "Make the apple green."
	row.Cost = drawn.Cost
	switch corrected, err := one(ctx, generator, request); {
	case errors.Is(err, reflectionflow.ErrInvalid):
		supports = append(supports, "no corrections")
	case err != nil:
		supports = append(supports, fmt.Sprintf("corrections fail: %v", err))
	default:
		supports = append(supports, "corrections")
		row.Cost = row.Cost.Add(corrected.Cost)
	}
	row.Supports = supports
	return row
}

// applySampling puts the search's own size and sampling over a generator's defaults.
func applySampling(entry *Model, c *config.Config) error {
	s := c.Search
	if s.Size != "" {
		var err error
		if entry.Width, entry.Height, err = config.ParseSize(s.Size); err != nil {
			return c.Errorf("search.size", "%v", err)
		}
	}
	if s.Steps != nil {
		entry.Steps = *s.Steps
	}
	if s.Guidance != nil {
		entry.Guidance = *s.Guidance
	}
	return nil
}

// one draws one picture.
func one(ctx context.Context, g reflectionflow.Generator, r reflectionflow.Request) (reflectionflow.Generation, error) {
	drawn, err := g.Generate(ctx, []reflectionflow.Request{r})
	if err != nil {
		return reflectionflow.Generation{}, err
	}
	if len(drawn) != 1 {
		return reflectionflow.Generation{}, fmt.Errorf("%d pictures for one request", len(drawn))
	}
	return drawn[0], drawn[0].Err
}

// TryModel reads the files of the embedded parts' model.
func (b *Builder) TryModel(ctx context.Context) Finding {
	name := b.config.Model
	row := Finding{Kind: "model", Name: config.Embedded, At: name}
	m, err := b.env.Models.Find(name)
	if err != nil {
		row.Err = err
		return row
	}
	row.At = m.Name
	start := time.Now()
	sum, err := m.Check(ctx)
	row.Took, row.Err = time.Since(start), err
	row.Supports = []string{fmt.Sprintf("%d×%d", m.Width, m.Height), "seeds", "corrections", fmt.Sprintf("sha256 %.12s", sum)}
	return row
}

// place is a URL without what may be long or private.
func place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "-"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func size(m image.Image) string { return fmt.Sprintf("%d×%d", m.Bounds().Dx(), m.Bounds().Dy()) }
