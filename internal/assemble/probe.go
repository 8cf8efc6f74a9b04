package assemble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"net/url"
	"time"

	"reflectionflow"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/config"
)

// Finding is the result of trying one part.
type Finding struct {
	Kind, Name, At string
	Err            error // why it does not work
	Took           time.Duration
	Supports       []string
	Cost           reflectionflow.Cost
}

// errNotSeen is the error of a model that is asked for the color of a red square and does
// not name it. An answer in another form than requested says nothing about its sight.
func errNotSeen(report completions.Report) error {
	if report.Obeys {
		return fmt.Errorf("it does not see the image: for the color of a red square it answered %q", report.Answer)
	}
	return fmt.Errorf("it did not name the color of a red square as JSON: it answered %q", report.Answer)
}

// TryEndpoint asks an endpoint about an image, or about a text where only parsers ask
// it. An endpoint that is shown images and does not see them does not work.
func (b *Builder) TryEndpoint(ctx context.Context, name string) Finding {
	row := Finding{Kind: "endpoint", Name: name, At: place(b.config.Endpoints[name].URL)}
	client, err := b.client(name)
	if err != nil {
		row.Err = err
		return row
	}
	start := time.Now()
	show := b.config.ShowsImages(name)
	report, err := client.Check(ctx, show)
	row.Took, row.Cost, row.Err = time.Since(start), report.Cost, err
	if err != nil {
		return row
	}
	if show && !report.Sees {
		row.Err = errNotSeen(report)
	}
	if judge := b.judgeOf(name); judge != "" && !report.Logprobs && row.Err == nil {
		row.Err = fmt.Errorf("it returns no log-probabilities, which the judge %s needs", judge)
	}
	add := func(text string) { row.Supports = append(row.Supports, text) }
	choose := func(does bool, what, not string) {
		if does {
			add(what)
		} else {
			add(not)
		}
	}
	add(report.Model)
	choose(show, "sees", "text")
	switch {
	case report.Structured == completions.Prompt:
		add("no structured output")
	case report.Enforced:
		add(string(report.Structured) + ", enforced")
	default:
		add(string(report.Structured) + ", not enforced")
	}
	if !report.Obeys {
		add("did not answer in the form asked for")
	}
	choose(report.Logprobs, "log-probabilities", "no log-probabilities")
	choose(report.Seeds, "takes seeds", "no seeds")
	return row
}

