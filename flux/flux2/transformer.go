package flux2

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux"
	"reflectionflow/nn"
)

// Inputs are the inputs of [Transformer].
type Inputs struct {
	Image      flux.Packed   // [B, N, in_channels]
	References []flux.Packed // encoded images that the result is to resemble, clean
	Text       *Node         // [B, T, joint_attention_dim], with the rows of the padding
	Sigma      *Node         // [B], in [0, 1]
	Guidance   *Node         // [B]; read only when Params.GuidanceEmbeds
}

// referenceStep is the distance of references on the first axis of the position
// embedding: the image is at 0, its references at 10, 20 and so on.
const referenceStep = 10

// Transformer predicts the velocity [B, N, in_channels] of the image (diffusers'
// Flux2Transformer2DModel). The sequence is text, image, references. All blocks share
// one modulation per stream. No layer has a bias.
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

// The outputs of shared: what modulates the blocks of each kind, and the embedding of
// the noise level, as [B, 1, n·hidden] and [B, hidden].
const (
	ofImage, ofText, ofSingle, ofLevel = 0, 1, 2, 3
)

func shared(s nn.Scope, p Params, in Inputs) []*Node {
	temb := nn.SiLU(conditioning(s, p, in.Sigma, in.Guidance))
	all := []*Node{ofLevel: temb}
	for i, m := range []struct {
		name    string
		vectors int
	}{{"double_stream_modulation_img", 6}, {"double_stream_modulation_txt", 6}, {"single_stream_modulation", 3}} {
		all[i] = modulations(s.In(m.name), temb, m.vectors)
	}
	return all
}

// network is the transformer for one set of inputs. Its parts take and return the image
// with its references and the text, and after join both as one.
type network struct {
	blocks
	s      nn.Scope
	in     Inputs
	shared []*Node
}

func newNetwork(s nn.Scope, p Params, in Inputs, shared []*Node) network {
	checkInputs(p, in)
	n := network{s: s, in: in, shared: shared}
	positions := gridPositions(textPositions(nil, n.texts()), in.Image.Grid, 0)
	for i, reference := range in.References {
		positions = gridPositions(positions, reference.Grid, referenceStep*(i+1))
	}
	n.blocks = blocks{p: p, rotary: flux.NewRotary(in.Text.Graph(), positions, p.AxesDimsRope[:], p.RopeTheta)}
	return n
}

// texts returns the number of tokens of the text.
func (n network) texts() int { return n.in.Text.Shape().Dim(1) }

// begin embeds the tokens.
func (n network) begin() []*Node {
	tokens := []*Node{n.in.Image.Tokens}
	for _, reference := range n.in.References {
		tokens = append(tokens, reference.Tokens)
	}
	image := nn.LinearNoBias(n.s.In("x_embedder"), Concatenate(tokens, 1), n.p.Hidden())
	return []*Node{image, nn.LinearNoBias(n.s.In("context_embedder"), n.in.Text, n.p.Hidden())}
}

func (n network) double(i int, state []*Node) []*Node {
	image, text := n.blocks.double(n.s.In(doubleName(i)), state[0], state[1], Split(n.shared[ofImage], -1, 6), Split(n.shared[ofText], -1, 6))
	return []*Node{image, text}
}

func (n network) join(state []*Node) []*Node {
	return []*Node{Concatenate([]*Node{state[1], state[0]}, 1)}
}

func (n network) single(i int, state []*Node) []*Node {
	return []*Node{n.blocks.single(n.s.In(singleName(i)+".attn"), state[0], Split(n.shared[ofSingle], -1, 3))}
}

// end returns the velocity.
func (n network) end(state []*Node) *Node {
	image := Slice(state[0], AxisRange(), AxisRange(n.texts(), n.texts()+n.in.Image.Grid.Tokens()), AxisRange())
	last := Split(modulations(n.s.In("norm_out"), n.shared[ofLevel], 2), -1, 2) // scale, then shift
	return nn.LinearNoBias(n.s.In("proj_out"), n.modulate(image, last[1], last[0]), n.p.InChannels)
}

func doubleName(i int) string { return fmt.Sprintf("transformer_blocks.%d", i) }
func singleName(i int) string { return fmt.Sprintf("single_transformer_blocks.%d", i) }

// conditioning is the vector that modulates every block: the embedding of the noise
// level, and of the guidance where the model has one, [B, hidden].
func conditioning(s nn.Scope, p Params, sigma, guidance *Node) *Node {
	embed := func(name string, x *Node) *Node {
		e := s.In("time_guidance_embed." + name)
		wave := flux.Sinusoid(MulScalar(x, 1000), p.TimestepChannels)
		return nn.LinearNoBias(e.In("linear_2"), nn.SiLU(nn.LinearNoBias(e.In("linear_1"), wave, p.Hidden())), p.Hidden())
	}
	temb := embed("timestep_embedder", sigma)
	if p.GuidanceEmbeds {
		temb = Add(temb, embed("guidance_embedder", guidance))
	}
	return temb
}

// textPositions appends (0, 0, 0, i) for token i of the text.
func textPositions(positions []int, tokens int) []int {
	for i := range tokens {
		positions = append(positions, 0, 0, 0, i)
	}
	return positions
}

// gridPositions appends (image, row, column, 0), row by row.
func gridPositions(positions []int, grid flux.Grid, image int) []int {
	for row := range grid.Rows {
		for col := range grid.Cols {
			positions = append(positions, image, row, col, 0)
		}
	}
	return positions
}

