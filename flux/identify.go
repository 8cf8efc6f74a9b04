package flux

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reflectionflow/weights"
	"reflectionflow/weights/layout"
)

// lookalikes are how the names of tensors begin in models whose files resemble FLUX.1's.
var lookalikes = []struct{ begin, model string }{
	{"double_stream_modulation_img.", "FLUX.2"},
	{"distilled_guidance_layer.", "Chroma"},
	{"double_blocks.0.img_mlp.gate_proj.", "Ovis-Image"},
	{"txt_in.individual_token_refiner.", "HunyuanVideo"},
	{"redux_up.", "FLUX.1-Redux"},
}

// FilePart is one model in a file.
type FilePart struct {
	Kind  string // "transformer", "text encoder", "autoencoder" or "LoRA"
	Model string // such as "FLUX.1" or "T5 encoder"
}

// signature is a tensor that only one kind of model has, behind one of the prefixes of combined checkpoints.
type signature struct {
	prefixes []string
	begin    string // of the tensor's name
	part     FilePart
}

var signatures = []signature{
	{layout.TransformerPrefixes, "double_blocks.0.img_attn.qkv.", FilePart{"transformer", "FLUX.1"}},
	{layout.TransformerPrefixes, "double_blocks.0.img_mlp.0.", FilePart{"transformer", "FLUX.1"}}, // where the other is missing
	{layout.TransformerPrefixes, "transformer_blocks.0.attn.add_q_proj.", FilePart{"transformer", "FLUX.1"}},
	{layout.TransformerPrefixes, "single_transformer_blocks.0.proj_mlp.", FilePart{"transformer", "FLUX.1"}}, // where the other is missing
	{[]string{"", "text_encoders.clip_l.transformer."}, "text_model.encoder.layers.0.mlp.fc1.", FilePart{"text encoder", "CLIP"}},
	{[]string{""}, "embeddings.token_embedding.", FilePart{"text encoder", "CLIP"}}, // of transformers 5
	{[]string{"", "text_encoders.t5xxl.transformer."}, "encoder.block.0.layer.0.SelfAttention.q.", FilePart{"text encoder", "T5"}},
	{[]string{""}, "enc.blk.0.attn_q.", FilePart{"text encoder", "T5"}},
	{[]string{"", "text_encoders.qwen3_4b.transformer.", "text_encoders.qwen3_8b.transformer."}, "model.layers.0.self_attn.q_norm.", FilePart{"text encoder", "Qwen3"}},
	{[]string{""}, "layers.0.self_attn.q_norm.", FilePart{"text encoder", "Qwen3"}},
	{[]string{""}, "blk.0.attn_q_norm.", FilePart{"text encoder", "Qwen3"}},
	{[]string{"", "vae.", "first_stage_model."}, "decoder.conv_in.weight", FilePart{"autoencoder", ""}},
}

// Identify says which models a file has, by the names and the shapes of its tensors; nothing if it knows none of them.
// It does not say whether they are whole: see flux1.ReadTransformer.
func Identify(source weights.Source) []FilePart {
	names := source.Names()
	if i := slices.IndexFunc(names, isLoRA); i >= 0 { // its layers have names of the model that it is for
		return []FilePart{{"LoRA", names[i]}}
	}
	var parts []FilePart
	add := func(p FilePart) {
		if !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	for _, s := range signatures {
		for _, prefix := range s.prefixes {
			name, ok := first(names, prefix+s.begin)
			if !ok {
				continue
			}
			part := s.part
			switch part.Kind {
			case "transformer":
				part.Model = cmp.Or(Lookalike(names, prefix), part.Model)
			case "autoencoder":
				part.Model = latents(source, name)
			}
			add(part)
		}
	}
	for _, prefix := range layout.TransformerPrefixes { // those that have no FLUX.1 block
		if model := Lookalike(names, prefix); model != "" {
			add(FilePart{"transformer", model})
		}
	}
	return parts
}

// loraMarks are in the names of LoRAs and of their relatives; package lora says which are read.
var loraMarks = []string{".lora_A", ".lora_down", ".lora.down", "_lora.down", "_lora1.down", "_lora2.down", ".lora_linear_layer.down", "lokr_w", "hada_w", "dora_scale"}

func isLoRA(name string) bool {
	return slices.ContainsFunc(loraMarks, func(mark string) bool { return strings.Contains(name, mark) })
}

// first returns the first of the sorted names that begins so.
func first(names []string, begin string) (string, bool) {
	i, _ := slices.BinarySearch(names, begin)
	if i < len(names) && strings.HasPrefix(names[i], begin) {
		return names[i], true
	}
	return "", false
}

// Lookalike returns the model other than FLUX.1 whose tensors are behind the prefix among
// the sorted names, such as "FLUX.2"; "" if it knows none.
func Lookalike(names []string, prefix string) string {
	for _, other := range lookalikes {
		if _, ok := first(names, prefix+other.begin); ok {
			return other.model
		}
	}
	return ""
}

// latents describes an autoencoder by the channels of its latents.
func latents(source weights.Source, convIn string) string {
	info, err := source.Info(convIn)
	if err != nil || len(info.Shape) != 4 {
		return "of an unknown kind"
	}
	switch n := info.Shape[1]; n {
	case 16:
		return "16 channels, as FLUX.1's"
	case 32:
		return "32 channels, as FLUX.2's"
	default:
		return fmt.Sprintf("%d channels", n)
	}
}
