package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/progress"
	"reflectionflow/internal/terminal"
	"reflectionflow/search"
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
		Short: "Start and check configurations of remote engines and models",
		Long:  configHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	generate := true
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Try the parts of a configuration and report what works",
		Long: `Try what the run of a configuration needs. Every endpoint is asked about a small
image, or about a text where only parsers ask it; a second question shows whether its
server enforces JSON schemas. Every remote generator generates two images of different
seeds and corrects one, in the size and steps of the configuration. The weights of a
generator of type flux are compared with what its networks need, and loaded; tensors up to
16 MB are read, and no image is generated. The verifier in use judges an image. Paid APIs charge for that.

A part does not work where the run would fail or waste its budget: a language model that
does not see images, a verifier without a usable verdict, a generator that ignores seeds,
that generates blank images, or that cannot correct although the strategy corrects.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.checkConfig(cmd.Context(), args[0], generate) },
	}
	f := check.Flags()
	f.BoolVar(&generate, "generate", true, "have remote generators generate images")
	f.BoolVar(&generate, "draw", true, "the former name of --generate")
	_ = f.MarkHidden("draw") // it is defined
	cmd.AddCommand(check, p.configInitCommand())
	return cmd
}

func (p *program) checkConfig(ctx context.Context, path string, generate bool) error {
	c, err := assemble.ReadConfig(path)
	if err != nil {
		return err
	}
	b := p.builder(c)
	b.Trial = true
	run, cfg := p.tryRun(c)
	corrects := run.Err != nil || cfg.Corrects()
	var rows []assemble.Finding
	failed := map[string]bool{} // endpoints
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		row := b.TryEndpoint(ctx, name)
		failed[name] = row.Err != nil
		rows = append(rows, row)
	}
	used := c.Used()
	for _, name := range slices.Sorted(maps.Keys(used.Verifiers)) {
		if v := c.Verifiers[name]; v.Path != "" || v.Endpoint != "" && !failed[v.Endpoint] {
			rows = append(rows, b.TryVerifier(ctx, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Generators)) {
		if g := c.Generators[name]; g.Type == config.Remote {
			_, inUse := used.Generators[name]
			rows = append(rows, b.TryGenerator(ctx, name, assemble.Trial{Generate: generate, Corrects: inUse && corrects}))
		} else if g.Type == config.Flux {
			rows = append(rows, b.TryFlux(name))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if networks, words := used.NeedsModel(); networks || words {
		rows = append(rows, b.TryModel(ctx))
	}
	return p.printFindings(append(rows, run))
}

// tryRun builds what a run takes, and the settings of its search.
func (p *program) tryRun(c *config.Config) (assemble.Finding, search.Config) {
	u := c.Use
	var cfg search.Config
	model, err := p.builder(c.Used()).Model()
	if err == nil {
		var o generateOptions
		flags := pflag.NewFlagSet("generate", pflag.ContinueOnError)
		o.register(flags)
		if err = applySearch(c, flags); err == nil {
			cfg, err = o.config(flags, model)
		}
	}
	return assemble.Finding{Kind: "run", Name: "parts", Err: err, Supports: []string{
		"generator " + u.Generator, "verifier " + u.Verifier, "reflector " + u.Reflector, "refiner " + u.Refiner, "parser " + u.Parser,
	}}, cfg
}

// printFindings prints the table; what does not work is the error.
func (p *program) printFindings(rows []assemble.Finding) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "WHAT\tWHERE\tWORKS\tTIME\tSUPPORTS") // a tabwriter reports at Flush
	failed := 0
	for _, r := range rows {
		works, took, text := "yes", "-", supports(r)
		if r.Err != nil {
			failed++
			works, text = "no", plainError(r.Err)
		}
		if r.Took > 0 {
			took = fmt.Sprintf("%.1f s", r.Took.Seconds())
		}
		if r.At == "" {
			r.At = "-"
		}
		_, _ = fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%s\n", r.Kind, r.Name, r.At, works, took, text)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errPrint, err)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, progress.Plural(len(rows), "check"))
	}
	return nil
}

// plainError is an error on one line, without the words for programs.
func plainError(err error) string {
	text := strings.ReplaceAll(err.Error(), reflectionflow.ErrInvalid.Error()+": ", "")
	return strings.Join(strings.Fields(text), " ")
}

// supports lists what a part can do, and what trying it has cost.
func supports(f assemble.Finding) string {
	list := f.Supports
	if cost := costOf(f.Cost); cost != "" {
		list = append(list, cost)
	}
	return strings.Join(list, ", ")
}

// costOf says what was spent, where that is not nothing.
func costOf(c reflectionflow.Cost) string {
	switch {
	case c.USD > 0:
		return terminal.USD(c.USD)
	case c.TokensIn+c.TokensOut > 0:
		return fmt.Sprintf("%d tokens", c.TokensIn+c.TokensOut)
	}
	return ""
}