// modulations is Linear(temb), n vectors side by side, [B, 1, n·width] (adaLN, arXiv
// 2212.09748).
func modulations(s nn.Scope, temb *Node, n int) *Node {
	batch, width := temb.Shape().Dim(0), temb.Shape().Dim(1)
	return Reshape(nn.LinearNoBias(s.In("linear"), temb, n*width), batch, 1, n*width)
}

// blocks is what the blocks share.
type blocks struct {
	p      Params
	rotary flux.Rotary // of text, image and references
}

// modulate is LayerNorm(x)·(1 + scale) + shift.
func (b blocks) modulate(x, shift, scale *Node) *Node {
	return Add(Mul(nn.LayerNorm(x, b.p.Epsilon), OnePlus(scale)), shift)
}

// qkv are queries, keys and values, [B, L, heads, head dim].
type qkv struct{ q, k, v *Node }

// double is transformer_blocks.N: image and text have their own projections and MLP,
// and all attend to all. Modulations are shift, scale, gate of the attention, then of
// the MLP.
func (b blocks) double(s nn.Scope, image, text *Node, modImage, modText []*Node) (newImage, newText *Node) {
	a, hidden, texts := s.In("attn"), b.p.Hidden(), text.Shape().Dim(1)
	normed := b.modulate(text, modText[0], modText[1])
	ofText := b.project(a, normed, []string{"add_q_proj", "add_k_proj", "add_v_proj", "norm_added_q", "norm_added_k"})
	normed = b.modulate(image, modImage[0], modImage[1])
	ofImage := b.project(a, normed, []string{"to_q", "to_k", "to_v", "norm_q", "norm_k"})
	attended := b.attend(qkv{
		Concatenate([]*Node{ofText.q, ofImage.q}, 1), Concatenate([]*Node{ofText.k, ofImage.k}, 1), Concatenate([]*Node{ofText.v, ofImage.v}, 1),
	})
	all := AxisRange()
	image = Add(image, Mul(modImage[2], nn.LinearNoBias(a.In("to_out.0"), Slice(attended, all, AxisRangeToEnd(texts), all), hidden)))
	text = Add(text, Mul(modText[2], nn.LinearNoBias(a.In("to_add_out"), Slice(attended, all, AxisRange(0, texts), all), hidden)))
	image = Add(image, Mul(modImage[5], b.feedForward(s.In("ff"), b.modulate(image, modImage[3], modImage[4]))))
	text = Add(text, Mul(modText[5], b.feedForward(s.In("ff_context"), b.modulate(text, modText[3], modText[4]))))
	return image, text
}

// single is single_transformer_blocks.N: attention and MLP side by side, from one
// projection and into one.
func (b blocks) single(s nn.Scope, x *Node, mod []*Node) *Node {
	hidden, inner := b.p.Hidden(), b.p.feedForward()
	y := nn.LinearNoBias(s.In("to_qkv_mlp_proj"), b.modulate(x, mod[0], mod[1]), 3*hidden+2*inner)
	part := func(from, to int) *Node { return Slice(y, AxisRange(), AxisRange(), AxisRange(from, to)) }
	head := func(i int) *Node { return nn.Heads(part(i*hidden, (i+1)*hidden), b.p.NumAttentionHeads) }
	attended := b.attend(qkv{
		nn.RMSNorm(s.In("norm_q"), head(0), b.p.Epsilon), nn.RMSNorm(s.In("norm_k"), head(1), b.p.Epsilon), head(2),
	})
	mlp := Mul(nn.SiLU(part(3*hidden, 3*hidden+inner)), part(3*hidden+inner, 3*hidden+2*inner))
	return Add(x, Mul(mod[2], nn.LinearNoBias(s.In("to_out"), Concatenate([]*Node{attended, mlp}, -1), hidden)))
}

// project computes q, k and v, by the names of their layers and of the norms of q and k.
func (b blocks) project(s nn.Scope, x *Node, names []string) qkv {
	head := func(name string) *Node {
		return nn.Heads(nn.LinearNoBias(s.In(name), x, b.p.Hidden()), b.p.NumAttentionHeads)
	}
	return qkv{
		nn.RMSNorm(s.In(names[3]), head(names[0]), b.p.Epsilon), nn.RMSNorm(s.In(names[4]), head(names[1]), b.p.Epsilon), head(names[2]),
	}
}

// attend is full softmax attention, padding of the text included: [B, L, hidden].
func (b blocks) attend(x qkv) *Node {
	scale := 1 / math.Sqrt(float64(b.p.AttentionHeadDim))
	return nn.Attention(b.rotary.Apply(x.q), b.rotary.Apply(x.k), x.v, nil, scale)
}

// feedForward is the gated MLP (SwiGLU, arXiv 2002.05202).
func (b blocks) feedForward(s nn.Scope, x *Node) *Node {
	both := Split(nn.LinearNoBias(s.In("linear_in"), x, 2*b.p.feedForward()), -1, 2)
	return nn.LinearNoBias(s.In("linear_out"), Mul(nn.SiLU(both[0]), both[1]), b.p.Hidden())
}

func checkInputs(p Params, in Inputs) {
	batch := in.Text.Shape().Dim(0)
	in.Text.AssertDims(batch, -1, p.JointAttentionDim)
	in.Sigma.AssertDims(batch)
	for _, x := range append([]flux.Packed{in.Image}, in.References...) {
		x.Tokens.AssertDims(batch, x.Grid.Tokens(), p.InChannels)
	}
	if p.GuidanceEmbeds {
		in.Guidance.AssertDims(batch)
	}
}
