package genref

import (
	"context"
	"errors"
	"fmt"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Repair is a source of triplets whose enhanced image is rendered, which the paper does
// not have and which needs a world with a renderer. A model generates images for a prompt,
// a verifier detects what they show, and the renderer renders the detected scene with its
// mistakes corrected ([clipart.Repair]). Unlike a pair of [Rule], the enhanced image keeps
// everything that the reflection does not mention; unlike a pair of [Edits], the flawed
// image is a mistake that the model makes.
//
// The authors' loader knows four subsets by name. These triplets are in the subset rule,
// whose images are chosen by their requirements too. The name of the source in files and
// on the command line is "mended".
type Repair struct {
	Engine
	Verifier reflectionflow.Verifier // must return the objects that it detects
	Config   RepairConfig
}

// RepairConfig sets how images are generated.
type RepairConfig struct {
	Images int `json:"images"` // images per prompt, from 1 to 1024
	ImageConfig
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c RepairConfig) Validate() error {
	if c.Images < 1 || c.Images > maxImages {
		return fmt.Errorf("%w: %d images per prompt: must be from 1 to %d", reflectionflow.ErrInvalid, c.Images, maxImages)
	}
	return c.ImageConfig.Validate()
}

// SkippedNotRepaired counts wrong images for which no corrected scene was found.
const SkippedNotRepaired = "wrong images that could not be corrected"

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

// repairFiller fills one shard.
type repairFiller struct{ filler }

// pair adds a triplet for each wrong image of a prompt.
func (f *repairFiller) pair(ctx context.Context, t task) error {
	right, wrong := f.split(t)
	if len(wrong) == 0 {
		f.skipped[SkippedAllRight]++
		return nil
	}
	passRate := float64(len(right)) / float64(len(t.judged()))
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
		corrected, err := f.repair(t.prompt, w)
		if errors.Is(err, reflectionflow.ErrInvalid) {
			f.skipped[SkippedNotRepaired]++
			continue
		}
		if err != nil {
			return err
		}
		provenance := Provenance{PassRate: passRate, Distance: distance(opaque(w.img), opaque(corrected.img))}
		if err := f.add(pairing{t.prompt, corrected, w, reflection, provenance}); err != nil {
			return err
		}
	}
	return nil
}

// repair renders the corrected scene of a wrong image.
func (f *repairFiller) repair(prompt reflectionflow.Prompt, wrong attempt) (attempt, error) {
	r := wrong.request
	// The reflector had the same seed, so the scene has the places that the reflection names.
	scene, err := clipart.Repair(prompt, wrong.score().Objects, clipart.BackgroundOf(wrong.img), r.Seed)
	if err != nil {
		return attempt{}, fmt.Errorf("correct a scene: %w", err)
	}
	rendered, err := scene.Render(r.Width, r.Height)
	if err != nil {
		return attempt{}, fmt.Errorf("render a scene: %w", err)
	}
	return attempt{request: reflectionflow.Request{Seed: r.Seed, Width: r.Width, Height: r.Height}, img: rendered, value: 1}, nil
}
