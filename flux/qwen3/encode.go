package qwen3

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

// masked is added to the scores of keys that a token must not see.
const masked = -1e9

// Encode computes the hidden states of token ids [B, L] int32, of which the first used [B] int32 of each row are the text
// and the rest is padding: [B, L, len(taps)·Hidden], the states of the taps side by side. A token sees itself and those
// before it, less the padding. Rows of padding have values too, which the image depends on. The last layer's state is
// that behind the final norm, as transformers has it. The taps must pass [Config.CheckTaps].
func Encode(s nn.Scope, cfg Config, taps []int, ids, used *Node) *Node {
	x := nn.Embedding(s.In("embed_tokens"), ids, cfg.Vocabulary, cfg.Hidden, 0.02)
	length := ids.Shape().Dim(1)
	a := attention{cfg: cfg, bias: keyMask(used, length)}
	a.cos, a.sin = rotations(x.Graph(), cfg, length)
	var states []*Node
	last := taps[len(taps)-1]
	for i := 0; ; i++ {
		if slices.Contains(taps, i) {
			state := x
			if i == cfg.Layers {
				state = nn.RMSNorm(s.In("norm"), x, cfg.Epsilon)
			}
			states = append(states, state)
		}
		if i == last {
			return Concatenate(states, -1)
		}
		x = a.layer(s.In(fmt.Sprintf("layers.%d", i)), x)
	}
}

// attention is what the layers share.
type attention struct {
	cfg      Config
	cos, sin *Node // [1, L, 1, head dim]
	bias     *Node // [B, 1, L, L]
}

// layer is layers.N: attention and a gated MLP (SwiGLU, arXiv 2002.05202), each added to its input.
func (a attention) layer(s nn.Scope, x *Node) *Node {
	c := a.cfg
	x = Add(x, a.attend(s.In("self_attn"), nn.RMSNorm(s.In("input_layernorm"), x, c.Epsilon)))
	y := nn.RMSNorm(s.In("post_attention_layernorm"), x, c.Epsilon)
	m := s.In("mlp")
	gate, up := nn.LinearNoBias(m.In("gate_proj"), y, c.FeedForward), nn.LinearNoBias(m.In("up_proj"), y, c.FeedForward)
	return Add(x, nn.LinearNoBias(m.In("down_proj"), Mul(nn.SiLU(gate), up), c.Hidden))
}

// attend is grouped-query attention (arXiv 2305.13245) with normalized queries and keys.
func (a attention) attend(s nn.Scope, x *Node) *Node {
	c := a.cfg
	project := func(name string, heads int) *Node {
		return nn.Heads(nn.LinearNoBias(s.In(name), x, heads*c.HeadDim), heads)
	}
	q := a.rotate(nn.RMSNorm(s.In("q_norm"), project("q_proj", c.Heads), c.Epsilon))
	k := a.rotate(nn.RMSNorm(s.In("k_norm"), project("k_proj", c.KeyHeads), c.Epsilon))
	v := project("v_proj", c.KeyHeads)
	y := nn.Attention(q, a.share(k), a.share(v), a.bias, 1/math.Sqrt(float64(c.HeadDim)))
	return nn.LinearNoBias(s.In("o_proj"), y, c.Hidden)
}

// rotate applies the rotary embedding (arXiv 2104.09864) to x [B, L, heads, head dim]: number i of a head turns with
// number i + head dim/2.
func (a attention) rotate(x *Node) *Node {
	half := a.cfg.HeadDim / 2
	all := AxisRange()
	first, second := Slice(x, all, all, all, AxisRange(0, half)), Slice(x, all, all, all, AxisRange(half, 2*half))
	return Add(Mul(x, a.cos), Mul(Concatenate([]*Node{Neg(second), first}, -1), a.sin))
}

// share repeats every key head for the heads that share it: [B, L, KeyHeads, D] to [B, L, Heads, D].
func (a attention) share(x *Node) *Node {
	d, group := x.Shape().Dimensions, a.cfg.Heads/a.cfg.KeyHeads
	x = BroadcastToDims(Reshape(x, d[0], d[1], d[2], 1, d[3]), d[0], d[1], d[2], group, d[3])
	return Reshape(x, d[0], d[1], d[2]*group, d[3])
}

// keyMask returns what is added to the scores, [B, 1, L, L]: a query sees the keys up to its own position that are text.
func keyMask(used *Node, length int) *Node {
	g, batch := used.Graph(), used.Shape().Dim(0)
	ints := func(axis int) *Node { return Iota(g, shapes.Make(dtypes.Int32, batch, 1, length, length), axis) }
	query, key := ints(2), ints(3)
	text := BroadcastToDims(Reshape(used, batch, 1, 1, 1), batch, 1, length, length)
	seen := LogicalAnd(LessOrEqual(key, query), LessThan(key, text))
	return MulScalar(OneMinus(ConvertDType(seen, dtypes.Float32)), masked)
}

// rotations returns the cosines and sines of the angles of every position, [1, L, 1, head dim], in transformers' precision.
func rotations(g *Graph, c Config, length int) (cos, sin *Node) {
	half := c.HeadDim / 2
	cosines, sines := make([]float32, length*c.HeadDim), make([]float32, length*c.HeadDim)
	for i := range half {
		frequency := 1 / float32(math.Pow(c.Theta, float64(2*i)/float64(c.HeadDim)))
		for position := range length {
			s, c64 := math.Sincos(float64(float32(position) * frequency))
			at := position*c.HeadDim + i
			cosines[at], cosines[at+half] = float32(c64), float32(c64)
			sines[at], sines[at+half] = float32(s), float32(s)
		}
	}
	table := func(values []float32) *Node { return Reshape(Const(g, values), 1, length, 1, c.HeadDim) }
	return table(cosines), table(sines)
}

// Variables lists the weights that [Encode] needs, in transformers' names.
func (c Config) Variables(taps []int) ([]nn.Variable, error) {
	inputs := []shapes.Shape{shapes.Make(dtypes.Int32, 1, 1), shapes.Make(dtypes.Int32, 1)}
	return nn.Variables(inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{Encode(s, c, taps, in[0], in[1])}, nil
	})
}
