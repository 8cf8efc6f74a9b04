package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/disk"
	"reflectionflow/reflector"
	"reflectionflow/search"
)

const evaluateAblateHelp = `Measure what a reflection is worth. First images that the judge calls wrong are corrected
once under each condition, from the same new noise, and the judge decides how many are
right then:

  full               the image and its reflection, as in a search
  instruction-only   of the reflection what to change, without the layout
  plain-critique     what is wrong and what to do, without a place or a layout
  layout-only        of the reflection the layout, without what to change
  wrong-text         the reflection of another wrong image with other requirements
  no-text            the image without a reflection
  grey-reference     the reflection with a grey image
  swapped-reference  the reflection with another wrong image
  no-reference       the reflection without an image
  fresh-noise        the prompt alone
  rewritten-prompt   the refiner's prompt alone

Shares have 95% intervals over images. Differences are paired by image, and the verdicts of
a column are corrected for their number. A condition that the parts cannot serve is left
out with the reason: a reflector without a separate layout, a generator without references.
Wrong images about which the reflector has nothing to say are counted and left out. Each
prompt gives one first image, until there are enough wrong ones.

The folder --out gets ablation.json with every verdict, and for each wrong image a folder
with the first image and one per condition.`

// evaluateAblateCommand measures the parts of reflections.
func (p *program) evaluateAblateCommand() *cobra.Command {
	var o evaluateOptions
	var images int
	cmd := &cobra.Command{
		Use:     "ablate",
		Short:   "Measure what a reflection is worth, part by part",
		Long:    evaluateAblateHelp,
		Example: "  reflectionflow evaluate ablate --prompts compound:validation --images 40 --out runs/ablation",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.evaluateAblate(cmd, &o, images) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.prompts, "prompts", "builtin:validation", "builtin:SPLIT or compound:SPLIT, or a file, as for evaluate")
	f.IntVar(&images, "images", 80, "wrong first images wanted")
	f.IntVar(&o.limit, "limit", 0, "number of prompts, spread evenly over the tasks (default: four for each wrong image wanted, or all of a file)")
	o.registerJudge(f)
	f.StringVar(&o.out, "out", "", "folder for the images and verdicts (default: none are kept)")
	seedFlag(f, &o.search.seed, "the same seed generates the same images")
	f.IntVar(&o.search.batch, "batch", 4, "images generated at once; does not change the result")
	f.StringVar(&o.search.deployment, "config", "", "configuration of generator, verifier, judge and other parts (see: reflectionflow config)")
	f.StringVar(&o.search.generator, "generator", "", "generate with the server at this URL (see: reflectionflow generate --help)")
	f.StringVar(&o.search.model, "model", "", "model that generates: a name (see: reflectionflow models list), a folder or a file")
	o.search.registerFiles(f)
	o.search.registerCompute(f)
	f.BoolVar(&o.json, "json", false, "print the result as JSON")
	f.BoolVar(&o.quiet, "quiet", false, "print no progress")
	return cmd
}

