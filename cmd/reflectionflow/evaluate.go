package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

// evaluateOptions are the flags of evaluate. Those of the search are generate's.
type evaluateOptions struct {
	search     generateOptions
	prompts    string
	strategies []string
	budgets    []int
	limit      int
	samples    int
	difficulty int
	out        string
	judge      string
	forceJudge bool
	json       bool
	quiet      bool
}

const evaluateHelp = `Run every strategy on every prompt, let a judge that the search does not use decide which
images are right, and report accuracy with 95% intervals by GenEval's rules.

A strategy is one of generate's, or a variant: reflection+width8 has eight chains,
reflection+oracle uses the judge as its verifier (an upper bound), and
reflection+detector another verifier of the model. With reflection+flip20 a fifth of the
verifier's verdicts on requirements are wrong, and with reflection+flip20s the same ones on
all images of a prompt. noise+stop+share is the noise axis alone with the early stopping and
the budget sharing of adaptive. reflection@8 is measured at budgets up to 8. Where a search
with a smaller budget is a prefix of one with a larger, one search serves all budgets.

Prompts are builtin:test, builtin:validation or builtin:train (GenEval's six tasks
with the model's vocabulary; test and validation prompts are not trained on), the
harder compound:test, compound:validation or compound:train (counts, positions and
colors together, and three colored objects), or a file of a benchmark: GenEval's
evaluation_metadata.jsonl, GenEval 2's geneval2_data.jsonl, DPG-Bench's dpg_bench.csv, or
a file of T2I-CompBench such as color_val.txt. All of these files but GenEval's need --judge
vlm. sealed:NAME and sealed-compound:NAME are new prompts of the same tasks from a seed of
that name, to be opened once per release.

The judge is embedded (clip-art alone), template (clip-art by comparison with the drawings,
without a network), coco (the built-in photo detector),
owlv2+clip (boxes and colors by weights of your own), vlm (a
vision-language model by the probability of its answers, see judges in the reference of
configurations), or external. Choose one that the verifier of the search does not use.

The folder --out gets results.jsonl during the evaluation, then summary.json,
report.md, report.html, figures, and for each strategy and budget a folder in GenEval's
layout (noise-8/00000/samples/...), which GenEval's own scorer reads. The same command
resumes an interrupted evaluation; with further strategies at the end or more seeds it adds them.

A search whose every image the generator refuses, as a content filter does, counts as
wrong; report and summary say how many prompts that concerns. A search that fails for
a reason that may pass is not scored, and the same command repeats it.`

func (p *program) evaluateCommand() *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Measure the accuracy of strategies at several budgets",
		Long:  evaluateHelp,
		Example: `  reflectionflow evaluate --strategies noise,reflection --budgets 1,8 --limit 60
  reflectionflow evaluate --prompts evaluation_metadata.jsonl --out official`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.evaluate(cmd, &o) },
	}
	o.register(cmd.Flags())
	cmd.AddCommand(p.evaluateImagesCommand(), p.evaluateAblateCommand(), p.evaluateJudgeCommand(), p.evaluateReportCommand(), p.evaluateCompareCommand(), p.evaluatePageCommand())
	return cmd
}

