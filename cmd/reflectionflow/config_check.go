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

func (p *program) checkConfig(ctx context.Context, path string, draw bool) error {
	c, err := assemble.ReadConfig(path)
	if err != nil {
		return err
	}
	b := p.builder(c)
	b.Trial = true
	var rows []assemble.Finding
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		rows = append(rows, b.TryEndpoint(ctx, name))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Generators)) {
		if g := c.Generators[name]; g.Type == config.Remote {
			rows = append(rows, b.TryGenerator(ctx, name, draw))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	used := c.Used()
	if networks, words := used.NeedsModel(); networks || words {
		rows = append(rows, b.TryModel(ctx))
	}
	rows = append(rows, p.tryRun(ctx, c))
	return p.printFindings(rows)
}

// tryRun builds what a run takes, and the settings of its search.
func (p *program) tryRun(ctx context.Context, c *config.Config) assemble.Finding {
	u := c.Use
	model, err := p.builder(c.Used()).Model()
	if err == nil {
		var o generateOptions
		flags := pflag.NewFlagSet("generate", pflag.ContinueOnError)
		o.register(flags)
		if err = applySearch(c, flags); err == nil {
			_, err = o.config(flags, model)
		}
	}
	return assemble.Finding{Kind: "run", Name: "parts", Err: err, Supports: []string{
		"generator " + u.Generator, "verifier " + u.Verifier, "reflector " + u.Reflector, "refiner " + u.Refiner, "parser " + u.Parser,
	}}
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
		return fmt.Errorf("%d of %s said no", failed, progress.Plural(len(rows), "check"))
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
	case c.Money > 0:
		return fmt.Sprintf("cost %.4g", c.Money)
	case c.TokensIn+c.TokensOut > 0:
		return fmt.Sprintf("%d tokens", c.TokensIn+c.TokensOut)
	}
	return ""
}
