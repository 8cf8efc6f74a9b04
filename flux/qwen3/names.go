package qwen3

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"reflectionflow"
	"reflectionflow/weights"
)

// prefixes are what the names of tensors begin with in files of transformers and of ComfyUI.
var prefixes = []string{"text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_8b.transformer.", "model."}

// ggufNames are the names of llama.cpp's files, below "blk.N." and at the top.
var ggufNames = map[string]string{
	"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
	"attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm",
	"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "token_embd": "embed_tokens", "output_norm": "norm",
}

var ggufBlock = regexp.MustCompile(`^blk\.(\d+)\.([a-z_]+)\.weight$`)

// Name returns the name that [Encode] asks for of a tensor in a file of transformers, ComfyUI or llama.cpp (GGUF). It is
// "" for what Encode never needs: the output layer.
func Name(name string) string {
	for _, prefix := range prefixes {
		name = strings.TrimPrefix(name, prefix)
	}
	if match := ggufBlock.FindStringSubmatch(name); match != nil {
		if own, ok := ggufNames[match[2]]; ok {
			return "layers." + match[1] + "." + own + ".weight"
		}
	}
	if own, ok := ggufNames[strings.TrimSuffix(name, ".weight")]; ok {
		return own + ".weight"
	}
	if name == "lm_head.weight" || name == "output.weight" {
		return ""
	}
	return name
}

// Infer reads the sizes of a Qwen3 from its tensors, for files without a config.json. A file that is none gives an error
// wrapping [reflectionflow.ErrInvalid].
func Infer(source weights.Source) (Config, error) {
	shapes := make(map[string][]int)
	layers := 0
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return Config{}, err
		}
		own := Name(name)
		shapes[own] = info.Shape
		if number, ok := strings.CutPrefix(own, "layers."); ok {
			number, _, _ = strings.Cut(number, ".")
			if n, err := strconv.Atoi(number); err == nil && n < maxLayers {
				layers = max(layers, n+1)
			}
		}
	}
	var err error
	dim := func(name string, axis, rank int) int {
		shape := shapes[name]
		if len(shape) != rank {
			if err == nil {
				err = fmt.Errorf("%w: the file is no Qwen3 text encoder: the tensor %q is missing or has the shape %v", reflectionflow.ErrInvalid, name, shape)
			}
			return 1
		}
		return max(shape[axis], 1)
	}
	const attention, norm = "layers.0.self_attn.", "layers.0.self_attn.q_norm.weight"
	c := Qwen4B()
	c.HeadDim, c.Layers = dim(norm, 0, 1), layers
	c.Vocabulary, c.Hidden = dim("embed_tokens.weight", 0, 2), dim("embed_tokens.weight", 1, 2)
	c.FeedForward = dim("layers.0.mlp.gate_proj.weight", 0, 2)
	c.Heads, c.KeyHeads = dim(attention+"q_proj.weight", 0, 2)/c.HeadDim, dim(attention+"k_proj.weight", 0, 2)/c.HeadDim
	if err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}