func (o *evaluateOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.prompts, "prompts", "builtin:test", "builtin:SPLIT or compound:SPLIT with SPLIT test, validation or train; sealed:NAME or sealed-compound:NAME; or a file of GenEval, GenEval 2, DPG-Bench or T2I-CompBench")
	f.StringSliceVar(&o.strategies, "strategies", []string{search.Noise, search.Reflection}, "strategies to compare, or variants ("+strings.Join(search.Strategies(), ", ")+"); the first is the baseline")
	f.IntSliceVar(&o.budgets, "budgets", []int{1, 8}, "images per prompt")
	f.IntVar(&o.limit, "limit", 0, "number of prompts, spread evenly over the tasks (default: 60, or all of a file)")
	f.IntVar(&o.samples, "seeds", 1, "searches per strategy and prompt, with different seeds")
	f.IntVar(&o.difficulty, "difficulty", 4, "extra images per prompt that estimate its difficulty and are not scored; 0: none (the default with --config or --generator)")
	o.registerJudge(f)
	f.StringVar(&o.out, "out", "runs/evaluation", "folder for the results; that of an interrupted evaluation resumes it")
	seedFlag(f, &o.search.seed, "the same seed generates the same images")
	f.IntVar(&o.search.width, "width", 0, "parallel chains of candidates (default: the strategy's)")
	f.IntVar(&o.search.depth, "depth", 0, "rounds per chain; 0: as many as the budget allows")
	f.IntVar(&o.search.steps, "steps", 0, "denoising steps per image (default: the model's)")
	f.Float64Var(&o.search.guidance, "guidance", 0, "guidance scale (default: the model's)")
	f.StringVar(&o.search.size, "size", "", "pixels: 128 or 128x96 (default: the model's)")
	o.search.registerAnySize(f)
	f.BoolVar(&o.search.earlyStop, "early-stop", false, "stop a search when an image meets every requirement; without it, strategies are compared at equal numbers of images")
	f.IntVar(&o.search.batch, "batch", 4, "images generated at once, across prompts; does not change the result (default: more with a concurrent remote generator)")
	f.StringVar(&o.search.deployment, "config", "", "configuration of generator, verifier, judge and other parts (see: reflectionflow config)")
	f.StringVar(&o.search.generator, "generator", "", "generate with the server at this URL (see: reflectionflow generate --help)")
	f.StringVar(&o.search.model, "model", "", "model that generates: a name (see: reflectionflow models list), a folder or a file")
	o.search.registerFiles(f)
	o.search.registerCompute(f)
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
}

func (p *program) evaluate(cmd *cobra.Command, o *evaluateOptions) error {
	model, judge, err := p.evaluateWith(cmd, o)
	if err != nil {
		return err
	}
	if o.search.deployment+o.search.generator != "" && !cmd.Flags().Changed("difficulty") {
		o.difficulty = 0 // images of a remote generator may cost money
	}
	if o.limit < 0 || o.difficulty < 0 {
		return fmt.Errorf("%w: limit %d and difficulty %d must not be negative", reflectionflow.ErrInvalid, o.limit, o.difficulty)
	}
	if !cmd.Flags().Changed("batch") {
		o.search.batch = manyBatch(o.search.batch, model)
	}
	if err := o.tidyBudgets(); err != nil {
		return err
	}
	arms, err := o.arms(cmd.Flags(), model)
	if err != nil {
		return err
	}
	probe, err := o.probe(cmd.Flags(), model)
	if err != nil {
		return err
	}
	prompts, err := p.prompts(*o, model, judge)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	fingerprint, err := model.Check(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", model.Name, err)
	}
	settings, err := json.Marshal(map[string]string{"model": model.Name, "fingerprint": fingerprint, "backend": o.search.compute()})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	s := &evaluationSession{program: p, options: *o, arms: arms, probe: probe, judge: judge}
	s.evaluation = geneval.Evaluation{
		Prompts: prompts, Budgets: o.budgets, Samples: o.samples, Seed: o.search.seed,
		Settings: settings, Dir: o.out, By: judge.by, Parse: parsedBy(model),
	}
	return s.run(ctx, model)
}

// tidyBudgets sorts the budgets and removes duplicates.
func (o *evaluateOptions) tidyBudgets() error {
	slices.Sort(o.budgets)
	o.budgets = slices.Compact(o.budgets)
	if len(o.budgets) == 0 || o.budgets[0] < 1 {
		return fmt.Errorf("%w: budgets %v: use numbers of images, such as 1,8", reflectionflow.ErrInvalid, o.budgets)
	}
	return nil
}

// promptSets are the tasks of the prompts that --prompts names instead of a file.
var promptSets = map[string]func() []clipart.Task{"builtin": clipart.Tasks, "compound": clipart.Compound}

// sealedSets are the same tasks in new prompts: see [geneval.Sealed].
var sealedSets = map[string]func() []clipart.Task{"sealed": clipart.Tasks, "sealed-compound": clipart.Compound}

// developed is how many prompts of the test split all numbers up to now were seen on.
const developed = 300

