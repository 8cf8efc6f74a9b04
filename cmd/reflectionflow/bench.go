package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"reflectionflow/internal/bench"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/tuning"
)

// benchOptions are the flags of bench engine.
type benchOptions struct {
	json, quick bool
}

func (p *program) benchCommand() *cobra.Command {
	parent := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o benchOptions
	engine := &cobra.Command{
		Use:   "engine",
		Short: "Measure what the engine makes of this machine",
		Long: `engine measures memory bandwidth and matrix products, and runs the embedded
model's denoising step, picture decoding and training step on this program's own
backend and on GoMLX's Go backend in turn. It takes two or three minutes; let the
machine do nothing else meanwhile. docs/bench-engine.md explains every number.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.benchEngine(cmd.Context(), o) },
	}
	f := engine.Flags()
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	f.BoolVar(&o.quick, "quick", false, "one short round of everything: to see that it works, not to be quoted")
	parent.AddCommand(engine)
	return parent
}

func (p *program) benchEngine(ctx context.Context, o benchOptions) error {
	recipe, err := tuning.ParseRecipe(clipartmodel.Recipe())
	if err != nil {
		return err
	}
	p.noteSlow()
	display := newBenchDisplay(p.stderr)
	report, err := bench.Run(ctx, bench.Options{Model: clipartmodel.Files, Recipe: recipe, Quick: o.quick, Notify: display.begin})
	display.close()
	if err != nil {
		return err
	}
	report.Version = programVersion()
	if o.json {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		return printTo(p.stdout, string(text)+"\n")
	}
	return printTo(p.stdout, benchText(report))
}

// benchDisplay shows how far a benchmark is: a bar on a terminal, a line a part
// elsewhere.
type benchDisplay struct {
	out io.Writer
	bar *progressbar.ProgressBar // nil if not on a terminal
}

func newBenchDisplay(out io.Writer) *benchDisplay {
	d := &benchDisplay{out: out}
	if isTerminal(out) {
		d.bar = progressbar.NewOptions(100,
			progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(24), progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(false), progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetRenderBlankState(true), progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))
	}
	return d
}

func (d *benchDisplay) begin(what string, done float64) {
	if d.bar == nil {
		_, _ = fmt.Fprintf(d.out, "%3.0f%%  %s\n", 100*done, what)
		return
	}
	d.bar.Describe(what)
	_ = d.bar.Set(int(100 * done)) // a display that fails must not end the measurement
}

func (d *benchDisplay) close() {
	if d.bar != nil {
		_ = d.bar.Clear()
		_ = d.bar.Exit()
	}
}
