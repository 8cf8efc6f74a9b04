package tuning

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// Corrector is the recipe of reflection tuning (arXiv 2504.16080 §4): a LoRA that learns to
// generate the enhanced image, given the flawed one and the reflection.
type Corrector struct {
	BaseFiles `yaml:",inline"`
	// Size is the side of the training images in pixels, where the base is a given model.
	Size     int    `yaml:"size"`
	Edits    int    `yaml:"edits"`    // rendered pairs: a scene with a flaw and without
	Triplets string `yaml:"triplets"` // folder of GenRef shards; empty for none
	Mix      Mix    `yaml:"mix"`
	// Redraw regenerates the flawed images of the first edits with the base, so that the
	// corrector sees mistakes like those that it will correct. Its Share is ignored.
	Redraw Redraw `yaml:"redraw"`
	Rank   int    `yaml:"rank"`
	// AllStreams applies the LoRA to the text and image streams too; see [flux1.Condition].
	AllStreams     bool    `yaml:"all_streams"`
	DropText       float64 `yaml:"drop_text"`       // share of empty texts, in [0, 1]
	DropImage      float64 `yaml:"drop_image"`      // share of black flawed images, in [0, 1]
	DropReflection float64 `yaml:"drop_reflection"` // share of prompts without a reflection, in [0, 1]
	// Critiques is the share of the rendered pairs' reflections that are worded as critiques: what is
	// wrong and what to do, without a layout ([clipart.VariedCritique]), in [0, 1].
	Critiques float64 `yaml:"critiques"`
	Timestep  float64 `yaml:"timestep"` // see [Base.Timestep]
	Train     Config  `yaml:"train"`
}

// correctorTask learns the LoRA on the frozen base.
func correctorTask(ctx context.Context, model *flux1.Model, r Recipe, opts StageOptions) (Task, flux1.LoRA, error) {
	c, dir := r.Corrector, opts.stage("corrector")
	if !(c.Critiques >= 0 && c.Critiques <= 1) {
		return Task{}, flux1.LoRA{}, fmt.Errorf("%w: corrector: critiques is %v, must be from 0 to 1", reflectionflow.ErrInvalid, c.Critiques)
	}
	lora := flux1.NewLoRA(model.Folder.Transformer, c.Rank, c.AllStreams)
	data, err := newPairs(r)
	if err != nil {
		return Task{}, lora, err
	}
	if err := data.redraw(ctx, model, c.Redraw, opts, dir); err != nil {
		return Task{}, lora, err
	}
	enhanced, flawed, err := data.encode(ctx, model, opts, dir)
	if err != nil {
		return Task{}, lora, fmt.Errorf("encode pairs: %w", err)
	}
	check, err := newValidation(ctx, model, r, opts)
	if err != nil {
		return Task{}, lora, err
	}
	batch := c.Train.Batch
	floats := func(b *latentCache) shapes.Shape {
		return shapes.Make(dtypes.Float32, batch, b.grid.Tokens(), b.channels)
	}
	ids := shapes.Make(dtypes.Int32, batch, r.Base.TextLength)
	return Task{
		Name:   "corrector",
		Inputs: []shapes.Shape{floats(enhanced), floats(enhanced), shapes.Make(dtypes.Float32, batch), ids, ids, floats(flawed)},
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			condition := correctorCondition(s, model, lora, in[5], flawed.grid)
			return ReduceAllMean(velocityError(s, model, newFlow(s, model, in, enhanced.grid), condition)), nil
		},
		Trainable: underPrefix(flux1.CorrectorPrefix),
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(c.Train.Seed, index))
			var good, bad []float32
			text := newTexts(model, batch)
			for range batch {
				i := data.pick(int(index)/c.Train.withDefaults().Accumulate, rng) //nolint:gosec // counts from 0
				good = append(good, enhanced.at(i)...)
				words, black := data.caption(i, c, rng)
				if black {
					i = data.count() // the last flawed image is black
				}
				bad = append(bad, flawed.at(i)...)
				text.add(words)
			}
			t5, clip := text.tensors()
			return []*tensors.Tensor{
				tensors.FromFlatDataAndDimensions(good, batch, enhanced.grid.Tokens(), enhanced.channels),
				normal(rng, batch, enhanced.grid.Tokens(), enhanced.channels), timesteps(rng, batch, c.Timestep), t5, clip,
				tensors.FromFlatDataAndDimensions(bad, batch, flawed.grid.Tokens(), flawed.channels),
			}, nil
		},
		Sample: func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
			corrected := model.With(averaged)
			corrected.Corrector = &lora
			return check.run(ctx, opts.Backend, corrected, path)
		},
	}, lora, nil
}

// correctorCondition returns the condition of a flawed image.
func correctorCondition(s nn.Scope, model *flux1.Model, lora flux1.LoRA, flawed *Node, grid flux.Grid) *flux1.Condition {
	return &flux1.Condition{
		Latents: flawed, Grid: grid, AllStreams: lora.AllStreams, Aligned: model.Settings.AlignedReference,
		Adapter: lora.Adapter(s.In(flux1.CorrectorPrefix), s.In(flux1.TransformerPrefix)),
	}
}