// sealed are the prompts of a sealed set, by default 300.
func (o evaluateOptions) sealed(name string, tasks []clipart.Task, classes []string) (list []geneval.Metadata, note string, err error) {
	known, err := geneval.Builtin(tasks, clipart.Test, classes, developed, promptSeed)
	if err != nil {
		return nil, "", err
	}
	n := o.limit
	if n == 0 {
		n = developed
	}
	list, err = geneval.Sealed(name, tasks, classes, known, n)
	return list, "a sealed set is opened once per release: record it in docs/sealed.md", err
}

// defaultPrompts is the default number of these.
const defaultPrompts = 60

// promptSeed keeps builtin prompts independent of --seed.
const promptSeed = 1

// metadata reads the prompts, or samples builtin ones. note says what a file has that is
// left out.
func (o evaluateOptions) metadata(model assemble.Model) (list []geneval.Metadata, note string, err error) {
	set, split, builtin := strings.Cut(o.prompts, ":")
	if tasks := sealedSets[set]; builtin && tasks != nil {
		return o.sealed(split, tasks(), model.Classes)
	}
	if tasks := promptSets[set]; builtin && tasks != nil {
		if !slices.Contains([]clipart.Split{clipart.Test, clipart.Validation, clipart.Train}, clipart.Split(split)) {
			return nil, "", fmt.Errorf("%w: %s:%.40s: use %[2]s:test, %[2]s:validation or %[2]s:train", reflectionflow.ErrInvalid, set, split)
		}
		n := o.limit
		if n == 0 {
			n = defaultPrompts
		}
		list, err = geneval.Builtin(tasks(), clipart.Split(split), model.Classes, n, promptSeed)
		return list, "", err
	}
	list, note, err = o.readFile()
	return geneval.Limit(list, o.limit), note, err
}

// readFile reads the file of prompts.
func (o evaluateOptions) readFile() ([]geneval.Metadata, string, error) {
	f, err := openInput("prompts", o.prompts)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	list, note, err := geneval.ReadPrompts(o.prompts, f)
	if err != nil {
		return nil, "", fmt.Errorf("prompts: %s: %w", o.prompts, err)
	}
	return list, note, nil
}

// evaluationSession is one invocation that starts or resumes an evaluation.
type evaluationSession struct {
	program    *program
	options    evaluateOptions
	arms       []arm
	probe      search.Config
	judge      chosenJudge
	pool       *pool
	evaluation geneval.Evaluation
	kept       geneval.Progress
}

func (s *evaluationSession) run(ctx context.Context, model assemble.Model) error {
	e, err := model.Open(ctx, s.options.search.compute())
	if err != nil {
		return fmt.Errorf("open model %s: %w", model.Name, err)
	}
	if e.Closer != nil {
		defer e.Close()
	}
	ev := &s.evaluation
	judge, agreement, err := s.openJudge(ctx)
	if err != nil {
		return err
	}
	if judge != nil {
		defer judge.Close()
	}
	ev.Meter = &geneval.Meter{}
	s.pool = newPool()
	ev.Judge = s.pool.judge(ev.Judge)
	e.Generator = s.pool.generator(ev.Meter.Watch(e.Generator))
	shown := progress.NewEvaluation(s.program.stderr, s.options.quiet)
	closers, err := s.strategies(ctx, model, e, shown)
	defer closeAll(closers)
	if err != nil {
		return err
	}
	ev.Notify = s.notices(agreement, shown)
	err = s.search(ctx, e)
	shown.Close()
	if err != nil {
		return s.explain(ctx, err)
	}
	if s.judge.Open == nil {
		return s.pending()
	}
	return s.publish()
}

// publish writes and prints the report.
func (s *evaluationSession) publish() error {
	results, err := geneval.ReadResults(s.evaluation.Dir)
	if err != nil {
		return err
	}
	summary, err := results.Publish()
	if err != nil {
		return err
	}
	if !s.options.quiet {
		_, _ = fmt.Fprintf(s.program.stderr, "report: %s\n", filepath.Join(results.Dir, "report.html"))
	}
	return s.program.printSummary(summary, s.options.json, s.options.quiet)
}

