package genref

import (
	"context"
	"fmt"
	"math/rand/v2"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Edits is the source of the subset editing for the embedded world (arXiv 2504.16080 §4.1):
// a rendered scene, the same scene with a flaw, and the instruction that fixes it. It uses
// no model and no verifier, as the scenes are known.
type Edits struct {
	Sampler clipart.Sampler
	Split   clipart.Split
	Config  EditConfig
	Licence string // for the provenance
}

// EditConfig is the size of the images in pixels, in multiples of 16.
type EditConfig struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// editStream separates the random numbers of an edit from others of its seed.
const editStream = 0x65646974

// SkippedNoFlaw counts scenes in which no flaw can be made.
const SkippedNoFlaw = "scenes without a possible flaw"

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

// sample returns the triplet of a seed, or nil if the scene has no flaw to make.
func (e *Edits) sample(seed uint64) (*Sample, error) {
	rng := rand.New(rand.NewPCG(seed, editStream))
	scene, prompt := e.Sampler.SampleMixed(e.Split, rng)
	if len(prompt.Requirements) == 0 {
		return nil, fmt.Errorf("%w: no %s prompts are about these %d classes: name more classes", reflectionflow.ErrInvalid, e.Split, len(e.Sampler.Known()))
	}
	flawed, instruction, err := e.Sampler.Flaw(scene, prompt, rng)
	if err != nil {
		return nil, nil //nolint:nilerr // the scene has no flaw to make
	}
	s := &Sample{
		Triplet: Triplet{Prompt: prompt.Text, Reflection: instruction, Subset: "editing"},
		Provenance: &Provenance{
			Source: "editing", Model: "clipart scenes", Licence: e.Licence,
			Enhanced: ImageRecord{Seed: seed, Width: e.Config.Width, Height: e.Config.Height},
		},
	}
	s.Provenance.Flawed = s.Provenance.Enhanced
	for _, side := range []struct {
		scene clipart.Scene
		data  *[]byte
		hash  **PerceptualHash
	}{{scene, &s.Enhanced, &s.Provenance.Enhanced.PerceptualHash}, {flawed, &s.Flawed, &s.Provenance.Flawed.PerceptualHash}} {
		m, err := side.scene.Render(e.Config.Width, e.Config.Height)
		if err != nil {
			return nil, fmt.Errorf("render a scene: %w", err)
		}
		if *side.data, err = EncodeImage(m); err != nil {
			return nil, err
		}
		hash := HashImage(m)
		*side.hash = &hash
	}
	return s, nil
}
