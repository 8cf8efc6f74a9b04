package flux1

import (
	"encoding/json"
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
)

// T5Config sizes the T5 encoder. Its JSON form is the config.json of
// transformers' T5EncoderModel; other fields of that file are ignored when read.
type T5Config struct {
	Architectures []string `json:"architectures,omitempty"`
	ModelType     string   `json:"model_type,omitempty"`
	Vocabulary    int      `json:"vocab_size"`
	Dim           int      `json:"d_model"`
	HeadDim       int      `json:"d_kv"`
	FeedForward   int      `json:"d_ff"`
	Layers        int      `json:"num_layers"`
	Heads         int      `json:"num_heads"`
	Buckets       int      `json:"relative_attention_num_buckets"`
	MaxDistance   int      `json:"relative_attention_max_distance"`
	Epsilon       float64  `json:"layer_norm_epsilon"`
	Projection    string   `json:"feed_forward_proj"` // "gated-gelu"
	PadID         int      `json:"pad_token_id"`
	EOSID         int      `json:"eos_token_id"`
	Dropout       float64  `json:"dropout_rate"` // read by transformers only
}

// NewT5 returns the configuration of a T5 v1.1 encoder of the given sizes.
func NewT5(vocabulary, dim, heads, feedForward, layers int) T5Config {
	return T5Config{
		Architectures: []string{"T5EncoderModel"}, ModelType: "t5", Vocabulary: vocabulary, Dim: dim,
		HeadDim: dim / max(heads, 1), FeedForward: feedForward, Layers: layers, Heads: heads, Buckets: 32,
		MaxDistance: 128, Epsilon: 1e-6, Projection: "gated-gelu", PadID: 0, EOSID: 1,
	}
}

// FluxDevT5 returns the configuration of FLUX.1-dev's T5 encoder (T5 v1.1 XXL).
func FluxDevT5() T5Config { return NewT5(32128, 4096, 64, 10240, 24) }

// UnmarshalJSON reads a config.json; a field that is absent takes transformers'
// default.
func (c *T5Config) UnmarshalJSON(data []byte) error {
	type plain T5Config
	p := plain{
		Vocabulary: 32128, Dim: 512, HeadDim: 64, FeedForward: 2048, Layers: 6, Heads: 8, Buckets: 32,
		MaxDistance: 128, Epsilon: 1e-6, Projection: "relu", PadID: 0, EOSID: 1, Dropout: 0.1,
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*c = T5Config(p)
	return nil
}

// Validate reports a configuration that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c T5Config) Validate() error {
	err := flux.CheckLimits("T5 config", []flux.Limit{
		{Name: "vocab_size", Value: c.Vocabulary, Low: 1, High: 1 << 20},
		{Name: "d_model", Value: c.Dim, Low: 1, High: 1 << 16},
		{Name: "d_kv", Value: c.HeadDim, Low: 1, High: 1 << 12},
		{Name: "d_ff", Value: c.FeedForward, Low: 1, High: 1 << 18},
		{Name: "num_layers", Value: c.Layers, Low: 1, High: 256},
		{Name: "num_heads", Value: c.Heads, Low: 1, High: 512},
		{Name: "relative_attention_num_buckets", Value: c.Buckets, Low: 4, High: 1 << 12},
		{Name: "relative_attention_max_distance", Value: c.MaxDistance, Low: 2, High: 1 << 16},
	})
	switch {
	case err != nil:
		return err
	case c.Buckets%4 != 0 || c.MaxDistance <= c.Buckets/4:
		return fmt.Errorf("%w: T5 config: %d buckets for distances to %d: must be a multiple of 4 and less than four distances", reflectionflow.ErrInvalid, c.Buckets, c.MaxDistance)
	case !(c.Epsilon > 0 && c.Epsilon < 1):
		return fmt.Errorf("%w: T5 config: layer_norm_epsilon is %v, must be between 0 and 1", reflectionflow.ErrInvalid, c.Epsilon)
	case c.Projection != "gated-gelu":
		return fmt.Errorf("%w: T5 config: feed_forward_proj %q, only gated-gelu is supported", reflectionflow.ErrInvalid, c.Projection)
	}
	return nil
}

