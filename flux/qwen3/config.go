package qwen3

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"reflectionflow"
)

// Config sizes the encoder. Its JSON form is the config.json of transformers' Qwen3ForCausalLM; other fields of that file
// are ignored when read.
type Config struct {
	Architectures []string `json:"architectures,omitempty"`
	ModelType     string   `json:"model_type"` // "qwen3"
	Vocabulary    int      `json:"vocab_size"`
	Hidden        int      `json:"hidden_size"`
	FeedForward   int      `json:"intermediate_size"`
	Layers        int      `json:"num_hidden_layers"`
	Heads         int      `json:"num_attention_heads"`
	KeyHeads      int      `json:"num_key_value_heads"` // shared by Heads/KeyHeads heads each
	HeadDim       int      `json:"head_dim"`            // even; not Hidden/Heads
	Epsilon       float64  `json:"rms_norm_eps"`
	Theta         float64  `json:"rope_theta"`
	Activation    string   `json:"hidden_act"` // "silu"
}

// Taps are the hidden states that FLUX.2 [klein] reads, as transformers numbers them: 0 is the embedding of the tokens, i
// the output of the i-th layer.
var Taps = []int{9, 18, 27}

// Length is the number of tokens of a prompt with padding.
const Length = 512

// Largest sizes accepted from a configuration file; Qwen3-8B is well below.
const (
	maxConfigBytes = 1 << 20
	maxWidth       = 1 << 18
	maxLayers      = 512
)

// Qwen4B returns the configuration of Qwen3-4B, the text encoder of FLUX.2 [klein] 4B.
func Qwen4B() Config {
	return Config{
		Architectures: []string{"Qwen3ForCausalLM"}, ModelType: "qwen3", Vocabulary: 151936, Hidden: 2560, FeedForward: 9728,
		Layers: 36, Heads: 32, KeyHeads: 8, HeadDim: 128, Epsilon: 1e-6, Theta: 1e6, Activation: "silu",
	}
}

// Qwen8B returns the configuration of Qwen3-8B, the text encoder of FLUX.2 [klein] 9B.
func Qwen8B() Config {
	c := Qwen4B()
	c.Hidden, c.FeedForward = 4096, 12288
	return c
}

// ReadConfig reads the config.json of the given name. A file that is missing or damaged, or describes another model,
// gives an error wrapping [reflectionflow.ErrInvalid].
func ReadConfig(fsys fs.FS, name string) (Config, error) {
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("%w: %s is missing", reflectionflow.ErrInvalid, name)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read %s: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfigBytes))
	if err != nil {
		return Config{}, fmt.Errorf("read %s: %w", name, err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		if !errors.Is(err, reflectionflow.ErrInvalid) {
			err = fmt.Errorf("%w: %w", reflectionflow.ErrInvalid, err)
		}
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// UnmarshalJSON reads a config.json of transformers 4 or 5; a field that is absent takes transformers' default. What this
// package does not compute, such as another rotary embedding, gives an error wrapping [reflectionflow.ErrInvalid].
func (c *Config) UnmarshalJSON(data []byte) error {
	type plain Config
	file := struct {
		plain
		KeyHeads   *int  `json:"num_key_value_heads"`
		Bias       bool  `json:"attention_bias"`
		Sliding    bool  `json:"use_sliding_window"`
		Parameters *rope `json:"rope_parameters"` // transformers 5
		Scaling    *rope `json:"rope_scaling"`    // transformers 4
	}{plain: plain{
		Vocabulary: 151936, Hidden: 4096, FeedForward: 22016, Layers: 32, Heads: 32, HeadDim: 128, Epsilon: 1e-6, Theta: 10000, Activation: "silu",
	}}
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	*c = Config(file.plain)
	switch {
	case file.KeyHeads != nil:
		c.KeyHeads = *file.KeyHeads
	default:
		c.KeyHeads = c.Heads
	}
	for _, r := range []*rope{file.Parameters, file.Scaling} {
		if r == nil {
			continue
		}
		if kind := r.kind(); kind != "default" {
			return c.invalid("the rotary embedding %q is not supported: default is", kind)
		}
		if r.Theta != 0 {
			c.Theta = r.Theta
		}
	}
	switch {
	case c.ModelType != "qwen3":
		return c.invalid("model_type is %q, the text encoder of FLUX.2 [klein] is a qwen3", c.ModelType)
	case file.Bias || file.Sliding:
		return c.invalid("attention_bias and use_sliding_window are not supported, Qwen3 has neither")
	}
	return nil
}

// rope describes a rotary embedding.
type rope struct {
	Type    string  `json:"rope_type"`
	OldType string  `json:"type"`
	Theta   float64 `json:"rope_theta"`
}

func (r rope) kind() string {
	switch {
	case r.Type != "":
		return r.Type
	case r.OldType != "":
		return r.OldType
	}
	return "default"
}

// Validate reports a configuration that cannot be built, as an error wrapping [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	for _, s := range []struct {
		name       string
		value, max int
	}{
		{"vocab_size", c.Vocabulary, 1 << 20},
		{"hidden_size", c.Hidden, maxWidth},
		{"intermediate_size", c.FeedForward, maxWidth},
		{"num_hidden_layers", c.Layers, maxLayers},
		{"num_attention_heads", c.Heads, 1 << 12},
		{"num_key_value_heads", c.KeyHeads, 1 << 12},
		{"head_dim", c.HeadDim, 1 << 12},
		{"heads of head_dim", c.Heads * c.HeadDim, maxWidth},
	} {
		if s.value < 1 || s.value > s.max {
			return c.invalid("%s is %d, must be from 1 to %d", s.name, s.value, s.max)
		}
	}
	switch {
	case c.Heads%c.KeyHeads != 0:
		return c.invalid("%d attention heads cannot share %d key heads", c.Heads, c.KeyHeads)
	case c.HeadDim%2 != 0:
		return c.invalid("head_dim is %d, must be even", c.HeadDim)
	case !(c.Epsilon > 0 && c.Epsilon < 1):
		return c.invalid("rms_norm_eps is %v, must be between 0 and 1", c.Epsilon)
	case !(c.Theta >= 1 && c.Theta <= 1e12):
		return c.invalid("rope_theta is %v, must be from 1 to 1e12", c.Theta)
	case c.Activation != "silu":
		return c.invalid("hidden_act is %q, only silu is supported", c.Activation)
	}
	return nil
}

// CheckTaps reports taps that the model does not have, as an error wrapping [reflectionflow.ErrInvalid]. They must be
// ascending.
func (c Config) CheckTaps(taps []int) error {
	if len(taps) == 0 {
		return c.invalid("no hidden states are asked for")
	}
	for i, tap := range taps {
		if tap > c.Layers {
			return c.invalid("it has %d layers, and the model reads the hidden state of layer %d: this Qwen3 is of another size than the model's", c.Layers, tap)
		}
		if tap < 0 || i > 0 && tap <= taps[i-1] {
			return c.invalid("the hidden states %v are not ascending numbers from 0 to %d, its layers", taps, c.Layers)
		}
	}
	return nil
}

func (c Config) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: Qwen3 config: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}
