package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/genref"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
	"reflectionflow/internal/terminal"
	"reflectionflow/reflector"
)

// annotateOptions are the flags of genref annotate.
type annotateOptions struct {
	deployment, model string
	computeOptions
	count int
	quiet bool
}

const genrefAnnotateHelp = `Compare the two images of every triplet: which is better for the prompt, how they differ,
by category, and short instructions that correct the worse one. The annotator is not
told which image is meant to be better.

By default the embedded verifier compares; with --config, the vision-language model that
the configuration names as its annotator. An answer in the wrong form is asked for once
more; unusable answers and refusals are counted and listed.

Each annotated triplet gets a line in annotations.jsonl next to the shards, and is not
asked about again: the same command resumes. Replies without a line yet are kept in
DIR/unannotated, so that they are paid for once. In exports, annotations that find the
enhanced image better replace reflections.`

func (p *program) genrefAnnotateCommand() *cobra.Command {
	var o annotateOptions
	cmd := &cobra.Command{
		Use:   "annotate DIR",
		Short: "Compare the images of each triplet (GenRef-CoT)",
		Long:  genrefAnnotateHelp,
		Example: `  reflectionflow genref annotate rule
  reflectionflow genref annotate --config flux.yaml --count 10000 rule`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.deployment != "" && (cmd.Flags().Changed("model") || cmd.Flags().Changed("backend") || cmd.Flags().Changed("precision")) {
				return fmt.Errorf("%w: --model, --backend and --precision are for the embedded annotator: leave them out with --config", reflectionflow.ErrInvalid)
			}
			return p.genrefAnnotate(cmd.Context(), args[0], o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.deployment, "config", "", "configuration that names the annotator (see: reflectionflow config)")
	f.IntVar(&o.count, "count", 0, "annotate only this many triplets, from the first (default: all)")
	f.StringVar(&o.model, "model", "", "model whose verifier compares: a name (see: reflectionflow models list) or a folder with a slash")
	o.registerCompute(f)
	f.BoolVar(&o.quiet, "quiet", false, "print no progress and no summary")
	return cmd
}

func (p *program) genrefAnnotate(ctx context.Context, dir string, o annotateOptions) error {
	if err := o.checkCompute(); err != nil {
		return err
	}
	if o.count < 0 {
		return fmt.Errorf("%w: --count %d: must be 1 or more", reflectionflow.ErrInvalid, o.count)
	}
	set, err := genref.Open(dir)
	if err != nil {
		return err
	}
	annotating, closer, err := p.annotating(ctx, o)
	if err != nil {
		return err
	}
	if closer != nil {
		defer closer.Close() //nolint:errcheck // it was only read
	}
	annotating.Count = o.count
	display := progress.NewSet(p.stderr, "triplets annotated", o.quiet)
	report, err := set.Annotate(ctx, annotating, display.Read)
	display.Close()
	if err != nil && report.Annotated > report.Before && !errors.Is(err, reflectionflow.ErrInvalid) {
		return fmt.Errorf("%d annotations are kept; resume with the same command: %w", report.Annotated, err)
	}
	if err != nil {
		return err
	}
	if o.quiet {
		p.warnProblems(report.Problems)
		return nil
	}
	p.printAnnotations(dir, report)
	return nil
}

// embeddedBatch is how many triplets the embedded verifier compares at once.
const embeddedBatch = 32

// annotating returns the annotator of the configuration, or the model's verifier.
func (p *program) annotating(ctx context.Context, o annotateOptions) (genref.AnnotateOptions, io.Closer, error) {
	if o.deployment != "" {
		deployed, err := assemble.ReadConfig(o.deployment)
		if err != nil {
			return genref.AnnotateOptions{}, nil, err
		}
		b := p.builder(deployed)
		annotator, name, err := b.Annotator()
		if err != nil {
			return genref.AnnotateOptions{}, nil, err
		}
		keep := func(folder string) (io.Closer, error) { return keepIn(b.Ledger, folder) }
		return genref.AnnotateOptions{Annotator: annotator, Name: name, Batch: 4 * annotator.Concurrency(), OpenCache: keep}, nil, nil
	}
	model, err := p.catalog.Find(o.model)
	if err != nil {
		return genref.AnnotateOptions{}, nil, err
	}
	sum, err := (&genrefOptions{engineOptions: engineOptions{model: o.model}}).fingerprintOf(ctx, model)
	if err != nil {
		return genref.AnnotateOptions{}, nil, err
	}
	if err := p.beginComputing(); err != nil {
		return genref.AnnotateOptions{}, nil, err
	}
	e, err := model.Open(ctx, o.compute())
	if err != nil {
		return genref.AnnotateOptions{}, nil, fmt.Errorf("open model %s: %w", model.Name, err)
	}
	return genref.AnnotateOptions{
		Annotator: reflector.EmbeddedAnnotator{Verifier: e.Verifier}, Batch: embeddedBatch,
		Name: fmt.Sprintf("the verifier of %s %.12s", model.Name, sum),
	}, e.Closer, nil
}

func (p *program) printAnnotations(dir string, r genref.AnnotateReport) {
	_, _ = fmt.Fprintf(p.stdout, "%s: %d triplets annotated, %d of them before\n", dir, r.Annotated, r.Before)
	printCounts(p, "better: ", r.Better)
	printCounts(p, "skipped: ", r.Skipped)
	p.printListed(r.Unanswered)
	p.printProblems(r.Problems)
	if c := r.Cost; c.TokensIn+c.TokensOut > 0 {
		_, _ = fmt.Fprintf(p.stdout, "cost: %d tokens in, %d tokens out, %s\n", c.TokensIn, c.TokensOut, terminal.USD(c.USD))
	}
}

// warnProblems reports damaged triplets on the standard error, with --quiet too.
func (p *program) warnProblems(problems genref.Problems) {
	for _, kind := range slices.Sorted(maps.Keys(problems.Counts)) {
		_, _ = fmt.Fprintf(p.stderr, "skipped: %d %s (see: reflectionflow genref check)\n", problems.Counts[kind], kind)
	}
}

// printProblems prints the damaged triplets of a set.
func (p *program) printProblems(problems genref.Problems) {
	printCounts(p, "damaged: ", problems.Counts)
	p.printListed(problems.Listed)
}

// printListed prints the first of some lines.
func (p *program) printListed(list []string) {
	for i, line := range list {
		if i == maxFaultsShown {
			_, _ = fmt.Fprintln(p.stdout, "  and more")
			return
		}
		_, _ = fmt.Fprintln(p.stdout, "  "+line)
	}
}
