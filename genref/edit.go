package genref

import (
	"context"
	"fmt"
	"math/rand/v2"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Edits is the source of the subset editing on the embedded world (arXiv 2504.16080
// §4.1): a rendered scene, the same scene with a fault, and the instruction that mends
// it. No network draws and nothing is verified: the scenes are known.
type Edits struct {
	Sampler clipart.Sampler
	Split   clipart.Split
	Config  EditConfig
	Licence string // for the provenance
}

// EditConfig is the size of the pictures in pixels, multiples of 16.
type EditConfig struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// editStream sets the random numbers of an edit apart from others of its seed.
const editStream = 0x65646974

// SkippedNoFlaw counts scenes that no fault could be made in.
const SkippedNoFlaw = "scenes without a fault to make"

var _ Source = (*Edits)(nil)

// Fill implements [Source].
func (e *Edits) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	effort := Effort{Skipped: make(map[string]int)}
	for added := 0; added < shard.Count; {
		if err := ctx.Err(); err != nil {
			return FillResult{}, err
		}
		if effort.Prompts-added > maxFruitless+added {
			return FillResult{}, fmt.Errorf("%w: %d scenes gave %d triplets%s", reflectionflow.ErrInvalid, effort.Prompts, added, because(effort.Skipped))
		}
		effort.Prompts++
		s, err := e.sample(newSeed(shard.Random))
		if err != nil {
			return FillResult{}, err
		}
		if s == nil {
			effort.Skipped[SkippedNoFlaw]++
			continue
		}
		effort.Images += 2
		s.Key = sampleKey("editing", shard.Number, added)
		fresh, err := shard.Add(*s)
		switch {
		case err != nil:
			return FillResult{}, err
		case fresh:
			added++
		default:
			effort.Skipped[SkippedDuplicate]++
		}
		if shard.Progress != nil {
			shard.Progress(effort)
		}
	}
	return FillResult{Effort: effort}, nil
}

// sample makes the triplet of a seed; nil where the scene has no fault to make.
func (e *Edits) sample(seed uint64) (*Sample, error) {
	rng := rand.New(rand.NewPCG(seed, editStream))
	scene, prompt := e.Sampler.SampleMixed(e.Split, rng)
	if len(prompt.Requirements) == 0 {
		return nil, fmt.Errorf("%w: there are no %s prompts about %d classes", reflectionflow.ErrInvalid, e.Split, len(e.Sampler.Known()))
	}
	flawed, instruction, err := e.Sampler.Flaw(scene, prompt, rng)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing is wrong with the program: the scene has no fault to make
	}
	s := &Sample{
		Triplet: Triplet{Prompt: prompt.Text, Reflection: instruction, Subset: "editing"},
		Provenance: &Provenance{
			Source: "editing", Model: "clipart scenes", Licence: e.Licence,
			Enhanced: ImageRecord{Seed: seed, Width: e.Config.Width, Height: e.Config.Height},
		},
	}
	s.Provenance.Flawed = s.Provenance.Enhanced
	for _, picture := range []struct {
		scene clipart.Scene
		data  *[]byte
		hash  **PerceptualHash
	}{{scene, &s.Enhanced, &s.Provenance.Enhanced.PerceptualHash}, {flawed, &s.Flawed, &s.Provenance.Flawed.PerceptualHash}} {
		m, err := picture.scene.Render(e.Config.Width, e.Config.Height)
		if err != nil {
			return nil, fmt.Errorf("render a scene: %w", err)
		}
		if *picture.data, err = EncodeImage(m); err != nil {
			return nil, err
		}
		hash := HashImage(m)
		*picture.hash = &hash
	}
	return s, nil
}
