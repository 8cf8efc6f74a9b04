package genref

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// Correction is a source on the corrector's own policy, which the paper does not have.
// A model draws each prompt several times and a verifier checks the requirements, as
// for [Rule]; every wrong picture is reflected on and corrected several times. A
// correction that came out right is the enhanced picture of those that did not, the
// wrong picture itself and its other corrections: they share most of the layout, and
// the corrector can draw what it is to learn. To tune on them is one step of
// reward-ranked fine-tuning (RAFT, arXiv 2304.06767).
//
// The authors' loader knows four subsets by name; these triplets are of the subset
// rule, whose pictures are chosen by their requirements too.
type Correction struct {
	Engine
	Verifier reflectionflow.Verifier // must tell requirements apart
	Config   CorrectionConfig
}

// CorrectionConfig says how pictures are drawn, corrected and paired.
type CorrectionConfig struct {
	Images      int `json:"images"`      // pictures a prompt before corrections, 1 or more
	Corrections int `json:"corrections"` // of each wrong picture, 1 or more
	MaxPairs    int `json:"max_pairs"`   // triplets a wrong picture at most; the most alike go first
	ImageConfig
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c CorrectionConfig) Validate() error {
	for _, n := range []struct {
		name string
		is   int
	}{{"images a prompt", c.Images}, {"corrections of a wrong picture", c.Corrections}, {"pairs of a wrong picture", c.MaxPairs}} {
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

// correctionFilling fills one shard.
type correctionFiller struct {
	filler
	config CorrectionConfig
}

// pair corrects the wrong pictures of a prompt and adds the triplets.
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
		passRate := float64(len(right)) / float64(len(c.attempts))
		if err := f.triplets(ctx, t.prompt, f.match(right, slices.Insert(still, 0, wrong[i])), f.config.MaxPairs, passRate); err != nil {
			return err
		}
	}
	return nil
}

// correct reflects on wrong pictures, notes the reflections in them, and draws their
// corrections: one task for each picture, without attempts where there is nothing to say.
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
		wrong[i].reflection = reflection.Text             // what the corrections follow
		seeds := rand.New(rand.NewPCG(w.request.Seed, 1)) // apart from the shard's, so that batches change nothing
		for range f.config.Corrections {
			r := f.config.request(prompt.Text, newSeed(seeds))
			r.Reflection, r.ReferenceCaption, r.Reference = reflection.Text, reflection.Caption, w.picture
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