// T5Encode is transformers' T5EncoderModel without an attention mask, as FLUX
// calls it: ids [B, L] int32, padded with zeros, to hidden states [B, L, d_model].
// Padding tokens are attended to like any other. Scores are not divided by √d; relative position
// biases come from the first layer and serve them all (arXiv 1910.10683 §2.1).
func T5Encode(s nn.Scope, cfg T5Config, ids *Node) *Node {
	e := s.In("encoder")
	x := nn.Embedding(s.In("shared"), ids, cfg.Vocabulary, cfg.Dim, 1)
	bias := t5Bias(e.In("block.0.layer.0.SelfAttention.relative_attention_bias"), cfg, ids.Shape().Dim(1))
	for i := range cfg.Layers {
		block := e.In(fmt.Sprintf("block.%d", i))
		attention, feedForward := block.In("layer.0"), block.In("layer.1")
		y := nn.RMSNorm(attention.In("layer_norm"), x, cfg.Epsilon)
		x = Add(x, t5Attention(attention.In("SelfAttention"), cfg, y, bias))
		y = nn.RMSNorm(feedForward.In("layer_norm"), x, cfg.Epsilon)
		x = Add(x, t5FeedForward(feedForward.In("DenseReluDense"), cfg, y))
	}
	return nn.RMSNorm(e.In("final_layer_norm"), x, cfg.Epsilon)
}

func t5Attention(s nn.Scope, cfg T5Config, x, bias *Node) *Node {
	inner := cfg.Heads * cfg.HeadDim
	project := func(name string) *Node { return nn.Heads(nn.LinearNoBias(s.In(name), x, inner), cfg.Heads) }
	// New queries start smaller, because nothing divides the scores by √d.
	s.In("q").Weight("weight", nn.InitNormal(1/math.Sqrt(float64(cfg.Dim*cfg.HeadDim))), inner, cfg.Dim)
	y := nn.Attention(project("q"), project("k"), project("v"), bias, 1)
	return nn.LinearNoBias(s.In("o"), y, cfg.Dim)
}

func t5FeedForward(s nn.Scope, cfg T5Config, x *Node) *Node {
	gate := nn.GeluTanh(nn.LinearNoBias(s.In("wi_0"), x, cfg.FeedForward))
	return nn.LinearNoBias(s.In("wo"), Mul(gate, nn.LinearNoBias(s.In("wi_1"), x, cfg.FeedForward)), cfg.Dim)
}

// t5Bias returns the position biases [1, heads, L, L] of length L.
func t5Bias(s nn.Scope, cfg T5Config, length int) *Node {
	buckets := make([][]int32, length)
	for query := range buckets {
		buckets[query] = make([]int32, length)
		for key := range buckets[query] {
			buckets[query][key] = int32(t5Bucket(key-query, cfg.Buckets, cfg.MaxDistance))
		}
	}
	table := nn.Embedding(s, Const(s.Graph(), buckets), cfg.Buckets, cfg.Heads, 0.1) // [L, L, heads]
	return InsertAxes(TransposeAllAxes(table, 2, 0, 1), 0)
}

// t5Bucket returns the bucket of a key that is distance after its query. Half of the
// buckets are for each direction; of these, half are for single distances and half
// for ranges that grow with the logarithm, up to the greatest distance.
func t5Bucket(distance, buckets, greatest int) int {
	half, first := buckets/2, 0
	if distance > 0 {
		first = half
	}
	if distance < 0 {
		distance = -distance
	}
	exact := half / 2
	if distance < exact {
		return first + distance
	}
	// In single precision as the reference: at the edges the rounding decides.
	ratio := float32(math.Log(float64(float32(distance)/float32(exact)))) / float32(math.Log(float64(greatest)/float64(exact)))
	return first + min(exact+int(ratio*float32(half-exact)), half-1)
}
