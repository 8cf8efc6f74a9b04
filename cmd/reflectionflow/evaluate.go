package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	"reflectionflow/search"
)

// evaluateOptions are the flags of evaluate. Those of the search are generate's.
type evaluateOptions struct {
	search     generateOptions
	prompts    string
	strategies []string
	budgets    []int
	limit      int
	samples    int
	out        string
	json       bool
	quiet      bool
}

const evaluateHelp = `Search for each prompt with each strategy, let a judge that the search never saw
say what is right, and sum up with 95% intervals by GenEval's rules.

Every search runs to the largest budget; what a smaller budget would have answered
is the best picture, by the verifier, among the first. So each budget is a point
of the same searches.

Prompts are builtin:test, builtin:validation or builtin:train (GenEval's six tasks
about what the model knows; test and validation prompts are in no training), or a
file in the format of GenEval's evaluation_metadata.jsonl.

The folder --out gets results.jsonl as it goes, then summary.json and report.md, and
for each strategy and budget a folder in GenEval's layout (NOISE-8/00000/samples/...),
which GenEval's own scorer reads. Stopped in whatever way, the same command goes on
where it was.`

func (p *program) evaluateCommand() *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Measure how often strategies draw what was asked",
		Long:  strings.Replace(evaluateHelp, "NOISE-8", "noise-8", 1),
		Example: `  reflectionflow evaluate --strategies noise,reflection --budgets 1,8 --limit 60
  reflectionflow evaluate --prompts evaluation_metadata.jsonl --out official`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.evaluate(cmd, o) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *evaluateOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.prompts, "prompts", "builtin:test", "builtin:test, builtin:validation, builtin:train or a file of metadata lines")
	f.StringSliceVar(&o.strategies, "strategies", []string{search.Noise, search.Reflection}, "strategies to compare; the first is what the others are compared with")
	f.IntSliceVar(&o.budgets, "budgets", []int{1, 8}, "images a prompt")
	f.IntVar(&o.limit, "limit", 0, "number of prompts, spread evenly over the tasks (default 60 of builtin ones, all of a file)")
	f.IntVar(&o.samples, "seeds", 1, "searches for each strategy and prompt")
	f.StringVar(&o.out, "out", "runs/evaluation", "folder for the results; of the same evaluation, to go on with it")
	f.Uint64Var(&o.search.seed, "seed", 1, "the same seed draws the same pictures")
	f.IntVar(&o.search.width, "width", 0, "chains side by side (default of the strategy)")
	f.IntVar(&o.search.depth, "depth", 0, "rounds; 0 is as many as the budget allows")
	f.IntVar(&o.search.steps, "steps", 0, "denoising steps an image (default of the model)")
	f.Float64Var(&o.search.guidance, "guidance", 0, "guidance scale (default of the model)")
	f.StringVar(&o.search.size, "size", "", "pixels, as 128 or 128x96 (default of the model)")
	f.BoolVar(&o.search.earlyStop, "early-stop", false, "stop a search when a picture meets every requirement; off, strategies are compared at equal images")
	f.IntVar(&o.search.batch, "batch", 4, "images drawn at once, across prompts; does not change the result")
	f.StringVar(&o.search.deployment, "config", "", "take generator, verifier and the like from this file; the judge stays the model's own (see: reflectionflow config)")
	f.StringVar(&o.search.generator, "generator", "", "draw with the server at this URL (see: reflectionflow generate)")
	f.StringVar(&o.search.model, "model", "", "model to draw with (see: reflectionflow models list)")
	f.StringVar(&o.search.backend, "backend", "", "what computes: empty for the CPU, or xla:PLUGIN")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
}

func (p *program) evaluate(cmd *cobra.Command, o evaluateOptions) error {
	model, err := p.evaluateWith(cmd, &o)
	if err != nil {
		return err
	}
	if model.OpenJudge == nil {
		return fmt.Errorf("%w: model %s has no judge to evaluate with", reflectionflow.ErrInvalid, model.Name)
	}
	if err := o.tidyBudgets(); err != nil {
		return err
	}
	configs, err := o.configs(cmd.Flags(), model)
	if err != nil {
		return err
	}
	prompts, err := o.metadata(model)
	if err != nil {
		return fmt.Errorf("prompts: %w", err)
	}
	ctx := cmd.Context()
	fingerprint, err := model.Check(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", model.Name, err)
	}
	settings, err := evaluateSettings(model, fingerprint, o.search.backend, configs)
	if err != nil {
		return err
	}
	p.noteSlow()
	s := &evaluationSession{program: p, options: o, configs: configs}
	s.evaluation = geneval.Evaluation{
		Prompts: prompts, Budgets: o.budgets, Samples: o.samples, Seed: o.search.seed,
		Settings: settings, Dir: o.out,
	}
	return s.run(ctx, model)
}

// tidyBudgets sorts the budgets and drops repeats.
func (o *evaluateOptions) tidyBudgets() error {
	slices.Sort(o.budgets)
	o.budgets = slices.Compact(o.budgets)
	if len(o.budgets) == 0 || o.budgets[0] < 1 {
		return fmt.Errorf("%w: budgets %v: use numbers of images, such as 1,8", reflectionflow.ErrInvalid, o.budgets)
	}
	return nil
}

// configs are the settings of the search for each strategy, at the largest budget.
func (o evaluateOptions) configs(flags *pflag.FlagSet, model modelEntry) ([]search.Config, error) {
	var configs []search.Config
	for _, name := range o.strategies {
		g := o.search
		g.strategy = strings.TrimSpace(name)
		g.budget = strconv.Itoa(o.budgets[len(o.budgets)-1])
		cfg, err := g.config(flags, model)
		if err != nil {
			return nil, err
		}
		configs = append(configs, cfg)
	}
	return configs, nil
}

