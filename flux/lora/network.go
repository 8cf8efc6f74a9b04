package lora

import (
	"fmt"
	"strings"

	"reflectionflow/nn"
)

// Network is a network that LoRAs adapt.
type Network struct {
	// Prefix is that of its weights in a store, such as "transformer".
	Prefix string
	// Text says that it is a text encoder: tensors for layers that it lacks are left out with a warning.
	Text bool

	linear   map[string][2]int  // [out, in] by the layer's name below Prefix
	layers   map[string][]piece // by the flat forms of all names, without what they begin with
	prefixes []string           // what names begin with in files, flat
}

// piece is a part of a layer of a file: rows of its B.
type piece struct {
	module     string // the network's layer
	begin, end int    // rows
	swapped    bool   // the halves of the rows in the other order
}

// newNetwork lists the linear layers among the weights of a network, by their own names.
func newNetwork(prefix string, variables []nn.Variable, prefixes ...string) Network {
	n := Network{Prefix: prefix, linear: map[string][2]int{}, layers: map[string][]piece{}, prefixes: prefixes}
	for _, v := range variables {
		if module, ok := strings.CutSuffix(v.Name, ".weight"); ok && len(v.Shape) == 2 {
			n.linear[module] = [2]int(v.Shape)
		}
	}
	for module := range n.linear {
		n.alias(module, module)
	}
	return n
}

// alias adds another name for layers that are one below the other in the files: its rows are divided among them.
func (n Network) alias(name string, modules ...string) {
	var pieces []piece
	at := 0
	for _, module := range modules {
		shape, ok := n.linear[module]
		if !ok {
			return
		}
		pieces = append(pieces, piece{module: module, begin: at, end: at + shape[0]})
		at += shape[0]
	}
	n.layers[flatten(name)] = pieces
}

// find returns the pieces of a file's layer and whether the name is that of a layer of this network at all.
func (n Network) find(layer string) (pieces []piece, belongs bool) {
	flat := flatten(layer)
	for _, prefix := range n.prefixes {
		name, ok := strings.CutPrefix(flat, prefix)
		if !ok {
			continue
		}
		belongs = belongs || prefix != ""
		for _, form := range []string{name, strings.Replace(name, "_processor_", "_", 1), "tran" + name} { // old diffusers; some exports
			if pieces := n.layers[form]; pieces != nil {
				return pieces, true
			}
		}
	}
	return nil, belongs
}

// transformerPrefixes are what the names of a transformer's layers begin with.
var transformerPrefixes = []string{
	"", "transformer_", "diffusion_model_", "model_diffusion_model_", "base_model_model_", "base_model_model_transformer_",
	"base_model_model_diffusion_model_", "lora_unet_", "lora_transformer_", "lycoris_", "lora_", "unet_",
}

// FLUX1 is the transformer of FLUX.1 whose weights, in diffusers' names below prefix, are given.
func FLUX1(prefix string, variables []nn.Variable) Network {
	n := newNetwork(prefix, variables, transformerPrefixes...)
	n.top("time_text_embed", "vector_in", "text_embedder")
	for i := range blocks(variables, "transformer_blocks.") {
		from, to := fmt.Sprintf("double_blocks.%d.", i), fmt.Sprintf("transformer_blocks.%d.", i)
		n.stream(from, to)
		n.alias(from+"img_mod.lin", to+"norm1.linear")
		n.alias(from+"txt_mod.lin", to+"norm1_context.linear")
		n.mlps(from, to, ".net.0.proj", ".net.2")
	}
	for i := range blocks(variables, "single_transformer_blocks.") {
		from, to := fmt.Sprintf("single_blocks.%d.", i), fmt.Sprintf("single_transformer_blocks.%d.", i)
		qkv := []string{to + "attn.to_q", to + "attn.to_k", to + "attn.to_v"}
		n.alias(from+"linear1", append(qkv, to+"proj_mlp")...)
		n.alias(from+"linear2", to+"proj_out")
		n.alias(from+"modulation.lin", to+"norm.linear")
		n.alias(from+"processor.qkv", qkv...) // XLabs adapts no MLP
		n.alias(from+"processor.proj", to+"proj_out")
		n.alias(to+"attn.to_qkv", qkv...)
	}
	return n
}

