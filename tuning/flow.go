package tuning

import (
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// flow is a batch of flow matching (arXiv 2403.03206): x_t = (1−t)·x₀ + t·noise, and the
// velocity to predict is noise − x₀.
type flow struct {
	latents, noise *Node // [B, N, C]
	timestep       *Node // [B]
	text, pooled   *Node // encoded: [B, L, d] and [B, d']
	grid           flux.Grid
}

// newFlow takes the inputs that [flowBatch] makes: latents and noise [B, N, C], timesteps
// [B], and the token ids [B, L] of the T5 and the CLIP encoder.
func newFlow(s nn.Scope, model *flux1.Model, in []*Node, grid flux.Grid) flow {
	f := model.Folder
	return flow{
		latents: in[0], noise: in[1], timestep: in[2], grid: grid,
		text:   flux1.T5Encode(s.In(flux1.T5Prefix), f.T5, in[3]),
		pooled: flux1.CLIPPooled(s.In(flux1.CLIPPrefix), f.CLIP, in[4]),
	}
}

// rows returns the images from first to end-1.
func (f flow) rows(first, end int) flow {
	cut := func(x *Node) *Node { return Slice(x, AxisRange(first, end)) }
	return flow{latents: cut(f.latents), noise: cut(f.noise), timestep: cut(f.timestep), text: cut(f.text), pooled: cut(f.pooled), grid: f.grid}
}

// velocityError returns the squared error [B, N, C] of the predicted velocity.
func velocityError(s nn.Scope, model *flux1.Model, f flow, condition *flux1.Condition) *Node {
	t := Reshape(f.timestep, -1, 1, 1)
	noisy := Add(Mul(f.latents, OneMinus(t)), Mul(f.noise, t))
	velocity := flux1.Transformer(s.In(flux1.TransformerPrefix), model.Folder.Transformer, flux1.Inputs{
		Latents: noisy, Grid: f.grid, Timestep: f.timestep, Text: f.text, Pooled: f.pooled, Condition: condition,
	})
	return Square(Sub(velocity, Sub(f.noise, f.latents)))
}

// flowBatch adds noise and timesteps to latents [B, N, C] and captions.
func flowBatch(rng *rand.Rand, latents *tensors.Tensor, text *texts, timestep float64) []*tensors.Tensor {
	d := latents.Shape().Dimensions
	t5, clip := text.tensors()
	return []*tensors.Tensor{latents, normal(rng, d...), timesteps(rng, d[0], timestep), t5, clip}
}

// timesteps returns sigmoid(N(mean, 1)), the logit-normal density of the paper's code.
func timesteps(rng *rand.Rand, n int, mean float64) *tensors.Tensor {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(1 / (1 + math.Exp(-rng.NormFloat64()-mean)))
	}
	return tensors.FromFlatDataAndDimensions(values, n)
}

// texts collects the token ids of a batch's captions for both text encoders.
type texts struct {
	model    *flux1.Model
	batch    int
	t5, clip []int32
}

func newTexts(model *flux1.Model, batch int) *texts { return &texts{model: model, batch: batch} }

func (t *texts) add(c caption) {
	t5, clip := t.model.TextIDs(c.long, c.short)
	t.t5, t.clip = append(t.t5, t5...), append(t.clip, clip...)
}

func (t *texts) tensors() (t5, clip *tensors.Tensor) {
	return tensors.FromFlatDataAndDimensions(t.t5, t.batch, len(t.t5)/t.batch), tensors.FromFlatDataAndDimensions(t.clip, t.batch, len(t.clip)/t.batch)
}

// caption is the text of the T5 encoder (long) and of the CLIP encoder (short).
type caption struct{ long, short string }
