package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/chat"
	"reflectionflow/internal/config"
)

const configHelp = `A configuration is a YAML file that names what a run is made of. For example:

  endpoints:
    vlm:
      url: http://localhost:8080/v1
      model: qwen2.5-vl
      key_env: VLM_KEY           # the variable with the key; or key_file
  generators:
    flux:
      type: remote
      url: sdcpp+http://localhost:1234
  verifiers:
    seen: {type: chat, endpoint: vlm}
  reflectors:
    words: {type: chat, endpoint: vlm}
  refiners:
    rewrite: {type: chat, endpoint: vlm}
  parsers:
    asked: {type: chat, endpoint: vlm}
  search:
    budget: 16

"embedded" is the part of every kind that comes with the program's own model. With
several parts of a kind, "use" names those that a run takes.`

func (p *program) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration of other people's engines and models",
		Long:  configHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var draw bool
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Try every endpoint and generator, and say what works, how fast, and what it supports",
		Long: `Ask every endpoint about a small picture, or without one where only parsers ask it,
and have every remote generator draw one picture and correct it, in the size and
steps of the configuration. Servers that want money are paid for that.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.checkConfig(cmd.Context(), args[0], draw) },
	}
	check.Flags().BoolVar(&draw, "draw", true, "have remote generators draw")
	cmd.AddCommand(check)
	return cmd
}

// finding is a row of the table.
type finding struct {
	kind, name, at string
	err            error
	took           time.Duration
	supports       string
}

func (p *program) checkConfig(ctx context.Context, path string, draw bool) error {
	c, err := config.Read(path)
	if err != nil {
		return err
	}
	b := newBuilder(c)
	b.check = true
	var rows []finding
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		rows = append(rows, b.tryEndpoint(ctx, name))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Generators)) {
		if g := c.Generators[name]; g.Type == config.Remote {
			rows = append(rows, b.tryGenerator(ctx, name, draw))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	used := c.Used()
	if networks, words := used.NeedsModel(); networks || words {
		rows = append(rows, p.tryModel(ctx, c.Model))
	}
	rows = append(rows, p.tryRun(ctx, c))
	return p.printFindings(rows)
}

// tryEndpoint asks about a picture.
func (b *builder) tryEndpoint(ctx context.Context, name string) finding {
	row := finding{kind: "endpoint", name: name, at: place(b.config.Endpoints[name].URL)}
	client, err := b.client(name)
	if err != nil {
		row.err = err
		return row
	}
	start := time.Now()
	show := b.config.ShowsPictures(name)
	report, err := client.Check(ctx, show)
	row.took, row.err = time.Since(start), err
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
		{report.Structured != chat.Prompt, string(report.Structured), "no structured output"},
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
	supports = append(supports, costOf(report.Cost))
	row.supports = list(supports)
	return row
}

// tryGenerator draws a picture and corrects it.
func (b *builder) tryGenerator(ctx context.Context, name string, draw bool) finding {
	g := b.config.Generators[name]
	row := finding{kind: "generator", name: name, at: place(g.URL)}
	entry := modelEntry{Width: 1024, Height: 1024, Steps: 20, Guidance: 3.5}
	generator, err := b.generator(name, g, name)
	if err == nil {
		err = applyGenerator(&entry, b.config, name)
	}
	if err == nil {
		err = applySampling(&entry, b.config)
	}
	if row.err = err; err != nil {
		return row
	}
	if !draw {
		row.supports = "not tried"
		return row
	}
	request := reflectionflow.Request{
		Prompt: "a red apple on a table", Seed: 1, Width: entry.Width, Height: entry.Height, Steps: entry.Steps, Guidance: entry.Guidance,
	}
	start := time.Now()
	drawn, err := one(ctx, generator, request)
	row.took, row.err = time.Since(start), err
	if err != nil {
		return row
	}
	seeds := "seeds"
	if drawn.Unseeded {
		seeds = "no seeds: runs cannot be reproduced"
	}
	supports := []string{size(drawn.Image), seeds}
	request.Reference, request.Reflection = drawn.Image, "Make the apple green."
	cost := drawn.Cost
	switch corrected, err := one(ctx, generator, request); {
	case errors.Is(err, reflectionflow.ErrInvalid):
		supports = append(supports, "no corrections")
	case err != nil:
		supports = append(supports, fmt.Sprintf("corrections fail: %v", err))
	default:
		supports = append(supports, "corrections")
		cost = cost.Add(corrected.Cost)
	}
	row.supports = list(append(supports, costOf(cost)))
	return row
}

// applySampling puts the search's own size and sampling over a generator's defaults.
func applySampling(entry *modelEntry, c *config.Config) error {
	s := c.Search
	if s.Size != "" {
		var err error
		if entry.Width, entry.Height, err = parseSize(s.Size); err != nil {
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

// tryModel reads the embedded model.
func (p *program) tryModel(ctx context.Context, name string) finding {
	row := finding{kind: "model", name: config.Embedded, at: name}
	m, err := p.model(name)
	if err != nil {
		row.err = err
		return row
	}
	row.at = m.Name
	start := time.Now()
	sum, err := m.Check(ctx)
	row.took, row.err = time.Since(start), err
	row.supports = fmt.Sprintf("%d×%d, seeds, corrections, sha256 %.12s", m.Width, m.Height, sum)
	return row
}

// tryRun builds what a run takes, and the settings of its search.
func (p *program) tryRun(ctx context.Context, c *config.Config) finding {
	u := c.Use
	model, err := p.deploy(ctx, c.Used())
	if err == nil {
		var o generateOptions
		flags := pflag.NewFlagSet("generate", pflag.ContinueOnError)
		o.register(flags)
		if err = applySearch(c, flags); err == nil {
			_, err = o.config(flags, model)
		}
	}
	return finding{kind: "run", name: "parts", err: err, supports: fmt.Sprintf("generator %s, verifier %s, reflector %s, refiner %s, parser %s",
		u.Generator, u.Verifier, u.Reflector, u.Refiner, u.Parser)}
}

// printFindings prints the table; what does not work is the error.
func (p *program) printFindings(rows []finding) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "WHAT\tWHERE\tWORKS\tTIME\tSUPPORTS") // a tabwriter reports at Flush
	failed := 0
	for _, r := range rows {
		works, took, text := "yes", "-", r.supports
		if r.err != nil {
			failed++
			works, text = "no", plainError(r.err)
		}
		if r.took > 0 {
			took = fmt.Sprintf("%.1f s", r.took.Seconds())
		}
		if r.at == "" {
			r.at = "-"
		}
		_, _ = fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%s\n", r.kind, r.name, r.at, works, took, text)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errPrint, err)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s said no", failed, plural(len(rows), "check"))
	}
	return nil
}

// plainError is an error on one line, without the words for programs.
func plainError(err error) string {
	text := strings.ReplaceAll(err.Error(), reflectionflow.ErrInvalid.Error()+": ", "")
	return strings.Join(strings.Fields(text), " ")
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

// costOf says what trying has cost, where that is not nothing.
func costOf(c reflectionflow.Cost) string {
	switch {
	case c.Money > 0:
		return fmt.Sprintf("cost %.4g", c.Money)
	case c.TokensIn+c.TokensOut > 0:
		return fmt.Sprintf("%d tokens", c.TokensIn+c.TokensOut)
	}
	return ""
}

// list joins what is not empty.
func list(words []string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}
