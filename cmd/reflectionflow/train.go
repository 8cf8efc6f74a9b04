package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/internal/config"
	"reflectionflow/internal/progress"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/nn"
	"reflectionflow/tuning"
)

// trainOptions are the flags of train.
type trainOptions struct {
	out, config string
	computeOptions
	steps         int
	resume, quiet bool
	dryRun        bool
}

func (p *program) trainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train STAGE --out DIR",
		Short: "Train one stage of a model: " + stageNames(),
		Long: `Train one stage and add its network to the model folder DIR/model. The stages
build on each other, in this order:
` + stageNames() + `.
"reflectionflow train STAGE --help" says what a stage learns and what it needs.`,
		Example: `  reflectionflow train autoencoder --out world
  reflectionflow train base --config recipe.yaml --out world --resume`,
		Args:               cobra.ArbitraryArgs, // RunE names the stages
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%w: name a stage: %s", reflectionflow.ErrInvalid, stageNames())
			}
			return fmt.Errorf("%w: unknown stage %.40q: use one of %s", reflectionflow.ErrInvalid, args[0], stageNames())
		},
	}
	for _, stage := range tuning.Stages() {
		cmd.AddCommand(p.stageCommand(stage))
	}
	cmd.AddCommand(p.policyCommand())
	return cmd
}

// stageCommand trains one network.
func (p *program) stageCommand(stage tuning.Stage) *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   stage.Name + " --out DIR",
		Short: stage.Summary,
		Long: stage.Help + `

DIR/` + stage.Name + ` holds the checkpoint, metrics.jsonl, the loss curve and samples. Ctrl-C
saves a checkpoint; with --resume the result is byte-identical to that of a training
that was not interrupted. A recipe with "start: FOLDER" starts from the networks of
that model folder.`,
		Example: "  reflectionflow train " + stage.Name + " --out world\n  reflectionflow train " + stage.Name + " --config recipe.yaml --out world --resume",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.train(cmd.Context(), stage.Name, o)
		},
	}
	o.common(cmd.Flags())
	cmd.Flags().StringVar(&o.config, "config", "", "recipe in YAML (default: the embedded world's own)")
	cmd.Flags().IntVar(&o.steps, "steps", 0, "optimizer steps (default: the recipe's)")
	if stage.Name == "corrector" {
		cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "measure a block of the model that the recipe names, say what training takes, and stop")
	}
	cmd.Flags().BoolVar(&o.resume, "resume", false, "resume from the checkpoint in --out, if there is one")
	return cmd
}

// policyCommand fits the policy of the adaptive strategy.
func (p *program) policyCommand() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   policyStage + " --out DIR",
		Short: "Fit the policy by which the strategy adaptive chooses its next action",
		Long: `Measure on training prompts what each action of the strategy adaptive gains and
costs, how far the verifier's confidence can be trusted, and which images are worth
abandoning early. It trains no network, needs all stages but the judge, takes
minutes, and must be run again after a network has changed.
It writes DIR/model/policy.json.`,
		Example: "  reflectionflow train policy --out world",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return p.trainPolicy(cmd.Context(), o)
		},
	}
	o.common(cmd.Flags())
	return cmd
}

// common adds the flags that all stages take.
func (o *trainOptions) common(f *pflag.FlagSet) {
	f.StringVar(&o.out, "out", "", "folder for the training state and the model (required)")
	o.registerCompute(f)
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but errors")
}

// check reports flags that no stage can work with.
func (o *trainOptions) check() error {
	if err := o.checkCompute(); err != nil {
		return err
	}
	if o.out == "" {
		return fmt.Errorf("%w: --out is missing: name a folder for the training state and the model", reflectionflow.ErrInvalid)
	}
	if o.steps < 0 {
		return fmt.Errorf("%w: --steps %d: must not be negative", reflectionflow.ErrInvalid, o.steps)
	}
	return nil
}

func (p *program) train(ctx context.Context, stage string, o trainOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	recipe, err := readRecipe(o.config)
	if err != nil {
		return err
	}
	o.precision = cmp.Or(o.precision, recipe.Precision(stage))
	if o.precision == config.Auto {
		o.precision = "f32"
	}
	backend, err := nn.OpenBackend(o.compute())
	if err != nil {
		return err
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	display := progress.NewTraining(p.stderr, stage, o.quiet)
	opts := tuning.StageOptions{
		Backend: backend, Precision: o.precision, Out: o.out, Steps: o.steps, Resume: o.resume, Notify: display.Step, Preparing: display.Preparing, DryRun: o.dryRun,
	}
	if stage == "corrector" && recipe.Corrector.Model != "" {
		base, files, err := p.openBase(recipe.Corrector.BaseFiles)
		if err != nil {
			return err
		}
		defer files.Close() //nolint:errcheck // read only
		debug.SetGCPercent(largeTrainingGC)
		opts.Base, opts.Planned = base, func(plan tuning.Plan) { p.printPlan(plan, o) }
	}
	err = tuning.Train(ctx, stage, recipe, opts)
	display.Close()
	if !errors.Is(err, context.Canceled) {
		return err
	}
	again := "--out " + quoted(o.out) + " --resume"
	if o.precision != recipe.Precision(stage) {
		again = "--precision " + o.precision + " " + again
	}
	if o.config != "" {
		again = "--config " + quoted(o.config) + " " + again
	}
	return fmt.Errorf("stopped; resume with: reflectionflow train %s %s: %w", stage, again, context.Canceled)
}

// largeTrainingGC is the garbage in percent that accumulates while a large model is trained:
// its memory is few large arrays, which are cheap to collect.
const largeTrainingGC = 20

// openBase opens the model that a corrector is trained on.
func (p *program) openBase(f tuning.BaseFiles) (flux.Model, io.Closer, error) {
	model, files, err := library().OpenFlux(config.Weights{
		Model: f.Model, TextEncoder: f.TextEncoder, TextEncoder2: f.TextEncoder2, VAE: f.VAE, Tokenizer: f.Tokenizer,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("the corrector's model: %w", err)
	}
	return model, files, nil
}

// printPlan says what training takes: the result of a dry run, and otherwise a message.
func (p *program) printPlan(plan tuning.Plan, o trainOptions) {
	switch {
	case o.dryRun:
		fmt.Fprintln(p.stdout, plan)
	case !o.quiet:
		fmt.Fprintf(p.stderr, "corrector: %s\n", plan)
	}
}

func readRecipe(path string) (tuning.Recipe, error) {
	if path == "" {
		return tuning.ParseRecipe(clipartmodel.Recipe())
	}
	return tuning.ReadRecipe(path)
}