// FLUX2 is [FLUX1] for the transformer of FLUX.2.
func FLUX2(prefix string, variables []nn.Variable) Network {
	n := newNetwork(prefix, variables, transformerPrefixes...)
	n.top("time_guidance_embed", "", "")
	for _, name := range []string{"double_stream_modulation_img", "double_stream_modulation_txt", "single_stream_modulation"} {
		n.alias(name+".lin", name+".linear")
	}
	for i := range blocks(variables, "transformer_blocks.") {
		from, to := fmt.Sprintf("double_blocks.%d.", i), fmt.Sprintf("transformer_blocks.%d.", i)
		n.stream(from, to)
		n.mlps(from, to, ".linear_in", ".linear_out")
	}
	for i := range blocks(variables, "single_transformer_blocks.") {
		from, to := fmt.Sprintf("single_blocks.%d.", i), fmt.Sprintf("single_transformer_blocks.%d.", i)
		n.alias(from+"linear1", to+"attn.to_qkv_mlp_proj")
		n.alias(from+"linear2", to+"attn.to_out")
	}
	return n
}

// top adds Black Forest Labs' names of what is outside of the blocks. extra is the embedder that only FLUX.1 has.
func (n Network) top(embedders, extra, extraTo string) {
	n.alias("img_in", "x_embedder")
	n.alias("txt_in", "context_embedder")
	n.alias("final_layer.linear", "proj_out")
	n.alias("final_layer.adaLN_modulation.1", "norm_out.linear")
	if p := n.layers["final_layer_adaLN_modulation_1"]; p != nil { // shift and scale, where diffusers has scale and shift
		p[0].swapped = true
	}
	for _, e := range [][2]string{{"time_in", "timestep_embedder"}, {"guidance_in", "guidance_embedder"}, {extra, extraTo}} {
		n.alias(e[0]+".in_layer", embedders+"."+e[1]+".linear_1")
		n.alias(e[0]+".out_layer", embedders+"."+e[1]+".linear_2")
	}
}

// stream adds the other names of attention in both streams of a double block: Black Forest Labs', XLabs' and those of
// diffusers' fused projections.
func (n Network) stream(from, to string) {
	image := []string{to + "attn.to_q", to + "attn.to_k", to + "attn.to_v"}
	text := []string{to + "attn.add_q_proj", to + "attn.add_k_proj", to + "attn.add_v_proj"}
	for _, name := range []string{from + "img_attn.qkv", from + "processor.qkv_lora1", to + "attn.to_qkv"} {
		n.alias(name, image...)
	}
	for _, name := range []string{from + "txt_attn.qkv", from + "processor.qkv_lora2", to + "attn.to_added_qkv"} {
		n.alias(name, text...)
	}
	for _, name := range []string{from + "img_attn.proj", from + "processor.proj_lora1", to + "attn.to_out"} {
		n.alias(name, to+"attn.to_out.0")
	}
	n.alias(from+"txt_attn.proj", to+"attn.to_add_out")
	n.alias(from+"processor.proj_lora2", to+"attn.to_add_out")
}

func (n Network) mlps(from, to, first, second string) {
	n.alias(from+"img_mlp.0", to+"ff"+first)
	n.alias(from+"img_mlp.2", to+"ff"+second)
	n.alias(from+"txt_mlp.0", to+"ff_context"+first)
	n.alias(from+"txt_mlp.2", to+"ff_context"+second)
}

// blocks returns the number of blocks of which there are weights.
func blocks(variables []nn.Variable, begin string) (n int) {
	for _, v := range variables {
		var i int
		if rest, ok := strings.CutPrefix(v.Name, begin); ok {
			if _, err := fmt.Sscanf(rest, "%d.", &i); err == nil {
				n = max(n, i+1)
			}
		}
	}
	return n
}

// CLIP is the text encoder of FLUX.1 that reads the whole prompt as one vector; its weights have transformers' names.
func CLIP(prefix string, variables []nn.Variable) Network {
	n := newNetwork(prefix, variables, "text_encoder_", "text_encoders_clip_l_transformer_", "lora_te1_", "lora_te_", "base_model_model_text_encoder_", "lycoris_te1_")
	n.Text = true
	for module := range n.linear { // transformers 5
		n.alias(strings.TrimPrefix(module, "text_model."), module)
	}
	return n
}

// T5 is the other text encoder of FLUX.1.
func T5(prefix string, variables []nn.Variable) Network {
	n := newNetwork(prefix, variables, "text_encoder_2_", "text_encoders_t5xxl_transformer_", "lora_te3_", "lora_te2_", "lycoris_te2_", "lycoris_te3_")
	n.Text = true
	return n
}

// Qwen3 is the text encoder of FLUX.2 [klein]; its weights have the names of transformers' Qwen3Model.
func Qwen3(prefix string, variables []nn.Variable) Network {
	n := newNetwork(prefix, variables, "text_encoder_", "text_encoder_model_", "text_encoders_qwen3_4b_transformer_", "text_encoders_qwen3_4b_transformer_model_",
		"text_encoders_qwen3_8b_transformer_", "text_encoders_qwen3_8b_transformer_model_", "lora_te_", "lora_te1_", "lora_te_model_", "lora_te1_model_")
	n.Text = true
	return n
}
