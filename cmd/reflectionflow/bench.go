package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"reflectionflow/internal/bench"
	"reflectionflow/internal/progress"
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
		Short: "Benchmark this machine",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o benchOptions
	engine := &cobra.Command{
		Use:   "engine",
		Short: "Measure the compute engine on this machine",
		Long: `engine measures memory bandwidth and matrix products, and runs the embedded
model's denoising step, image decoding and training step on this program's own
backend and on GoMLX's Go backend in turn. It takes two or three minutes; let the
machine do nothing else meanwhile. docs/reference/bench-engine.md explains every number.`,
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
	if err := p.beginComputing(); err != nil {
		return err
	}
	display := progress.NewBench(p.stderr)
	report, err := bench.Run(ctx, bench.Options{Model: clipartmodel.Files, Recipe: recipe, Quick: o.quick, Notify: display.Begin})
	display.Close()
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
