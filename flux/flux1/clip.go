package flux1

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/nn/encoder"
)

// clipLegacyEOS is the eos_token_id of old configurations, which is not the id
// that ends a text; transformers then takes the largest id for the end.
const clipLegacyEOS = 2

// CLIPConfig sizes the CLIP text encoder. Its JSON form is the config.json of
// transformers' CLIPTextModel; other fields of that file are ignored when read.
type CLIPConfig struct {
	Architectures []string `json:"architectures,omitempty"`
	ModelType     string   `json:"model_type,omitempty"`
	Dim           int      `json:"hidden_size"`
	Layers        int      `json:"num_hidden_layers"`
	Heads         int      `json:"num_attention_heads"`
	FeedForward   int      `json:"intermediate_size"`
	Positions     int      `json:"max_position_embeddings"`
	Vocabulary    int      `json:"vocab_size"`
	Activation    string   `json:"hidden_act"` // "quick_gelu" or "gelu"
	BOSID         int      `json:"bos_token_id"`
	EOSID         int      `json:"eos_token_id"`
	PadID         int      `json:"pad_token_id"`
	Epsilon       float64  `json:"layer_norm_eps"`
	Projection    int      `json:"projection_dim"` // read by transformers only
}

// NewCLIP returns the configuration of a CLIP text encoder of the given sizes
// with the quick GELU and the legacy eos.
func NewCLIP(vocabulary, dim, heads, layers, positions int) CLIPConfig {
	return CLIPConfig{
		Architectures: []string{"CLIPTextModel"}, ModelType: "clip_text_model", Vocabulary: vocabulary,
		Dim: dim, Layers: layers, Heads: heads, FeedForward: 4 * dim, Positions: positions, Activation: "quick_gelu",
		BOSID: 0, EOSID: clipLegacyEOS, PadID: 1, Epsilon: 1e-5, Projection: dim,
	}
}

// FluxDevCLIP returns the configuration of FLUX.1-dev's CLIP text encoder
// (CLIP-L).
func FluxDevCLIP() CLIPConfig { return NewCLIP(49408, 768, 12, 12, 77) }

// UnmarshalJSON reads a config.json; a field that is absent takes transformers'
// default.
func (c *CLIPConfig) UnmarshalJSON(data []byte) error {
	type plain CLIPConfig
	p := plain{
		Vocabulary: 49408, Dim: 512, FeedForward: 2048, Projection: 512, Layers: 12, Heads: 8, Positions: 77,
		Activation: "quick_gelu", Epsilon: 1e-5, PadID: 1, BOSID: 49406, EOSID: 49407,
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*c = CLIPConfig(p)
	return nil
}

// Validate reports a configuration that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c CLIPConfig) Validate() error {
	err := flux.CheckLimits("CLIP config", []flux.Limit{
		{Name: "vocab_size", Value: c.Vocabulary, Low: 1, High: 1 << 20},
		{Name: "hidden_size", Value: c.Dim, Low: 1, High: 1 << 14},
		{Name: "intermediate_size", Value: c.FeedForward, Low: 1, High: 1 << 16},
		{Name: "num_hidden_layers", Value: c.Layers, Low: 1, High: 256},
		{Name: "num_attention_heads", Value: c.Heads, Low: 1, High: 512},
		{Name: "max_position_embeddings", Value: c.Positions, Low: 1, High: 1 << 12},
		{Name: "eos_token_id", Value: c.EOSID, Low: 0, High: 1 << 20},
	})
	switch {
	case err != nil:
		return err
	case c.Dim%c.Heads != 0:
		return fmt.Errorf("%w: CLIP config: hidden_size %d is no multiple of num_attention_heads %d", reflectionflow.ErrInvalid, c.Dim, c.Heads)
	case !(c.Epsilon > 0 && c.Epsilon < 1):
		return fmt.Errorf("%w: CLIP config: layer_norm_eps is %v, must be between 0 and 1", reflectionflow.ErrInvalid, c.Epsilon)
	case c.Activation != "quick_gelu" && c.Activation != "gelu":
		return fmt.Errorf("%w: CLIP config: hidden_act %q, only quick_gelu and gelu are supported", reflectionflow.ErrInvalid, c.Activation)
	}
	return nil
}

// CLIPPooled is the pooler_output of transformers' CLIPTextModel: ids [B, L]
// int32, L at most max_position_embeddings, to [B, hidden_size], the last hidden
// state where the text ends: at the first eos_token_id, or at the largest id if
// that is the legacy 2. Attention is causal; padding tokens are attended to like any other.
func CLIPPooled(s nn.Scope, cfg CLIPConfig, ids *Node) *Node {
	m := s.In("text_model")
	x := encoder.Tokens(m.In("embeddings"), ids, cfg.Vocabulary, cfg.Positions, cfg.Dim)
	x = encoder.Layers(m, cfg.encoder(), x, encoder.Causal(s.Graph(), ids.Shape().Dim(1)))
	x = nn.LayerNormAffine(m.In("final_layer_norm"), x, cfg.Epsilon)
	return ReduceSum(Mul(x, InsertAxes(clipEnd(cfg, ids), -1)), 1)
}

// encoder sizes the layers.
func (c CLIPConfig) encoder() encoder.Config {
	return encoder.Config{Dim: c.Dim, Layers: c.Layers, Heads: c.Heads, FeedForward: c.FeedForward, Activation: c.Activation, Epsilon: c.Epsilon}
}

// clipEnd returns [B, L] float32: 1 where the text ends, else 0.
func clipEnd(cfg CLIPConfig, ids *Node) *Node {
	key := ids
	if cfg.EOSID != clipLegacyEOS {
		key = ConvertDType(Equal(ids, Scalar(ids.Graph(), ids.DType(), cfg.EOSID)), dtypes.Int32)
	}
	return OneHot(ArgMax(key, -1, dtypes.Int32), ids.Shape().Dim(1), dtypes.Float32)
}
