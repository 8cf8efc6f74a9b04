package layout

import (
	"strings"

	"reflectionflow/weights"
)

// CLIP finds a CLIP text encoder and names its tensors as transformers' CLIPTextModel does, "text_model.encoder.layers.0…":
// those of transformers, older and newer, and of combined checkpoints. What the pooled output does not need is left out.
func CLIP(source weights.Source) (weights.Source, error) {
	prefix, _ := findPrefix(source, []string{"", "text_encoders.clip_l.transformer.", "clip_l.transformer.", "clip_l."},
		"text_model.encoder.layers.0.mlp.fc1.weight", "encoder.layers.0.mlp.fc1.weight")
	return rename(source, prefix, func(name string) string {
		for _, unused := range []string{"position_ids", "text_projection", "text_projection.weight", "logit_scale"} {
			if name == unused || strings.HasSuffix(name, "."+unused) {
				return ""
			}
		}
		for _, part := range []string{"embeddings.", "encoder.", "final_layer_norm."} {
			if strings.HasPrefix(name, part) {
				return "text_model." + name
			}
		}
		return name
	})
}

// Qwen3 finds a Qwen3 and names its tensors by own, which is given names of transformers or llama.cpp and returns "" for what
// is left out. Of a combined checkpoint that is what lies below the encoder's prefix.
func Qwen3(own func(name string) string) Func {
	return func(source weights.Source) (weights.Source, error) {
		prefix, _ := findPrefix(source, []string{"", "text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_8b.transformer."},
			"model.layers.0.self_attn.q_norm.weight", "layers.0.self_attn.q_norm.weight")
		return rename(source, prefix, own)
	}
}

// T5 finds a T5 encoder and names its tensors as transformers' T5EncoderModel does, "encoder.block.0…": those of
// transformers, of combined checkpoints, and of llama.cpp's files (GGUF). The token embedding is "shared.weight" under
// whichever of its names the file has it; the decoder of a whole T5 is left out.
func T5(source weights.Source) (weights.Source, error) {
	prefix, found := findPrefix(source, []string{"", "text_encoders.t5xxl.transformer.", "t5xxl.transformer.", "t5xxl."},
		"encoder.block.0.layer.0.SelfAttention.q.weight", "enc.blk.0.attn_q.weight")
	if strings.HasPrefix(found, "enc.") {
		return rename(source, prefix, llamaT5)
	}
	const shared, alias = "shared.weight", "encoder.embed_tokens.weight"
	_, err := source.Info(prefix + shared)
	hasShared := err == nil
	return rename(source, prefix, func(name string) string {
		switch {
		case name == alias && hasShared, name == "lm_head.weight", strings.HasPrefix(name, "decoder."):
			return ""
		case name == alias:
			return shared
		}
		return name
	})
}

// llamaT5Names are the names of llama.cpp's files below "enc.blk.N.".
var llamaT5Names = map[string]string{
	"attn_q": "layer.0.SelfAttention.q", "attn_k": "layer.0.SelfAttention.k", "attn_v": "layer.0.SelfAttention.v", "attn_o": "layer.0.SelfAttention.o",
	"attn_rel_b": "layer.0.SelfAttention.relative_attention_bias", "attn_norm": "layer.0.layer_norm",
	"ffn_gate": "layer.1.DenseReluDense.wi_0", "ffn_up": "layer.1.DenseReluDense.wi_1", "ffn_down": "layer.1.DenseReluDense.wo",
	"ffn_norm": "layer.1.layer_norm",
}

// llamaT5 names a tensor of llama.cpp's as transformers does.
func llamaT5(name string) string {
	p := split(name)
	switch {
	case name == "token_embd.weight":
		return "shared.weight"
	case name == "enc.output_norm.weight":
		return "encoder.final_layer_norm.weight"
	case p.is(0, "dec"), name == "output.weight":
		return ""
	case p.is(0, "enc", "blk", "#") && len(p) == 5 && llamaT5Names[p[3]] != "":
		return "encoder.block." + p[2] + "." + llamaT5Names[p[3]] + "." + p[4]
	}
	return name
}
