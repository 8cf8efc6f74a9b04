package main

import (
	"context"
	"fmt"
	"image"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
)

// evaluateJudgeCommand lets another judge decide on the images of an evaluation.
func (p *program) evaluateJudgeCommand() *cobra.Command {
	var o evaluateOptions
	cmd := &cobra.Command{
		Use:   "judge DIR --judge NAME",
		Short: "Let another judge decide on the images of an evaluation",
		Long: `Let another judge decide on the images of the evaluation in DIR, and print the scores by
both judges, how often they agree, and the images on which they differ. The verdicts are
kept in DIR/verdicts-NAME.jsonl: an interrupted command continues, evaluate report
--verdicts takes the file, evaluate page shows both judges, and evaluate report lists all
images on which they differ in report.md.

A judge that shares errors with the first one says little: template has no network.`,
		Example: "  reflectionflow evaluate judge runs/results --judge template",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.judgeAgain(cmd.Context(), o, args[0]) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.registerJudge(f)
	f.StringVar(&o.search.deployment, "config", "", "configuration of the judge (see: reflectionflow config)")
	o.search.registerCompute(f)
	f.BoolVar(&o.quiet, "quiet", false, "print no progress")
	return cmd
}

func (p *program) judgeAgain(ctx context.Context, o evaluateOptions, dir string) error {
	if o.judge == "" {
		return fmt.Errorf("%w: --judge is missing: name one of %s", reflectionflow.ErrInvalid, strings.Join(assemble.JudgeNames(), ", "))
	}
	if err := o.search.checkCompute(); err != nil {
		return err
	}
	results, err := p.readResults(dir)
	if err != nil {
		return err
	}
	c := assemble.NewConfig("the command line")
	if o.search.deployment != "" {
		if c, err = assemble.ReadConfig(o.search.deployment); err != nil {
			return err
		}
	}
	plan, err := p.builder(c).Judge(o.judge)
	if err != nil {
		return err
	}
	judge := chosenJudge{JudgePlan: plan}
	if plan.Open == nil {
		return fmt.Errorf("%w: judge %s is outside of this program: use evaluate report --verdicts", reflectionflow.ErrInvalid, o.judge)
	}
	if plan.ClipArt && !results.ClipArt() && !o.forceJudge {
		return errClipArtJudge(plan.Name)
	}
	if err := judge.suits(results.Prompts); err != nil {
		return err
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	return p.judgeWith(ctx, o, judge, results)
}

// judgeWith tests the judge, lets it decide and prints what it says.
func (p *program) judgeWith(ctx context.Context, o evaluateOptions, plan chosenJudge, results geneval.Results) error {
	judge, err := plan.Open(ctx, o.search.compute())
	if err != nil {
		return err
	}
	if judge.Closer != nil {
		defer judge.Close()
	}
	scenes, err := judge.Known(results.Prompts, image.Pt(512, 512))
	if err != nil {
		return err
	}
	agreement, err := geneval.CheckJudge(ctx, judge.Judge, scenes)
	if err != nil {
		return err
	}
	notify := func(done, total int) { _, _ = fmt.Fprintf(p.stderr, "%d of %d images are judged\n", done, total) }
	if o.quiet {
		notify = nil
	} else {
		_, _ = fmt.Fprintf(p.stderr, "self-test: %s\n", agreement)
	}
	second, err := results.JudgeAgain(ctx, o.judge, judge.Judge, notify)
	if err != nil {
		return err
	}
	return printTo(p.stdout, second.Markdown(results))
}
