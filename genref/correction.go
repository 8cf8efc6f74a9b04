package genref

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// Correction is a source of the corrector's own results, which the paper does not have.
// A model generates several images per prompt and a verifier checks the requirements, as
// for [Rule]. Every wrong image is reflected on and corrected several times. A right
// correction is the enhanced image for the wrong ones: the original image and its other
// corrections. The pairs share most of their layout, and the corrector is able to generate
// the enhanced image. Tuning on them is one step of reward-ranked fine-tuning (RAFT,
// arXiv 2304.06767).
//
// The authors' loader knows four subsets by name. These triplets are in the subset rule,
// whose images are chosen by their requirements too.
type Correction struct {
	Engine
	Verifier reflectionflow.Verifier // must return a finding per requirement
	Config   CorrectionConfig
}

// CorrectionConfig sets how images are generated, corrected and paired. All numbers are
// from 1 to 1024.
type CorrectionConfig struct {
	Images      int `json:"images"`      // images per prompt before corrections
	Corrections int `json:"corrections"` // corrections per wrong image
	MaxPairs    int `json:"max_pairs"`   // largest number of triplets per wrong image; the most similar pairs come first
	ImageConfig
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c CorrectionConfig) Validate() error {
	for _, n := range []struct {
		name string
		is   int
	}{{"images per prompt", c.Images}, {"corrections per wrong image", c.Corrections}, {"pairs per wrong image", c.MaxPairs}} {
		if n.is < 1 || n.is > maxImages {
			return fmt.Errorf("%w: %d %s: must be from 1 to %d", reflectionflow.ErrInvalid, n.is, n.name, maxImages)
		}
	}
	return c.ImageConfig.Validate()
}

var _ Source = (*Correction)(nil)

// Fill implements [Source].
func (c *Correction) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	if err := c.Config.Validate(); err != nil {
		return FillResult{}, err
	}
	f := correctionFiller{
		filler: filler{Engine: c.Engine, subset: "rule", source: "correction", verifiers: []reflectionflow.Verifier{c.Verifier}, shard: shard},
		config: c.Config,
	}
	return f.fill(ctx, func(context.Context) ([]task, error) { return f.tasks(c.Config.Images, c.Config.ImageConfig) }, f.pair)
}

// correctionFiller fills one shard.
type correctionFiller struct {
	filler
	config CorrectionConfig
}

// pair corrects the wrong images of a prompt and adds the triplets.
func (f *correctionFiller) pair(ctx context.Context, t task) error {
	_, wrong := f.split(t)
	if len(wrong) == 0 {
		f.skipped[SkippedAllRight]++
		return nil
	}
	corrected, err := f.correct(ctx, t.prompt, wrong)
	if err != nil {
		return err
	}
	for i, c := range corrected {
		right, still := f.split(c)
		if len(right) == 0 {
			f.skipped[SkippedUncorrected]++
			continue
		}
		passRate := float64(len(right)) / float64(len(c.judged()))
		if err := f.triplets(ctx, t.prompt, f.match(right, slices.Insert(still, 0, wrong[i])), f.config.MaxPairs, passRate); err != nil {
			return err
		}
	}
	return nil
}

// correct reflects on wrong images, stores the reflections in them, and generates their
// corrections. It returns one task per image, without attempts if the reflection is empty.
func (f *correctionFiller) correct(ctx context.Context, prompt reflectionflow.Prompt, wrong []attempt) ([]task, error) {
	tasks := make([]task, len(wrong))
	for i, w := range wrong {
		tasks[i].prompt = prompt
		reflection, err := f.advise(ctx, prompt, w)
		if err != nil {
			return nil, err
		}
		if reflection.Text == "" {
			f.skipped[SkippedNoFix]++
			continue
		}
		wrong[i].reflection = reflection.Text             // the triplets must hold the reflection that the corrections follow
		seeds := rand.New(rand.NewPCG(w.request.Seed, 1)) // not the shard's source, whose state depends on the batch size
		for range f.config.Corrections {
			r := f.config.request(prompt.Text, newSeed(seeds))
			r.Reflection, r.ReferenceCaption, r.Reference = reflection.Text, reflection.Caption, w.img
			tasks[i].attempts = append(tasks[i].attempts, attempt{request: r})
		}
	}
	if err := f.generate(ctx, tasks); err != nil {
		return nil, err
	}
	for _, t := range tasks {
		f.count(t)
	}
	return tasks, nil
}
