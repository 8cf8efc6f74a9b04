// Package encoder builds the transformer encoders of CLIP, SigLIP and OWLv2, for text and for images:
// layers that normalize before attention and before the feed-forward part, each added to its input.
// Weight names are transformers'.
package encoder

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/nn"
)

// Config sizes an encoder. Its JSON form is transformers' config.json.
type Config struct {
	Dim         int     `json:"hidden_size"`
	Layers      int     `json:"num_hidden_layers"`
	Heads       int     `json:"num_attention_heads"`
	FeedForward int     `json:"intermediate_size"`
	Activation  string  `json:"hidden_act"` // "quick_gelu", "gelu" or "gelu_pytorch_tanh"
	Epsilon     float64 `json:"layer_norm_eps"`
}

// Validate reports a configuration that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"hidden_size", c.Dim, 1 << 14},
		{"num_hidden_layers", c.Layers, 256},
		{"num_attention_heads", c.Heads, 512},
		{"intermediate_size", c.FeedForward, 1 << 16},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%w: %s is %d, must be 1 to %d", reflectionflow.ErrInvalid, f.name, f.value, f.max)
		}
	}
	switch {
	case c.Dim%c.Heads != 0:
		return fmt.Errorf("%w: hidden_size %d is no multiple of num_attention_heads %d", reflectionflow.ErrInvalid, c.Dim, c.Heads)
	case !(c.Epsilon > 0 && c.Epsilon < 1):
		return fmt.Errorf("%w: layer_norm_eps is %v, must be between 0 and 1", reflectionflow.ErrInvalid, c.Epsilon)
	case activations[c.Activation] == nil:
		return fmt.Errorf("%w: hidden_act %q is not supported: quick_gelu, gelu and gelu_pytorch_tanh are", reflectionflow.ErrInvalid, c.Activation)
	}
	return nil
}

var activations = map[string]func(*Node) *Node{"quick_gelu": nn.QuickGelu, "gelu": nn.Gelu, "gelu_pytorch_tanh": nn.GeluTanh}

// Layers passes x [B, L, hidden_size] through "encoder.layers.0" and so on below s. mask, which may be
// nil, is added to the scores of attention: see [Causal].
func Layers(s nn.Scope, c Config, x, mask *Node) *Node {
	for i := range c.Layers {
		layer := s.In(fmt.Sprintf("encoder.layers.%d", i))
		y := nn.LayerNormAffine(layer.In("layer_norm1"), x, c.Epsilon)
		x = Add(x, attention(layer.In("self_attn"), c, y, mask))
		y = nn.LayerNormAffine(layer.In("layer_norm2"), x, c.Epsilon)
		x = Add(x, FeedForward(layer.In("mlp"), c, y))
	}
	return x
}

func attention(s nn.Scope, c Config, x, mask *Node) *Node {
	project := func(name string) *Node { return nn.Heads(nn.Linear(s.In(name), x, c.Dim), c.Heads) }
	y := nn.Attention(project("q_proj"), project("k_proj"), project("v_proj"), mask, c.Scale())
	return nn.Linear(s.In("out_proj"), y, c.Dim)
}

// Scale is what products of queries and keys are multiplied by.
func (c Config) Scale() float64 { return 1 / math.Sqrt(float64(c.Dim/c.Heads)) }

// FeedForward is "fc1", the activation and "fc2".
func FeedForward(s nn.Scope, c Config, x *Node) *Node {
	return nn.Linear(s.In("fc2"), activations[c.Activation](nn.Linear(s.In("fc1"), x, c.FeedForward)), c.Dim)
}

// Causal returns a mask [1, 1, length, length]: 0 for a key that is not after its query, else a number
// whose exponential is 0.
func Causal(g *Graph, length int) *Node {
	mask := make([][]float32, length)
	for query := range mask {
		mask[query] = make([]float32, length)
		for key := query + 1; key < length; key++ {
			mask[query][key] = -1e9
		}
	}
	return InsertAxes(Const(g, mask), 0, 0)
}

// Tokens is the sum of "token_embedding" and "position_embedding" for ids [B, L] int32, L at most
// positions: [B, L, dim].
func Tokens(s nn.Scope, ids *Node, vocabulary, positions, dim int) *Node {
	x := nn.Embedding(s.In("token_embedding"), ids, vocabulary, dim, 0.02)
	table := s.In("position_embedding").Weight("weight", nn.InitNormal(0.02), positions, dim)
	return Add(x, InsertAxes(Slice(table, AxisRange(0, ids.Shape().Dim(1)), AxisRange()), 0))
}
