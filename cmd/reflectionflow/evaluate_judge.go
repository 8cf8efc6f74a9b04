package main

import (
	"context"
	"fmt"
	"image"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
)

// chosenJudge is the judge of an evaluation, not opened.
type chosenJudge struct {
	assemble.JudgePlan
	by geneval.JudgedBy
}

// registerJudge adds the flags that choose the judge.
func (o *evaluateOptions) registerJudge(f *pflag.FlagSet) {
	f.StringVar(&o.judge, "judge", "", "what decides which images are right: "+strings.Join(assemble.JudgeNames(), ", ")+", or a judge of the configuration (default: embedded for clip-art models, else coco)")
	f.BoolVar(&o.forceJudge, "force-judge", false, "let the judge of clip-art judge another generator")
}

// prompts reads the prompts of an evaluation, prints what is left out of them, and checks
// that the judge can score them.
func (p *program) prompts(o evaluateOptions, model assemble.Model, judge chosenJudge) ([]geneval.Metadata, error) {
	list, note, err := o.metadata(model)
	if err != nil {
		return nil, err
	}
	p.note(o, note)
	return list, judge.suits(list)
}

// note prints what a file of prompts has that is left out.
func (p *program) note(o evaluateOptions, note string) {
	if note != "" && !o.quiet {
		_, _ = fmt.Fprintf(p.stderr, "prompts: %s: %s\n", o.prompts, note)
	}
}

// evaluateWith returns the model that evaluate searches with, and the judge: by default
// the embedded one for a model of clip-art, and the photo detector for others.
func (p *program) evaluateWith(cmd *cobra.Command, o *evaluateOptions) (assemble.Model, chosenJudge, error) {
	c, err := p.searching(&o.search.engineOptions, cmd.Flags())
	if err != nil {
		return assemble.Model{}, chosenJudge{}, err
	}
	var model assemble.Model
	var ledger *endpoint.Ledger
	if c == nil {
		c = assemble.NewConfig("the command line")
		c.Model, c.Backend, c.Precision = o.search.model, o.search.backend, o.search.precision
		model, err = p.catalog.Find(o.search.model)
	} else {
		b := p.builder(c.Used())
		ledger = b.Ledger
		model, err = b.Model()
	}
	if err == nil {
		err = o.search.settle(model)
	}
	if err != nil {
		return model, chosenJudge{}, err
	}
	b := p.builder(c)
	if ledger != nil {
		b.Ledger = ledger // one record of all calls
	}
	judge, err := chooseJudge(b, *o, model.OpenJudge != nil)
	if err != nil || judge.Name != config.Embedded || model.OpenJudge != nil {
		return model, judge, err
	}
	return p.forcedOn(model, judge, c)
}

// chooseJudge plans the judge that the options name; clipArt is set for models that have a
// judge of their own.
func chooseJudge(b *assemble.Builder, o evaluateOptions, clipArt bool) (chosenJudge, error) {
	name := o.judge
	switch {
	case name != "":
	case clipArt:
		name = config.Embedded
	default:
		name = "coco"
	}
	plan, err := b.Judge(name)
	if err != nil {
		return chosenJudge{}, err
	}
	judge := chosenJudge{JudgePlan: plan}
	if plan.ClipArt && !clipArt && !o.forceJudge {
		return judge, errClipArtJudge(plan.Name)
	}
	if plan.Name == config.Embedded {
		if !clipArt {
			judge.by = geneval.JudgedBy{Name: plan.Name, Network: strings.Join(plan.Networks, ", ") + geneval.Forced}
		}
		return judge, nil // records of clip-art evaluations have named no judge from the start
	}
	judge.by = geneval.JudgedBy{Name: plan.Name, Network: strings.Join(plan.Networks, ", "), Shared: b.Shared(plan)}
	return judge, nil
}

func errClipArtJudge(name string) error {
	return fmt.Errorf("%w: --judge %s knows clip-art alone, and this generator generates other images: use --judge coco, or --force-judge", reflectionflow.ErrInvalid, name)
}

