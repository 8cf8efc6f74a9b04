package flux1

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux"
	"reflectionflow/nn"
)

// normEpsilon is the epsilon of every norm of the transformer.
const normEpsilon = 1e-6

// stream is one of the sequences that meet in attention: text, image or
// condition.
type stream struct {
	x       *Node       // [B, L, hidden]
	temb    *Node       // SiLU of the stream's own conditioning vector, [B, hidden]
	adapter nn.Adapter  // what its linear layers pass through, or nil
	names   doubleNames // its weights in a double block
}

// doubleNames are the names of one stream's weights in a double block.
type doubleNames struct{ norm, q, k, v, normQ, normK, out, ff string }

var (
	imageNames = doubleNames{"norm1", "attn.to_q", "attn.to_k", "attn.to_v", "attn.norm_q", "attn.norm_k", "attn.to_out.0", "ff"}
	textNames  = doubleNames{"norm1_context", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.norm_added_q", "attn.norm_added_k", "attn.to_add_out", "ff_context"}
)

// joint is what the streams share in attention over their concatenation.
type joint struct {
	heads  int
	rotary flux.Rotary
	bias   *Node // [1, 1, S, S], or nil
}

// qkv are one stream's queries, keys and values, [B, L, heads, head dim].
type qkv struct{ q, k, v *Node }

// attend is full softmax attention over the concatenation of the parts:
// [B, S, hidden].
func (j joint) attend(parts []qkv) *Node {
	var q, k, v []*Node
	for _, p := range parts {
		q, k, v = append(q, p.q), append(k, p.k), append(v, p.v)
	}
	queries, keys := j.rotary.Apply(Concatenate(q, 1)), j.rotary.Apply(Concatenate(k, 1))
	scale := 1 / sqrt(queries.Shape().Dim(-1))
	return nn.Attention(queries, keys, Concatenate(v, 1), j.bias, scale)
}

// project computes q, k and v with their RMS norms, before the rotation.
func project(s nn.Scope, x *Node, names doubleNames, heads int) qkv {
	width := x.Shape().Dim(-1)
	head := func(name string) *Node { return nn.Heads(nn.Linear(s.In(name), x, width), heads) }
	return qkv{
		q: nn.RMSNorm(s.In(names.normQ), head(names.q), normEpsilon),
		k: nn.RMSNorm(s.In(names.normK), head(names.k), normEpsilon),
		v: head(names.v),
	}
}

// modulation splits Linear(temb) into n vectors [B, 1, width] (adaLN,
// arXiv 2212.09748).
func modulation(s nn.Scope, temb *Node, n int) []*Node {
	batch, width := temb.Shape().Dim(0), temb.Shape().Dim(1)
	all := nn.LinearZero(s.In("linear"), temb, n*width)
	return Split(Reshape(all, batch, 1, n*width), -1, n)
}

// modulate is LayerNorm(x)·(1 + scale) + shift.
func modulate(x, shift, scale *Node) *Node {
	return Add(Mul(nn.LayerNorm(x, normEpsilon), OnePlus(scale)), shift)
}

// doubleBlock is transformer_blocks.N: each stream has its own norms,
// projections and MLP, and all attend to all. It returns the streams' new x.
func doubleBlock(s nn.Scope, j joint, streams []stream) []*Node {
	mods := make([][]*Node, len(streams)) // shift, scale, gate of attention; shift, scale, gate of the MLP
	parts := make([]qkv, len(streams))
	for i, st := range streams {
		own := s.WithAdapter(st.adapter)
		mods[i] = modulation(own.In(st.names.norm), st.temb, 6)
		parts[i] = project(own, modulate(st.x, mods[i][0], mods[i][1]), st.names, j.heads)
	}
	attended := splitLike(j.attend(parts), streams)
	out := make([]*Node, len(streams))
	for i, st := range streams {
		own, m, width := s.WithAdapter(st.adapter), mods[i], st.x.Shape().Dim(-1)
		x := Add(st.x, Mul(m[2], nn.Linear(own.In(st.names.out), attended[i], width)))
		hidden := nn.GeluTanh(nn.Linear(own.In(st.names.ff+".net.0.proj"), modulate(x, m[3], m[4]), 4*width))
		out[i] = Add(x, Mul(m[5], nn.Linear(own.In(st.names.ff+".net.2"), hidden, width)))
	}
	return out
}

// singleBlock is single_transformer_blocks.N: attention and MLP side by side,
// the same weights for every stream.
func singleBlock(s nn.Scope, j joint, streams []stream) []*Node {
	gates, hidden := make([]*Node, len(streams)), make([]*Node, len(streams))
	parts := make([]qkv, len(streams))
	for i, st := range streams {
		own, width := s.WithAdapter(st.adapter), st.x.Shape().Dim(-1)
		m := modulation(own.In("norm"), st.temb, 3) // shift, scale, gate
		x := modulate(st.x, m[0], m[1])
		gates[i] = m[2]
		hidden[i] = nn.GeluTanh(nn.Linear(own.In("proj_mlp"), x, 4*width))
		parts[i] = project(own, x, imageNames, j.heads)
	}
	attended := splitLike(j.attend(parts), streams)
	out := make([]*Node, len(streams))
	for i, st := range streams {
		own := s.WithAdapter(st.adapter)
		y := nn.Linear(own.In("proj_out"), Concatenate([]*Node{attended[i], hidden[i]}, -1), st.x.Shape().Dim(-1))
		out[i] = Add(st.x, Mul(gates[i], y))
	}
	return out
}

// splitLike cuts x [B, S, hidden] into the streams' lengths.
func splitLike(x *Node, streams []stream) []*Node {
	parts, at := make([]*Node, len(streams)), 0
	for i, st := range streams {
		length := st.x.Shape().Dim(1)
		parts[i] = Slice(x, AxisRange(), AxisRange(at, at+length), AxisRange())
		at += length
	}
	return parts
}