// defaultPrompts is how many builtin prompts there are unless more are asked for.
const defaultPrompts = 60

// promptSeed makes builtin prompts the same whatever the pictures' seed is.
const promptSeed = 1

// metadata reads or draws the prompts.
func (o evaluateOptions) metadata(model modelEntry) ([]geneval.Metadata, error) {
	if o.limit < 0 {
		return nil, fmt.Errorf("%w: limit %d: must not be negative", reflectionflow.ErrInvalid, o.limit)
	}
	if split, builtin := strings.CutPrefix(o.prompts, "builtin:"); builtin {
		if !slices.Contains([]clipart.Split{clipart.Test, clipart.Validation, clipart.Train}, clipart.Split(split)) {
			return nil, fmt.Errorf("%w: builtin:%.40s: use builtin:test, builtin:validation or builtin:train", reflectionflow.ErrInvalid, split)
		}
		n := o.limit
		if n == 0 {
			n = defaultPrompts
		}
		return geneval.Builtin(clipart.Split(split), model.Classes, n, promptSeed)
	}
	f, err := os.Open(o.prompts)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	defer f.Close()
	list, err := geneval.ReadMetadata(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.prompts, err)
	}
	list = geneval.Limit(list, o.limit)
	for _, m := range list {
		if err := knows(model, m); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// knows reports a prompt about what the model does not know.
func knows(model modelEntry, m geneval.Metadata) error {
	for _, c := range m.Include {
		if len(model.Classes) > 0 && !slices.Contains(model.Classes, c.Class) {
			return fmt.Errorf("%w: %q: model %s does not know %s (see: reflectionflow models show %s)",
				reflectionflow.ErrInvalid, m.Prompt, model.Name, c.Class, model.Name)
		}
		if c.Color != "" && len(model.Colors) > 0 && !slices.Contains(model.Colors, c.Color) {
			return fmt.Errorf("%w: %q: model %s does not know the colour %s", reflectionflow.ErrInvalid, m.Prompt, model.Name, c.Color)
		}
	}
	return nil
}

// evaluateSettings is what results depend on beside the evaluation's own fields.
func evaluateSettings(model modelEntry, fingerprint, backend string, configs []search.Config) (json.RawMessage, error) {
	same := slices.Clone(configs)
	for i := range same {
		same[i].Batch, same[i].Seed = 0, 0 // the one never matters, the other is the evaluation's
	}
	data, err := json.Marshal(map[string]any{
		"model": model.Name, "fingerprint": fingerprint, "backend": backend, "search": same,
	})
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return data, nil
}

// evaluationSession is one sitting at an evaluation.
type evaluationSession struct {
	program    *program
	options    evaluateOptions
	configs    []search.Config
	evaluation geneval.Evaluation
	kept       geneval.Progress
}

func (s *evaluationSession) run(ctx context.Context, model modelEntry) error {
	e, err := model.Open(ctx, s.options.search.backend)
	if err != nil {
		return fmt.Errorf("open model %s: %w", model.Name, err)
	}
	if e.Closer != nil {
		defer e.Close()
	}
	judge, err := model.OpenJudge(ctx, s.options.search.backend)
	if err != nil {
		return fmt.Errorf("open the judge of model %s: %w", model.Name, err)
	}
	if closer, ok := judge.(io.Closer); ok {
		defer closer.Close()
	}
	ev := &s.evaluation
	ev.Judge, ev.Thresholds = judge, geneval.ThresholdsOf(judge)
	size := image.Pt(s.configs[0].ImageWidth, s.configs[0].ImageHeight)
	agreement, err := geneval.CheckJudge(ctx, judge, ev.Thresholds, model.Classes, size)
	if err != nil {
		return err
	}
	ev.Remark = fmt.Sprintf("Self-test: %s.", agreement)
	shown := s.display()
	for _, cfg := range s.configs {
		ev.Strategies = append(ev.Strategies, searchStrategy(cfg, e, shown))
	}
	ev.Notify = func(p geneval.Progress) {
		if len(p.Records) == 0 && !s.options.quiet { // the folder is accepted
			_, _ = fmt.Fprintf(s.program.stderr, "self-test: %s\n", agreement)
		}
		s.kept = p
		shown.progress(p)
	}
	summary, err := ev.Run(ctx)
	shown.close()
	if err != nil {
		return s.explain(ctx, err)
	}
	return s.sumUp(summary)
}

// explain says how to go on after the evaluation was stopped or has failed.
func (s *evaluationSession) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, reflectionflow.ErrInvalid):
		return err
	case ctx.Err() == nil:
		return fmt.Errorf("%w; %d of %d searches are kept in %s: the same command goes on", err, s.kept.Done, s.kept.Total, s.options.out)
	}
	return fmt.Errorf("stopped with %d of %d searches kept in %s; the same command goes on: %w", s.kept.Done, s.kept.Total, s.options.out, context.Canceled)
}

func (s *evaluationSession) sumUp(summary geneval.Summary) error {
	if s.options.json {
		data, err := json.Marshal(summary)
		if err != nil {
			return fmt.Errorf("encode summary: %w", err)
		}
		return printTo(s.program.stdout, string(data)+"\n")
	}
	if s.options.quiet {
		return nil
	}
	return printTo(s.program.stdout, summary.Markdown())
}
