package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/flux/nn"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/tuning"
)

// trainOptions are the flags of train.
type trainOptions struct {
	out, config, backend string
	steps                int
	resume, quiet        bool
}

func (p *program) trainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "train STAGE --out DIR",
		Short: "Train one stage of an embedded world: " + stageNames(),
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
	f.StringVar(&o.backend, "backend", "", "compute backend: cpu, or xla:PLUGIN in builds with -tags xla")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but errors")
}

// check reports flags that no stage can work with.
func (o *trainOptions) check() error {
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
	backend, err := nn.OpenBackend(o.backend)
	if err != nil {
		return err
	}
	p.noteSlow()
	display := newTrainDisplay(p.stderr, stage, o.quiet)
	err = tuning.Train(ctx, stage, recipe, tuning.StageOptions{
		Backend: backend, Out: o.out, Steps: o.steps, Resume: o.resume, Notify: display.step, Preparing: display.preparing,
	})
	display.close()
	if !errors.Is(err, context.Canceled) {
		return err
	}
	again := "--out " + quoted(o.out) + " --resume"
	if o.config != "" {
		again = "--config " + quoted(o.config) + " " + again
	}
	return fmt.Errorf("stopped; resume with: reflectionflow train %s %s: %w", stage, again, context.Canceled)
}

func readRecipe(path string) (tuning.Recipe, error) {
	if path == "" {
		return tuning.ParseRecipe(clipartmodel.Recipe())
	}
	return tuning.ReadRecipe(path)
}

// trainDisplay shows the progress of a training run: a bar on a terminal, a line
// now and then elsewhere.
type trainDisplay struct {
	out      io.Writer
	stage    string
	terminal bool
	quiet    bool
	bar      *progressbar.ProgressBar
	before   string // what the bar counts before the first step
	done     int    // of that
	first    int
	started  time.Time
	printed  time.Time
	smooth   float64
}

func newTrainDisplay(out io.Writer, stage string, quiet bool) *trainDisplay {
	return &trainDisplay{out: out, stage: stage, quiet: quiet, terminal: isTerminal(out), started: time.Now()}
}

// preparing shows the work before the first step.
func (d *trainDisplay) preparing(what string, done, of int) {
	switch {
	case d.quiet:
	case d.terminal:
		if d.before != what || done < d.done {
			d.close()
			d.before, d.bar = what, d.newBar(of, "picture")
			d.bar.Describe(d.stage + ": " + what)
		}
		d.done = done
		_ = d.bar.Set(done) // a display that fails must not end the training
	case time.Since(d.printed) >= 10*time.Second:
		d.printed = time.Now()
		_, _ = fmt.Fprintf(d.out, "%s: %s: %d of %d\n", d.stage, what, done, of)
	}
}

func (d *trainDisplay) newBar(of int, unit string) *progressbar.ProgressBar {
	return progressbar.NewOptions(of,
		progressbar.OptionSetWriter(d.out), progressbar.OptionSetWidth(24), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true), progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))
}

func (d *trainDisplay) step(s tuning.Progress) {
	if d.quiet {
		return
	}
	if d.smooth == 0 {
		d.close()
		d.started = time.Now() // as far as the rate of the steps goes
		d.smooth, d.first = s.Loss, s.Step
	}
	d.smooth += 0.05 * (s.Loss - d.smooth)
	if d.terminal {
		d.advance(s)
		return
	}
	if len(s.Sampled) == 0 && s.Step < s.Steps && time.Since(d.printed) < 10*time.Second {
		return
	}
	d.printed = time.Now()
	_, _ = fmt.Fprintf(d.out, "%s: step %d of %d, loss %.4f%s%s\n", d.stage, s.Step, s.Steps, d.smooth, d.rate(s), figures(s))
}

// rate says how long a step takes and how long all will, once there is more than one.
func (d *trainDisplay) rate(s tuning.Progress) string {
	if s.Step == d.first {
		return ""
	}
	each := time.Since(d.started).Seconds() / float64(s.Step-d.first)
	left := time.Duration(each * float64(s.Steps-s.Step) * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf(", %.3g s a step, %s left", each, left)
}

func (d *trainDisplay) advance(s tuning.Progress) {
	if d.bar == nil {
		d.bar = d.newBar(s.Steps, "step")
	}
	d.bar.Describe(fmt.Sprintf("%s loss %.4f%s", d.stage, d.smooth, figures(s)))
	_ = d.bar.Set(s.Step) // a display that fails must not end the training
}

func (d *trainDisplay) close() {
	if d.bar != nil {
		_, _ = fmt.Fprintln(d.out)
		d.bar = nil
	}
}

// figures lists what was watched and sampled, in order of name.
func figures(s tuning.Progress) string {
	var text strings.Builder
	for _, values := range []map[string]float64{s.Watched, s.Sampled} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			_, _ = fmt.Fprintf(&text, ", %s %.4g", strings.ReplaceAll(name, "_", " "), values[name])
		}
	}
	return text.String()
}
