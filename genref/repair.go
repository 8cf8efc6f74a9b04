package genref

import (
	"context"
	"errors"
	"fmt"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Repair is a source on the base's own mistakes, which the paper does not have and
// which only a world with a renderer can have. A model draws each prompt, a verifier
// says what is in the picture, and the enhanced picture is rendered: what was seen,
// put right ([clipart.Repair]). Unlike the right picture of a pair of [Rule] it
// keeps all that the reflection does not speak of, and unlike the fault of [Edits] the
// flawed one is a mistake that the model makes.
//
// The authors' loader knows four subsets by name; these triplets are of the subset
// rule, whose pictures are chosen by their requirements too.
type Repair struct {
	Engine
	Verifier reflectionflow.Verifier // must name the objects it sees
	Config   RepairConfig
}

// RepairConfig says how pictures are drawn.
type RepairConfig struct {
	Images int `json:"images"` // pictures a prompt, 1 or more
	ImageConfig
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c RepairConfig) Validate() error {
	if c.Images < 1 || c.Images > maxImages {
		return fmt.Errorf("%w: %d images a prompt: must be from 1 to %d", reflectionflow.ErrInvalid, c.Images, maxImages)
	}
	return c.ImageConfig.Validate()
}

// SkippedNotRepaired counts wrong pictures that no scene was found for.
const SkippedNotRepaired = "wrong pictures that could not be put right"

var _ Source = (*Repair)(nil)

// Fill implements [Source].
func (m *Repair) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	if err := m.Config.Validate(); err != nil {
		return FillResult{}, err
	}
	f := repairFiller{
		filler{Engine: m.Engine, subset: "rule", source: "mended", verifiers: []reflectionflow.Verifier{m.Verifier}, shard: shard},
	}
	return f.fill(ctx, func(context.Context) ([]task, error) { return f.tasks(m.Config.Images, m.Config.ImageConfig) }, f.pair)
}

// mendedFilling fills one shard.
type repairFiller struct{ filler }

// pair adds a triplet for each wrong picture of a prompt.
func (f *repairFiller) pair(ctx context.Context, t task) error {
	right, wrong := f.split(t)
	if len(wrong) == 0 {
		f.skipped[SkippedAllRight]++
		return nil
	}
	passRate := float64(len(right)) / float64(len(t.attempts))
	for _, w := range wrong {
		if f.added >= f.shard.Count {
			return nil
		}
		reflection, err := f.reflect(ctx, t.prompt, w)
		if err != nil {
			return err
		}
		if reflection == "" {
			f.skipped[SkippedNoFix]++
			continue
		}
		mended, err := f.repair(t.prompt, w)
		if errors.Is(err, reflectionflow.ErrInvalid) {
			f.skipped[SkippedNotRepaired]++
			continue
		}
		if err != nil {
			return err
		}
		provenance := Provenance{PassRate: passRate, Distance: distance(opaque(w.picture), opaque(mended.picture))}
		if err := f.add(pairing{t.prompt, mended, w, reflection, provenance}); err != nil {
			return err
		}
	}
	return nil
}

// mend renders what a wrong picture should have been.
func (f *repairFiller) repair(prompt reflectionflow.Prompt, wrong attempt) (attempt, error) {
	r := wrong.request
	// The seed is the one that the reflector had: its places are those of this scene.
	scene, err := clipart.Repair(prompt, wrong.score().Objects, clipart.BackgroundOf(wrong.picture), r.Seed)
	if err != nil {
		return attempt{}, fmt.Errorf("mend a picture: %w", err)
	}
	picture, err := scene.Render(r.Width, r.Height)
	if err != nil {
		return attempt{}, fmt.Errorf("render a scene: %w", err)
	}
	return attempt{request: reflectionflow.Request{Seed: r.Seed, Width: r.Width, Height: r.Height}, picture: picture, value: 1}, nil
}
