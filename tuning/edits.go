package tuning

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Edited says how much of a batch the base draws over a picture with a fault, told
// by the prompt and the reflection what it should be. A base that has never seen a
// reference cannot be taught by a small adapter to look at one: it learns to look
// away from it first (docs/experiments/03).
type Edited struct {
	Scenes int     `yaml:"scenes"` // so many of the base's scenes have a flawed twin; 0 for none
	Share  float64 `yaml:"share"`  // of a batch, in [0, 1)
}

// of is how many of a batch are drawn over a flawed picture.
func (e Edited) of(batch int) int {
	if e.Scenes == 0 {
		return 0
	}
	return int(e.Share * float64(batch))
}

// Validate reports settings that cannot be met, as an error wrapping
// [reflectionflow.ErrInvalid].
func (e Edited) Validate(scenes int) error {
	if e.Scenes < 0 || e.Scenes > scenes || !(e.Share >= 0 && e.Share < 1) {
		return fmt.Errorf("%w: edited: %d flawed twins of %d scenes and a share of %v: there must be at most as many twins, and a share from 0 to below 1", reflectionflow.ErrInvalid, e.Scenes, scenes, e.Share)
	}
	return nil
}

// edits are the flawed twins of the base's first scenes: the same scene with a
// fault, and the reflection that asks for it to be mended.
type edits struct {
	captioned
	flawed *latentCache
}

// newEdits encodes the twins and keeps their latents in dir.
func newEdits(ctx context.Context, data captioned, encoder *latentEncoder, dir string) (edits, error) {
	e, settings := edits{captioned: data}, data.recipe.Edited
	if settings.Scenes == 0 {
		return e, nil
	}
	key := fmt.Sprintf("flawed twins of %v at %d, first look %v, seed %d", data.sampler.Known(), data.size, data.recipe.FirstLook, data.recipe.Train.Seed)
	var err error
	e.flawed, err = encoder.open(ctx, filepath.Join(dir, "flawed.safetensors"), key, settings.Scenes, func(i int, pixels []uint8) error {
		scene, _, err := e.twin(i)
		if err != nil {
			return err
		}
		return scene.RenderInto(pixels, data.size, data.size)
	})
	return e, err
}

// twin is scene i with a fault, and the instruction that mends it.
func (e edits) twin(i int) (clipart.Scene, string, error) {
	scene, prompt := e.scene(i)
	return e.sampler.Flaw(scene, prompt, rand.New(rand.NewPCG(e.recipe.Train.Seed, 1<<59|uint64(i)))) //nolint:gosec // counts from 0
}

func (e edits) pick(rng *rand.Rand) int { return rng.IntN(e.recipe.Edited.Scenes) }

// caption is the prompt of scene i and the reflection on its twin, or now and then
// nothing.
func (e edits) caption(i int, rng *rand.Rand) (caption, error) {
	if rng.Float64() < e.recipe.DropText {
		return caption{}, nil
	}
	scene, prompt := e.scene(i)
	_, instruction, err := e.twin(i)
	return caption{long: reflectionflow.Request{Prompt: prompt.Text, Reflection: directions(scene, prompt, instruction, rng)}.Text(), short: prompt.Text}, err
}

// directions are the instruction on a scene's flawed twin, in three of four cases
// after the outline of the scene: a reflector that plans says both, others only what
// must change. A scene that shows what a prompt of another split asks for is not
// outlined.
func directions(scene clipart.Scene, prompt reflectionflow.Prompt, instruction string, rng *rand.Rand) string {
	shown := clipart.SplitOf(clipart.ShortCaption(clipart.SceneRequirements(scene)))
	if rng.IntN(4) == 0 || shown != clipart.SplitOf(prompt.Text) {
		return instruction
	}
	return clipart.Directions(clipart.Outline(scene, prompt.Requirements), instruction)
}