func (p *program) evaluateAblate(cmd *cobra.Command, o *evaluateOptions, images int) error {
	model, judge, err := p.evaluateWith(cmd, o)
	if err != nil {
		return err
	}
	if judge.Open == nil {
		return fmt.Errorf("%w: an ablation needs a judge of this program, not %s", reflectionflow.ErrInvalid, judge.Name)
	}
	if o.limit < 0 || images < 2 {
		return fmt.Errorf("%w: limit %d must not be negative, and %d wrong images are too few: use 2 or more", reflectionflow.ErrInvalid, o.limit, images)
	}
	if set, _, builtin := strings.Cut(o.prompts, ":"); builtin && promptSets[set] != nil && o.limit == 0 {
		o.limit = 4 * images
	}
	if !cmd.Flags().Changed("batch") {
		o.search.batch = manyBatch(o.search.batch, model)
	}
	g := o.search
	g.strategy, g.budget = search.Reflection, "2" // an image and its correction
	cfg, err := g.config(cmd.Flags(), model)
	if err != nil {
		return err
	}
	prompts, err := p.prompts(*o, model, judge)
	if err != nil {
		return err
	}
	if _, err := model.Check(cmd.Context()); err != nil {
		return fmt.Errorf("model %s: %w", model.Name, err)
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	s := &evaluationSession{program: p, options: *o, probe: cfg, judge: judge}
	s.evaluation = geneval.Evaluation{Prompts: prompts, By: judge.by, Parse: parsedBy(model)}
	return s.ablate(cmd.Context(), model, images)
}

// ablate opens the parts, measures and prints.
func (s *evaluationSession) ablate(ctx context.Context, model assemble.Model, images int) (err error) {
	e, err := model.Open(ctx, s.options.search.compute())
	if err != nil {
		return fmt.Errorf("open model %s: %w", model.Name, err)
	}
	if e.Closer != nil {
		defer e.Close()
	}
	parts := search.Search{Generator: e.Generator, Verifier: e.Verifier, Reflector: e.Reflector, Refiner: e.Refiner}
	if err := parts.Check(s.probe); err != nil {
		return err
	}
	opened, agreement, err := s.openJudge(ctx)
	if err != nil {
		return err
	}
	defer opened.Close()
	if !s.options.quiet {
		_, _ = fmt.Fprintf(s.program.stderr, "self-test: %s\n", agreement)
	}
	if e.Ledger != nil && s.options.out != "" {
		e.Ledger.Shared = true
		if err := e.Ledger.Open(s.options.out, nil); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, e.Ledger.Close(err == nil)) }()
	}
	a := s.ablation(e, images)
	ablated, err := a.Run(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(ablated)
	if err != nil {
		return fmt.Errorf("encode ablation: %w", err)
	}
	if s.options.out != "" {
		if err := disk.WriteFile(filepath.Join(s.options.out, "ablation.json"), append(data, '\n')); err != nil {
			return fmt.Errorf("write ablation: %w", err)
		}
	}
	if s.options.json {
		return printTo(s.program.stdout, string(data)+"\n")
	}
	return printTo(s.program.stdout, ablated.Markdown())
}

func (s *evaluationSession) ablation(e *assemble.Engine, images int) geneval.Ablation {
	a := geneval.Ablation{
		Prompts: s.evaluation.Prompts, Images: images, Seed: s.options.search.seed, Parse: s.evaluation.Parse,
		Request:   reflectionflow.Request{Width: s.probe.ImageWidth, Height: s.probe.ImageHeight, Steps: s.probe.Steps, Guidance: s.probe.Guidance},
		Generator: e.Generator, Verifier: e.Verifier, Reflector: e.Reflector, Critic: criticOf(e.Reflector), Refiner: e.Refiner,
		Judge: s.evaluation.Judge, Batch: s.options.search.batch,
	}
	if !s.options.quiet {
		a.Notify = func(what string, done, total int) {
			_, _ = fmt.Fprintf(s.program.stderr, "%s: %d of %d\n", what, done, total)
		}
	}
	if s.options.out != "" {
		a.Keep = s.keepAblated
	}
	return a
}

// criticOf is what criticizes images without a layout, in the words of a reflector.
func criticOf(r reflectionflow.Reflector) reflectionflow.Reflector {
	if _, clipArt := r.(reflector.Embedded); clipArt {
		return reflector.Critic{}
	}
	return reflector.Findings{}
}

// keepAblated writes an image into the folder.
func (s *evaluationSession) keepAblated(index int, c geneval.Condition, img image.Image) error {
	dir := filepath.Join(s.options.out, fmt.Sprintf("%05d", index))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("%w: --out: %v", reflectionflow.ErrInvalid, err)
	}
	return disk.Write(filepath.Join(dir, string(c)+".png"), func(w io.Writer) error { return png.Encode(w, img) })
}