// notices returns the receiver of progress. At the first call the folder is accepted; it
// then prints the result of the judge's self-test.
func (s *evaluationSession) notices(agreement *geneval.Agreement, shown progress.Evaluation) func(geneval.Progress) {
	begun := false
	return func(p geneval.Progress) {
		if !begun && !s.options.quiet {
			if agreement != nil {
				_, _ = fmt.Fprintf(s.program.stderr, "self-test: %s\n", agreement)
			}
			if p.Done > 0 {
				_, _ = fmt.Fprintf(s.program.stderr, "%d of %d searches were kept\n", p.Done, p.Total)
			}
		}
		begun = true
		s.kept = p
		shown.Progress(p)
	}
}

// search runs the evaluation. The replies of servers are kept until it is finished.
func (s *evaluationSession) search(ctx context.Context, e *assemble.Engine) error {
	ev := &s.evaluation
	if e.Ledger == nil {
		_, err := ev.Run(ctx)
		return err
	}
	e.Ledger.Shared = true
	ev.Begin = func() error { return e.Ledger.Open(ev.Dir, nil) }
	_, err := ev.Run(ctx)
	return errors.Join(serverFailure(e.Ledger, err), e.Ledger.Close(err == nil))
}

// strategies builds the search of each arm with its verifier. The caller closes what it
// opened, also after an error.
func (s *evaluationSession) strategies(ctx context.Context, model assemble.Model, e *assemble.Engine, shown progress.Evaluation) (opened []io.Closer, err error) {
	ev := &s.evaluation
	verifiers := map[string]reflectionflow.Verifier{
		"":     s.pool.verifier("", e.Verifier),
		oracle: geneval.NewOracle(ev.Judge, ev.Prompts),
	}
	for _, a := range s.arms {
		v, ready := verifiers[a.Verifier]
		if !ready {
			if v, err = model.OpenVerifier(ctx, s.options.search.compute(), a.Verifier); err != nil {
				return opened, fmt.Errorf("open verifier %s: %w", a.Verifier, err)
			}
			if closer, ok := v.(io.Closer); ok {
				opened = append(opened, closer)
			}
			v = s.pool.verifier(a.Verifier, v)
			verifiers[a.Verifier] = v
		}
		if a.Errors != nil {
			if v, err = verifier.NewFlipped(v, verifier.FlipOptions{Rate: float64(a.Errors.Percent) / 100, Systematic: a.Errors.Systematic, Seed: s.options.search.seed}); err != nil {
				return opened, fmt.Errorf("strategy %s: %w", a.Name, err)
			}
		}
		with := *e
		with.Verifier = v
		ev.Strategies = append(ev.Strategies, s.strategy(a, &with, shown))
	}
	if s.options.difficulty > 0 {
		probe := s.strategy(arm{Arm: geneval.Arm{Name: "difficulty"}, cfg: s.probe}, e, shown)
		ev.Probe, ev.ProbeImages = &probe, s.options.difficulty
	}
	return opened, nil
}

// strategy is the strategy of an arm, which takes from the pool what is there.
func (s *evaluationSession) strategy(a arm, e *assemble.Engine, shown progress.Evaluation) geneval.Strategy {
	strategy := searchStrategy(a, e, shown)
	search := strategy.Search
	strategy.Search = func(ctx context.Context, job geneval.Job) error {
		s.pool.begin(job.Sample)
		return search(ctx, job)
	}
	return strategy
}

func closeAll(closers []io.Closer) {
	for _, c := range closers {
		_ = c.Close() // it was only read
	}
}

// explain says that the same command resumes an interrupted or failed evaluation.
func (s *evaluationSession) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, reflectionflow.ErrInvalid):
		return err
	case ctx.Err() == nil:
		return fmt.Errorf("%w; %d of %d searches are kept in %s: the same command resumes", err, s.kept.Done, s.kept.Total, s.options.out)
	}
	return fmt.Errorf("stopped with %d of %d searches kept in %s; the same command resumes: %w", s.kept.Done, s.kept.Total, s.options.out, context.Canceled)
}

// printSummary prints the closing table.
func (p *program) printSummary(summary geneval.Summary, asJSON, quiet bool) error {
	switch {
	case asJSON:
		data, err := json.Marshal(summary)
		if err != nil {
			return fmt.Errorf("encode summary: %w", err)
		}
		return printTo(p.stdout, string(data)+"\n")
	case quiet:
		return nil
	}
	return printTo(p.stdout, summary.Markdown())
}