// TryVerifier verifies an image of a red square. A verifier without a usable verdict
// does not work.
func (b *Builder) TryVerifier(ctx context.Context, name string) Finding {
	v := b.config.Verifiers[name]
	row := Finding{Kind: "verifier", Name: name, At: cmp.Or(v.Endpoint, v.Path)}
	maker, err := b.RawVerifier(name)
	if err != nil {
		row.Err = err
		return row
	}
	verifier, err := maker(nil)
	if err != nil {
		row.Err = err
		return row
	}
	network, isNetwork := verifier.(*networkVerifier)
	if isNetwork {
		if row.Err = network.Load(ctx, config.Compute(b.config.Backend, b.config.Precision)); row.Err != nil {
			return row
		}
		defer func() { _ = network.Close() }() // it was only tried
	}
	square := image.NewRGBA(image.Rect(0, 0, 64, 64))
	draw.Draw(square, square.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(square, image.Rect(16, 16, 48, 48), image.NewUniform(color.RGBA{220, 20, 20, 255}), image.Point{}, draw.Src)
	start := time.Now()
	scores, err := verifier.Verify(ctx, []reflectionflow.PromptedImage{{
		Prompt: reflectionflow.Prompt{Text: "a red square", Requirements: []reflectionflow.Requirement{
			{Kind: reflectionflow.AtLeast, Object: "square", Count: 1, Color: "red"},
		}}, Image: square,
	}})
	row.Took, row.Err = time.Since(start), err
	if err != nil {
		return row
	}
	if len(scores) != 1 {
		row.Err = fmt.Errorf("%d scores for one image", len(scores))
		return row
	}
	row.Cost = scores[0].Cost
	if reason := scores[0].Unanswered; reason != "" {
		row.Err = fmt.Errorf("no usable verdict: %s", reason)
	}
	row.Supports = []string{"no findings"}
	if reflectionflow.AbilitiesOf(verifier).Findings() {
		row.Supports[0] = "findings"
	}
	if isNetwork {
		row.Supports = append(row.Supports, network.notes()...)
	}
	return row
}

// Trial says how [Builder.TryGenerator] tries a generator.
type Trial struct {
	// Generate lets it generate three images, which remote servers may charge for.
	Generate bool
	// Corrects is set where the run needs corrections.
	Corrects bool
}

// TryGenerator generates two images that differ in their seeds, and corrects the first.
// A generator that ignores seeds, that generates blank images, or that cannot correct
// although the run needs it does not work.
func (b *Builder) TryGenerator(ctx context.Context, name string, t Trial) Finding {
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
	if !t.Generate {
		row.Supports = []string{"not tried"}
		return row
	}
	request := reflectionflow.Request{
		Prompt: "a red apple on a table", Seed: 1, Width: entry.Width, Height: entry.Height, Steps: entry.Steps, Guidance: entry.Guidance,
	}
	start := time.Now()
	first, err := one(ctx, generator, request)
	row.Took, row.Err, row.Cost = time.Since(start), err, first.Cost
	if err != nil {
		return row
	}
	row.Supports = append(row.Supports, size(first.Image))
	other := request
	other.Seed = 2
	second, err := one(ctx, generator, other)
	row.Cost = row.Cost.Add(second.Cost)
	switch {
	case err != nil:
		row.Err = fmt.Errorf("the second image: %w", err)
		return row
	case blank(first.Image) && blank(second.Image):
		row.Err = errors.New("its images are blank: every pixel has one color")
		return row
	case same(first.Image, second.Image):
		row.Err = errors.New("it ignores seeds: two seeds gave the same image, so a search would pay for copies")
		return row
	case first.Unseeded:
		row.Supports = append(row.Supports, "no seeds: runs cannot be reproduced")
	default:
		row.Supports = append(row.Supports, "seeds")
	}
	request.Reference, request.Reflection = first.Image, "Make the apple green."
	b.tryCorrection(ctx, generator, request, t.Corrects, &row)
	return row
}

// tryCorrection corrects an image, and fails the row only where the run needs that.
func (b *Builder) tryCorrection(ctx context.Context, g reflectionflow.Generator, r reflectionflow.Request, needed bool, row *Finding) {
	corrected, err := one(ctx, g, r)
	row.Cost = row.Cost.Add(corrected.Cost)
	switch {
	case err == nil:
		row.Supports = append(row.Supports, "corrections")
	case needed:
		row.Err = fmt.Errorf("the run needs corrections, and they fail: %w: use a generator that corrects images, or the strategy noise-prompt", err)
	case errors.Is(err, reflectionflow.ErrInvalid):
		row.Supports = append(row.Supports, "no corrections")
	default:
		row.Supports = append(row.Supports, fmt.Sprintf("corrections fail: %v", err))
	}
}

// blank reports whether all pixels of an image have one color.
func blank(m image.Image) bool {
	b := m.Bounds()
	first := m.At(b.Min.X, b.Min.Y)
	return everyPixel(b, func(x, y int) bool { return sameColor(m.At(x, y), first) })
}

// same reports whether two images have the same pixels.
func same(a, b image.Image) bool {
	return a.Bounds() == b.Bounds() && everyPixel(a.Bounds(), func(x, y int) bool { return sameColor(a.At(x, y), b.At(x, y)) })
}

func sameColor(a, b color.Color) bool {
	r, g, bl, al := a.RGBA()
	r2, g2, bl2, al2 := b.RGBA()
	return r == r2 && g == g2 && bl == bl2 && al == al2
}

func everyPixel(b image.Rectangle, holds func(x, y int) bool) bool {
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if !holds(x, y) {
				return false
			}
		}
	}
	return true
}

// applySampling overrides a generator's defaults with the settings of the search.
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

// one generates one image.
func one(ctx context.Context, g reflectionflow.Generator, r reflectionflow.Request) (reflectionflow.Generation, error) {
	generated, err := g.Generate(ctx, []reflectionflow.Request{r})
	if err != nil {
		return reflectionflow.Generation{}, err
	}
	if len(generated) != 1 {
		return reflectionflow.Generation{}, fmt.Errorf("%d images for one request", len(generated))
	}
	return generated[0], generated[0].Err
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

// TryFlux compares the weights of a generator of type flux with what its networks need,
// and loads them. It generates nothing.
func (b *Builder) TryFlux(name string) Finding {
	row := Finding{Kind: "generator", Name: name}
	m, err := b.flux(b.config.Generators[name])
	if err != nil {
		row.Err = err
		return row
	}
	row.At = m.path
	start := time.Now()
	problems, err := m.family.check()
	if err == nil {
		err = problems.Serious().Err()
	}
	if err == nil {
		err = m.checkFinite()
	}
	if err == nil {
		_, err = m.open()
	}
	row.Took, row.Err = time.Since(start), err
	row.Supports = []string{m.family.what, "seeds", "no corrections"}
	if m.corrects() {
		row.Supports[2] = "corrections"
	}
	return row
}

// place is a URL without user, query and fragment.
func place(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "-"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func size(m image.Image) string { return fmt.Sprintf("%d×%d", m.Bounds().Dx(), m.Bounds().Dy()) }
