package tuning

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux/flux1"
)

// Edited sets how many images of a batch the base generates from a flawed image, with the
// prompt and the reflection on it. A base without experience with references learns to
// ignore them first, and a small LoRA cannot undo that (docs/experiments/03).
type Edited struct {
	Scenes int     `yaml:"scenes"` // number of scenes with a flawed twin; 0 for none
	Share  float64 `yaml:"share"`  // share of a batch, in [0, 1)
}

// of returns the number of images of a batch with a flawed reference.
func (e Edited) of(batch int) int {
	if e.Scenes == 0 {
		return 0
	}
	return int(e.Share * float64(batch))
}

// Validate reports settings out of range, as an error wrapping [reflectionflow.ErrInvalid].
// scenes is the number of the base's scenes.
func (e Edited) Validate(scenes int) error {
	if e.Scenes < 0 || e.Scenes > scenes || !(e.Share >= 0 && e.Share < 1) {
		return fmt.Errorf("%w: edited: %d flawed twins of %d scenes and a share of %v: use at most one twin per scene and a share from 0 to below 1", reflectionflow.ErrInvalid, e.Scenes, scenes, e.Share)
	}
	return nil
}

// edits are the flawed twins of the base's first scenes: the same scene with a flaw, and the
// reflection that asks for its correction.
type edits struct {
	captioned
	flawed *latentCache
}

// newEdits encodes the twins and stores their latents in dir.
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

// twin returns scene i with a flaw, and the instruction that fixes it.
func (e edits) twin(i int) (clipart.Scene, string, error) {
	scene, prompt := e.scene(i)
	return e.sampler.Flaw(scene, prompt, rand.New(rand.NewPCG(e.recipe.Train.Seed, 1<<59|uint64(i)))) //nolint:gosec // counts from 0
}

func (e edits) pick(rng *rand.Rand) int { return rng.IntN(e.recipe.Edited.Scenes) }

// caption returns the prompt of scene i and the reflection on its twin, or an empty caption
// with probability DropText.
func (e edits) caption(i int, rng *rand.Rand) (caption, error) {
	if rng.Float64() < e.recipe.DropText {
		return caption{}, nil
	}
	scene, prompt := e.scene(i)
	_, instruction, err := e.twin(i)
	return caption{long: flux1.Text(prompt.Text, directions(scene, prompt, instruction, rng)), short: prompt.Text}, err
}

// directions returns the instruction on a scene's flawed twin, in three of four cases after
// the outline of the scene: a reflector that plans writes both. A scene that shows a prompt
// of another split is not outlined, so that no prompt leaks.
func directions(scene clipart.Scene, prompt reflectionflow.Prompt, instruction string, rng *rand.Rand) string {
	shown := clipart.SplitOf(clipart.ShortCaption(clipart.SceneRequirements(scene)))
	if rng.IntN(4) == 0 || shown != clipart.SplitOf(prompt.Text) {
		return instruction
	}
	return clipart.Directions(clipart.Outline(scene, prompt.Requirements), instruction)
}