// forcedOn lets the judge of the configuration's clip-art model judge another generator: it
// brings its vocabulary, and the files that the results depend on.
func (p *program) forcedOn(model assemble.Model, judge chosenJudge, c *config.Config) (assemble.Model, chosenJudge, error) {
	own, err := p.catalog.Find(c.Model)
	if err != nil {
		return model, judge, err
	}
	model.Classes, model.Colors = own.Classes, own.Colors
	searched := model.Check
	model.Check = func(ctx context.Context) (string, error) {
		parts, err := searched(ctx)
		if err != nil {
			return "", err
		}
		sum, err := own.Check(ctx)
		return assemble.Sum([]byte(parts + "\n" + sum)), err
	}
	return model, judge, nil
}

// suits reports the first prompt that the judge cannot decide.
func (j chosenJudge) suits(prompts []geneval.Metadata) error {
	if j.Suits == nil {
		return nil
	}
	for _, m := range prompts {
		if err := j.Suits(m); err != nil {
			return err
		}
	}
	return nil
}

// parsedBy reads prompts by the model's parser.
func parsedBy(model assemble.Model) func(ctx context.Context, text string) (reflectionflow.Prompt, error) {
	if model.Parse == nil {
		return nil
	}
	return func(ctx context.Context, text string) (reflectionflow.Prompt, error) {
		prompt, _, err := model.Parse(ctx, text)
		return prompt, err
	}
}

// openJudge opens the judge of the evaluation and tests it on images with known answers.
// Without an error the caller closes it, unless it is nil.
func (s *evaluationSession) openJudge(ctx context.Context) (io.Closer, *geneval.Agreement, error) {
	ev := &s.evaluation
	if s.judge.Open == nil {
		ev.Judge = geneval.Later{}
		return nil, nil, nil
	}
	judge, err := s.judge.Open(ctx, s.options.search.compute())
	if err != nil {
		return nil, nil, err
	}
	closer := judge.Closer
	if closer == nil {
		closer = io.NopCloser(nil)
	}
	agreement, err := s.testJudge(ctx, judge)
	if err != nil {
		_ = closer.Close() // it was only read
		return nil, nil, err
	}
	if own, ok := judge.Judge.(geneval.Calibrated); ok {
		ev.Thresholds = own.Thresholds()
	}
	ev.Judge, ev.Judged = geneval.Shared(judge.Judge), agreement
	if shared := s.judge.by.Shared; shared != "" && !s.options.quiet {
		_, _ = fmt.Fprintf(s.program.stderr, "warning: the judge is also the verifier of the search (%s): the search is rewarded for its errors, and the scores are too high; use another --judge or verifier\n", shared)
	}
	if strings.HasSuffix(s.judge.by.Network, geneval.Forced) && !s.options.quiet {
		_, _ = fmt.Fprintln(s.program.stderr, "warning: the judge knows clip-art alone, and so does its self-test: the scores of another generator say nothing")
	}
	return closer, agreement, nil
}

func (s *evaluationSession) testJudge(ctx context.Context, judge *assemble.Judge) (*geneval.Agreement, error) {
	scenes, err := judge.Known(s.evaluation.Prompts, image.Pt(s.probe.ImageWidth, s.probe.ImageHeight))
	if err != nil {
		return nil, err
	}
	agreement, err := geneval.CheckJudge(ctx, judge.Judge, scenes)
	return &agreement, err
}

// pending says how images that another program judges get their verdicts.
func (s *evaluationSession) pending() error {
	if s.options.quiet {
		return nil
	}
	return printTo(s.program.stdout, fmt.Sprintf("The images are in %[1]s, in GenEval's layout (%[1]s/STRATEGY-BUDGET). Judge them with GenEval's evaluate_images.py, then: reflectionflow evaluate report %[1]s --verdicts results.jsonl\n", s.options.out))
}
