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
	n := newNetwork(s, p, in, shared(s, p, in))
	state := n.begin()
	for i := range p.NumLayers {
		state = n.double(i, state)
	}
	state = n.join(state)
	for i := range p.NumSingleLayers {
		state = n.single(i, state)
	}
	return n.end(state)
}

// shared computes the vectors that modulate the blocks, each [B, hidden]: of text and
// image, and that of the condition, at timestep 0 and guidance 1.
func shared(s nn.Scope, p Params, in Inputs) []*Node {
	temb := []*Node{nn.SiLU(conditioning(s, p, in.Timestep, in.Guidance, in.Pooled))}
	if in.Condition != nil {
		zero := ZerosLike(in.Timestep)
		temb = append(temb, nn.SiLU(conditioning(s, p, zero, OnePlus(zero), in.Pooled)))
	}
	return temb
}

// network is the transformer for one set of inputs. Its parts take and return the
// streams' x: of text, image and condition, and after join of text with image, and
// condition.
type network struct {
	s          nn.Scope
	p          Params
	in         Inputs
	temb       []*Node
	everywhere nn.Adapter // of text and image
	j          joint
}

func newNetwork(s nn.Scope, p Params, in Inputs, temb []*Node) network {
	checkInputs(p, in)
	g := in.Latents.Graph()
	n := network{s: s, p: p, in: in, temb: temb, j: joint{heads: p.NumAttentionHeads}}
	if in.Condition != nil && in.Condition.AllStreams {
		n.everywhere = in.Condition.Adapter
	}
	positions := append(textPositions(n.texts()), imagePositions(in.Grid)...)
	for i, reference := range in.References {
		positions = append(positions, typedPositions(reference.Grid, i+1)...)
	}
	if c := in.Condition; c != nil {
		n.j.bias = crossBias(g, len(positions), c.Grid.Tokens(), c.Scale)
		positions = append(positions, c.positions()...)
	}
	n.j.rotary = flux.NewRotary(g, flat(positions), p.AxesDimsRope[:], ropeTheta)
	return n
}

// texts returns the number of tokens of the text.
func (n network) texts() int { return n.in.Text.Shape().Dim(1) }

// begin embeds the tokens of every stream.
func (n network) begin() []*Node {
	base, hidden, tokens := n.s.WithAdapter(n.everywhere), n.p.Hidden(), []*Node{n.in.Latents}
	for _, reference := range n.in.References {
		tokens = append(tokens, reference.Tokens)
	}
	state := []*Node{nn.Linear(base.In("context_embedder"), n.in.Text, hidden), nn.Linear(base.In("x_embedder"), Concatenate(tokens, 1), hidden)}
	if c := n.in.Condition; c != nil {
		state = append(state, nn.Linear(n.s.WithAdapter(c.Adapter).In("x_embedder"), c.Latents, hidden))
	}
	return state
}

// streams gives every x of the state the rest of its stream.
func (n network) streams(state []*Node, main ...doubleNames) []stream {
	var streams []stream
	for i, x := range state {
		if i < len(main) {
			streams = append(streams, stream{x: x, temb: n.temb[0], adapter: n.everywhere, names: main[i]})
			continue
		}
		streams = append(streams, stream{x: x, temb: n.temb[1], adapter: n.in.Condition.Adapter, names: imageNames})
	}
	return streams
}

func (n network) double(i int, state []*Node) []*Node {
	return doubleBlock(n.s.In(doubleName(i)), n.j, n.streams(state, textNames, imageNames))
}

// join makes one stream of text and image: single blocks have one set of weights.
func (n network) join(state []*Node) []*Node {
	return append([]*Node{Concatenate(state[:2], 1)}, state[2:]...)
}

func (n network) single(i int, state []*Node) []*Node {
	return singleBlock(n.s.In(singleName(i)), n.j, n.streams(state, imageNames))
}

// end returns the velocity.
func (n network) end(state []*Node) *Node {
	image := Slice(state[0], AxisRange(), AxisRange(n.texts(), n.texts()+n.in.Grid.Tokens()), AxisRange())
	m := modulation(n.s.In("norm_out"), n.temb[0], 2) // scale, then shift
	return nn.LinearZero(n.s.In("proj_out"), modulate(image, m[1], m[0]), n.p.InChannels)
}

func doubleName(i int) string { return fmt.Sprintf("transformer_blocks.%d", i) }
func singleName(i int) string { return fmt.Sprintf("single_transformer_blocks.%d", i) }

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
