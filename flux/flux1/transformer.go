package flux1

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/nn"
)

// Inputs are the inputs of [Transformer].
type Inputs struct {
	Latents   *Node     // [B, N, in_channels], packed
	Grid      flux.Grid // N = Grid.Tokens()
	Text      *Node     // [B, T, joint_attention_dim], the T5 encoder's output
	Pooled    *Node     // [B, pooled_projection_dim], the CLIP encoder's pooled output
	Timestep  *Node     // [B], sigma in [0, 1]
	Guidance  *Node     // [B], 3.5 for 3.5; read only when Params.GuidanceEmbeds
	Condition *Condition
	// References are further tokens of the image stream, of models that edit images
	// (FLUX.1 Kontext, arXiv 2506.15742): the i-th has type i + 1 and its own rows and
	// columns.
	References []flux.Packed
}

// Transformer predicts the velocity [B, N, in_channels] of the latents (diffusers'
// FluxTransformer2DModel). The sequence is text, image, references, condition. Without a
// condition no adapter is used.
func Transformer(s nn.Scope, p Params, in Inputs) *Node {
	checkInputs(p, in)
	g, hidden := in.Latents.Graph(), p.Hidden()
	var everywhere nn.Adapter
	if in.Condition != nil && in.Condition.AllStreams {
		everywhere = in.Condition.Adapter
	}
	base := s.WithAdapter(everywhere)
	temb := nn.SiLU(conditioning(s, p, in.Timestep, in.Guidance, in.Pooled))
	texts, tokens := in.Text.Shape().Dim(1), []*Node{in.Latents}
	positions := append(textPositions(texts), imagePositions(in.Grid)...)
	for i, reference := range in.References {
		tokens = append(tokens, reference.Tokens)
		positions = append(positions, typedPositions(reference.Grid, i+1)...)
	}
	streams := []stream{
		{x: nn.Linear(base.In("context_embedder"), in.Text, hidden), temb: temb, adapter: everywhere, names: textNames},
		{x: nn.Linear(base.In("x_embedder"), Concatenate(tokens, 1), hidden), temb: temb, adapter: everywhere, names: imageNames},
	}
	j := joint{heads: p.NumAttentionHeads}
	if c := in.Condition; c != nil {
		streams = append(streams, conditionStream(s, p, in))
		j.bias = crossBias(g, len(positions), c.Grid.Tokens(), c.Scale)
		positions = append(positions, c.positions()...)
	}
	j.rotary = flux.NewRotary(g, flat(positions), p.AxesDimsRope[:], ropeTheta)

	for i := range p.NumLayers {
		update(streams, doubleBlock(s.In(fmt.Sprintf("transformer_blocks.%d", i)), j, streams))
	}
	// Single blocks have one set of weights: text and image go through as one.
	main := streams[1]
	main.x = Concatenate([]*Node{streams[0].x, streams[1].x}, 1)
	streams = append([]stream{main}, streams[2:]...)
	for i := range p.NumSingleLayers {
		update(streams, singleBlock(s.In(fmt.Sprintf("single_transformer_blocks.%d", i)), j, streams))
	}
	image := Slice(streams[0].x, AxisRange(), AxisRange(texts, texts+in.Grid.Tokens()), AxisRange())
	m := modulation(s.In("norm_out"), temb, 2) // scale, then shift
	return nn.LinearZero(s.In("proj_out"), modulate(image, m[1], m[0]), p.InChannels)
}

// conditionStream embeds the condition at timestep 0 and guidance 1.
func conditionStream(s nn.Scope, p Params, in Inputs) stream {
	c := in.Condition
	zero := ZerosLike(in.Timestep)
	temb := conditioning(s, p, zero, OnePlus(zero), in.Pooled)
	x := nn.Linear(s.WithAdapter(c.Adapter).In("x_embedder"), c.Latents, p.Hidden())
	return stream{x: x, temb: nn.SiLU(temb), adapter: c.Adapter, names: imageNames}
}

func update(streams []stream, xs []*Node) {
	for i, x := range xs {
		streams[i].x = x
	}
}

// conditioning is the vector that modulates every block: the sum of the
// embeddings of timestep, guidance and pooled text, [B, hidden].
func conditioning(s nn.Scope, p Params, timestep, guidance, pooled *Node) *Node {
	e, hidden := s.In("time_text_embed"), p.Hidden()
	temb := mlp(e.In("timestep_embedder"), flux.Sinusoid(MulScalar(timestep, 1000), sinusoidWidth), hidden)
	if p.GuidanceEmbeds {
		temb = Add(temb, mlp(e.In("guidance_embedder"), flux.Sinusoid(MulScalar(guidance, 1000), sinusoidWidth), hidden))
	}
	return Add(temb, mlp(e.In("text_embedder"), pooled, hidden))
}

func mlp(s nn.Scope, x *Node, width int) *Node {
	return nn.Linear(s.In("linear_2"), nn.SiLU(nn.Linear(s.In("linear_1"), x, width)), width)
}

// sinusoidWidth is the width of the sinusoidal embedding of a number.
const sinusoidWidth = 256

func checkInputs(p Params, in Inputs) {
	batch := in.Latents.Shape().Dim(0)
	in.Latents.AssertDims(batch, in.Grid.Tokens(), p.InChannels)
	in.Text.AssertDims(batch, -1, p.JointAttentionDim)
	in.Pooled.AssertDims(batch, p.PooledProjectionDim)
	in.Timestep.AssertDims(batch)
	if p.GuidanceEmbeds {
		in.Guidance.AssertDims(batch)
	}
	for _, reference := range in.References {
		reference.Tokens.AssertDims(batch, reference.Grid.Tokens(), p.InChannels)
	}
	if c := in.Condition; c != nil {
		c.Latents.AssertDims(batch, c.Grid.Tokens(), p.InChannels)
	}
}

func constant(g *Graph, values []float32, dims ...int) *Node {
	return ConstTensor(g, tensors.FromFlatDataAndDimensions(values, dims...))
}

func sqrt(n int) float64 { return math.Sqrt(float64(n)) }
