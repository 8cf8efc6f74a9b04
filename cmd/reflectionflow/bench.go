package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/bench"
	"reflectionflow/internal/config"
	"reflectionflow/internal/progress"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/nn"
	"reflectionflow/tuning"
)

// benchOptions are the flags of bench engine.
type benchOptions struct {
	json, quick    bool
	model, weights string // of a model's parts
	computeOptions
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
machine do nothing else meanwhile.

With --model it measures the parts of a large model instead: a path, or flux1-dev or
flux2-klein at their true shapes with random weights, one block of each kind, which
takes 1 GB of the temporary folder. docs/reference/bench-engine.md explains every number.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.model != "" {
				return p.benchModel(cmd.Context(), o)
			}
			if o.weights != "" || o.backend != "" || o.precision != "" {
				return fmt.Errorf("%w: --weights, --backend and --precision are for --model", reflectionflow.ErrInvalid)
			}
			return p.benchEngine(cmd.Context(), o)
		},
	}
	f := engine.Flags()
	f.BoolVar(&o.json, "json", false, "print the report as JSON")
	f.BoolVar(&o.quick, "quick", false, "one short round of everything: to see that it works, not to be quoted")
	f.StringVar(&o.model, "model", "", "measure the parts of a model: a path, "+strings.Join(bench.Shapes(), " or "))
	f.StringVar(&o.weights, "weights", "", "with a model's name: random weights, which are bf16, q8_0 or q4_k (default bf16)")
	o.registerCompute(f)
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
	return p.printReport(o.json, report, func() string { return benchText(report) })
}

// printReport prints a report as JSON or as text.
func (p *program) printReport(asJSON bool, report any, text func() string) error {
	if !asJSON {
		return printTo(p.stdout, text())
	}
	raw, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return printTo(p.stdout, string(raw)+"\n")
}

// benchModel measures the parts of a model.
func (p *program) benchModel(ctx context.Context, o benchOptions) (err error) {
	if err := p.beginComputing(); err != nil {
		return err
	}
	if err := o.checkCompute(); err != nil {
		return err
	}
	if err := p.settleBench(&o); err != nil {
		return err
	}
	opened, err := nn.OpenBackend(o.compute())
	if err != nil {
		return err
	}
	defer opened.Finalize()
	backend, ok := opened.(*cpu.Backend)
	if !ok {
		return fmt.Errorf("%w: backend %q: parts are measured on cpu", reflectionflow.ErrInvalid, o.backend)
	}
	options := bench.ModelOptions{Backend: backend, Precision: cmp.Or(o.precision, "f32"), Name: o.model, Weights: o.weights, Quick: o.quick}
	if !slices.Contains(bench.Shapes(), o.model) {
		if o.weights != "" {
			return fmt.Errorf("%w: --weights is for random weights of %s: a model of a path has its own", reflectionflow.ErrInvalid, strings.Join(bench.Shapes(), " or "))
		}
		model, files, err := assemble.Library{}.OpenFlux(config.Weights{Model: o.model})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, files.Close()) }()
		options.Model = model
	}
	display := progress.NewBench(p.stderr)
	options.Notify = display.Begin
	report, err := bench.RunModel(ctx, options)
	display.Close()
	if err != nil {
		return err
	}
	return p.printReport(o.json, report, func() string { return benchModelText(report) })
}

// settleBench sets the precision that auto stands for, as generate does.
func (p *program) settleBench(o *benchOptions) error {
	if o.precision != config.Auto {
		return nil
	}
	if slices.Contains(bench.Shapes(), o.model) {
		precision, err := bench.AutoPrecision(o.backend, o.weights)
		o.precision = precision
		return err
	}
	model, err := p.catalog.Find(o.model)
	if err != nil {
		return err
	}
	return o.settle(model)
}
