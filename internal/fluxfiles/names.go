package fluxfiles

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// join returns tensors one below the other.
func join(name string, list ...Tensor) Tensor {
	t := Tensor{Name: name, Shape: slices.Clone(list[0].Shape)}
	for i, part := range list {
		t.parts = append(t.parts, part.parts...)
		if i > 0 {
			t.Shape[0] += part.Shape[0]
		}
	}
	return t
}

// swapped returns the second half of the rows above the first.
func swapped(name string, t Tensor) Tensor {
	p, half := t.parts[0], t.parts[0].end/2
	first, second := p, p
	first.end, second.begin = half, half
	return Tensor{Name: name, Shape: t.Shape, parts: []part{second, first}}
}

// Prefixed returns the tensors with a prefix before their names.
func Prefixed(prefix string, list []Tensor) []Tensor {
	list = slices.Clone(list)
	for i := range list {
		list[i].Name = prefix + list[i].Name
	}
	return list
}

// rule renames layers. In "to", "#" is the number of the block.
type rule struct{ from, to string }

// flux1Rules are the layers of FLUX.1 in Black Forest Labs' naming, and those of diffusers that they consist of.
var flux1Rules = []rule{
	{"img_in", "x_embedder"},
	{"txt_in", "context_embedder"},
	{"final_layer.linear", "proj_out"},
	{"time_in.in_layer", "time_text_embed.timestep_embedder.linear_1"},
	{"time_in.out_layer", "time_text_embed.timestep_embedder.linear_2"},
	{"vector_in.in_layer", "time_text_embed.text_embedder.linear_1"},
	{"vector_in.out_layer", "time_text_embed.text_embedder.linear_2"},
	{"guidance_in.in_layer", "time_text_embed.guidance_embedder.linear_1"},
	{"guidance_in.out_layer", "time_text_embed.guidance_embedder.linear_2"},
	{"final_layer.adaLN_modulation.1", "swap norm_out.linear"},
	{"double_blocks.#.img_mod.lin", "transformer_blocks.#.norm1.linear"},
	{"double_blocks.#.txt_mod.lin", "transformer_blocks.#.norm1_context.linear"},
	{"double_blocks.#.img_attn.qkv", "transformer_blocks.#.attn.to_q transformer_blocks.#.attn.to_k transformer_blocks.#.attn.to_v"},
	{"double_blocks.#.txt_attn.qkv", "transformer_blocks.#.attn.add_q_proj transformer_blocks.#.attn.add_k_proj transformer_blocks.#.attn.add_v_proj"},
	{"double_blocks.#.img_attn.norm.query_norm", "transformer_blocks.#.attn.norm_q"},
	{"double_blocks.#.img_attn.norm.key_norm", "transformer_blocks.#.attn.norm_k"},
	{"double_blocks.#.txt_attn.norm.query_norm", "transformer_blocks.#.attn.norm_added_q"},
	{"double_blocks.#.txt_attn.norm.key_norm", "transformer_blocks.#.attn.norm_added_k"},
	{"double_blocks.#.img_attn.proj", "transformer_blocks.#.attn.to_out.0"},
	{"double_blocks.#.txt_attn.proj", "transformer_blocks.#.attn.to_add_out"},
	{"double_blocks.#.img_mlp.0", "transformer_blocks.#.ff.net.0.proj"},
	{"double_blocks.#.img_mlp.2", "transformer_blocks.#.ff.net.2"},
	{"double_blocks.#.txt_mlp.0", "transformer_blocks.#.ff_context.net.0.proj"},
	{"double_blocks.#.txt_mlp.2", "transformer_blocks.#.ff_context.net.2"},
	{"single_blocks.#.modulation.lin", "single_transformer_blocks.#.norm.linear"},
	{"single_blocks.#.linear2", "single_transformer_blocks.#.proj_out"},
	{"single_blocks.#.linear1", "single_transformer_blocks.#.attn.to_q single_transformer_blocks.#.attn.to_k single_transformer_blocks.#.attn.to_v single_transformer_blocks.#.proj_mlp"},
	{"single_blocks.#.norm.query_norm", "single_transformer_blocks.#.attn.norm_q"},
	{"single_blocks.#.norm.key_norm", "single_transformer_blocks.#.attn.norm_k"},
}

// flux2Rules are those of FLUX.2.
var flux2Rules = []rule{
	{"img_in", "x_embedder"},
	{"txt_in", "context_embedder"},
	{"final_layer.linear", "proj_out"},
	{"time_in.in_layer", "time_guidance_embed.timestep_embedder.linear_1"},
	{"time_in.out_layer", "time_guidance_embed.timestep_embedder.linear_2"},
	{"double_stream_modulation_img.lin", "double_stream_modulation_img.linear"},
	{"double_stream_modulation_txt.lin", "double_stream_modulation_txt.linear"},
	{"single_stream_modulation.lin", "single_stream_modulation.linear"},
	{"final_layer.adaLN_modulation.1", "swap norm_out.linear"},
	{"double_blocks.#.img_attn.qkv", "transformer_blocks.#.attn.to_q transformer_blocks.#.attn.to_k transformer_blocks.#.attn.to_v"},
	{"double_blocks.#.txt_attn.qkv", "transformer_blocks.#.attn.add_q_proj transformer_blocks.#.attn.add_k_proj transformer_blocks.#.attn.add_v_proj"},
	{"double_blocks.#.img_attn.norm.query_norm", "transformer_blocks.#.attn.norm_q"},
	{"double_blocks.#.img_attn.norm.key_norm", "transformer_blocks.#.attn.norm_k"},
	{"double_blocks.#.txt_attn.norm.query_norm", "transformer_blocks.#.attn.norm_added_q"},
	{"double_blocks.#.txt_attn.norm.key_norm", "transformer_blocks.#.attn.norm_added_k"},
	{"double_blocks.#.img_attn.proj", "transformer_blocks.#.attn.to_out.0"},
	{"double_blocks.#.txt_attn.proj", "transformer_blocks.#.attn.to_add_out"},
	{"double_blocks.#.img_mlp.0", "transformer_blocks.#.ff.linear_in"},
	{"double_blocks.#.img_mlp.2", "transformer_blocks.#.ff.linear_out"},
	{"double_blocks.#.txt_mlp.0", "transformer_blocks.#.ff_context.linear_in"},
	{"double_blocks.#.txt_mlp.2", "transformer_blocks.#.ff_context.linear_out"},
	{"single_blocks.#.linear1", "single_transformer_blocks.#.attn.to_qkv_mlp_proj"},
	{"single_blocks.#.linear2", "single_transformer_blocks.#.attn.to_out"},
	{"single_blocks.#.norm.query_norm", "single_transformer_blocks.#.attn.norm_q"},
	{"single_blocks.#.norm.key_norm", "single_transformer_blocks.#.attn.norm_k"},
}

// llamaT5Rules are T5's layers in llama.cpp's naming.
var llamaT5Rules = []rule{
	{"token_embd", "shared"},
	{"enc.output_norm", "encoder.final_layer_norm"},
	{"enc.blk.#.attn_q", "encoder.block.#.layer.0.SelfAttention.q"},
	{"enc.blk.#.attn_k", "encoder.block.#.layer.0.SelfAttention.k"},
	{"enc.blk.#.attn_v", "encoder.block.#.layer.0.SelfAttention.v"},
	{"enc.blk.#.attn_o", "encoder.block.#.layer.0.SelfAttention.o"},
	{"enc.blk.#.attn_rel_b", "encoder.block.#.layer.0.SelfAttention.relative_attention_bias"},
	{"enc.blk.#.attn_norm", "encoder.block.#.layer.0.layer_norm"},
	{"enc.blk.#.ffn_gate", "encoder.block.#.layer.1.DenseReluDense.wi_0"},
	{"enc.blk.#.ffn_up", "encoder.block.#.layer.1.DenseReluDense.wi_1"},
	{"enc.blk.#.ffn_down", "encoder.block.#.layer.1.DenseReluDense.wo"},
	{"enc.blk.#.ffn_norm", "encoder.block.#.layer.1.layer_norm"},
}

// llamaQwen3Rules are Qwen3's.
var llamaQwen3Rules = []rule{
	{"token_embd", "embed_tokens"},
	{"output_norm", "norm"},
	{"blk.#.attn_q", "layers.#.self_attn.q_proj"},
	{"blk.#.attn_k", "layers.#.self_attn.k_proj"},
	{"blk.#.attn_v", "layers.#.self_attn.v_proj"},
	{"blk.#.attn_output", "layers.#.self_attn.o_proj"},
	{"blk.#.attn_q_norm", "layers.#.self_attn.q_norm"},
	{"blk.#.attn_k_norm", "layers.#.self_attn.k_norm"},
	{"blk.#.attn_norm", "layers.#.input_layernorm"},
	{"blk.#.ffn_norm", "layers.#.post_attention_layernorm"},
	{"blk.#.ffn_gate", "layers.#.mlp.gate_proj"},
	{"blk.#.ffn_up", "layers.#.mlp.up_proj"},
	{"blk.#.ffn_down", "layers.#.mlp.down_proj"},
}

// FLUX1 returns a transformer of FLUX.1 in the naming of Black Forest Labs, FLUX2 one of FLUX.2, T5 and Qwen3 text encoders
// in that of llama.cpp. A tensor without a name there is an error.
func FLUX1(list []Tensor) ([]Tensor, error) { return renamed(list, flux1Rules) }

// FLUX2 is described at [FLUX1].
func FLUX2(list []Tensor) ([]Tensor, error) { return renamed(list, flux2Rules) }

// T5 is described at [FLUX1].
func T5(list []Tensor) ([]Tensor, error) { return renamed(list, llamaT5Rules) }

// Qwen3 is described at [FLUX1].
func Qwen3(list []Tensor) ([]Tensor, error) { return renamed(list, llamaQwen3Rules) }

var blockNumber = regexp.MustCompile(`^(?:single_)?(?:transformer_blocks|encoder\.block|layers)\.(\d+)\.`)

func renamed(list []Tensor, rules []rule) ([]Tensor, error) {
	byName, blocks := map[string]Tensor{}, 0
	for _, t := range list {
		byName[t.Name] = t
		if m := blockNumber.FindStringSubmatch(t.Name); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits
			blocks = max(blocks, n+1)
		}
	}
	var out []Tensor
	for _, r := range rules {
		for block := range blocks {
			for _, kind := range []string{".weight", ".bias"} {
				if t, ok := r.apply(byName, strconv.Itoa(block), kind); ok {
					out = append(out, t)
				}
			}
			if !strings.Contains(r.from, "#") {
				break
			}
		}
	}
	if len(byName) > 0 {
		return nil, fmt.Errorf("%d tensors have no name in the file: %v", len(byName), byName)
	}
	return out, nil
}

// apply takes the tensors of a layer out of byName and joins them.
func (r rule) apply(byName map[string]Tensor, block, kind string) (Tensor, bool) {
	layers, swap := strings.CutPrefix(r.to, "swap ")
	var joined []Tensor
	for layer := range strings.FieldsSeq(strings.ReplaceAll(layers, "#", block)) {
		t, ok := byName[layer+kind]
		if !ok {
			return Tensor{}, false
		}
		delete(byName, layer+kind)
		joined = append(joined, t)
	}
	name := strings.ReplaceAll(r.from, "#", block) + kind
	if strings.HasSuffix(r.from, "query_norm") || strings.HasSuffix(r.from, "key_norm") {
		name = strings.TrimSuffix(name, "weight") + "scale"
	}
	if swap {
		return swapped(name, joined[0]), true
	}
	return join(name, joined...), true
}

// autoencoderParts rename parts of diffusers' names of an autoencoder, in this order.
var autoencoderParts = strings.NewReplacer(
	"mid_block.resnets.0", "mid.block_1", "mid_block.resnets.1", "mid.block_2", "mid_block.attentions.0.group_norm", "mid.attn_1.norm",
	"mid_block.attentions.0.to_q", "mid.attn_1.q", "mid_block.attentions.0.to_k", "mid.attn_1.k", "mid_block.attentions.0.to_v", "mid.attn_1.v",
	"mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out", "conv_norm_out", "norm_out", "conv_shortcut", "nin_shortcut",
	"downsamplers.0.conv", "downsample.conv", "upsamplers.0.conv", "upsample.conv", "resnets", "block", "down_blocks", "down",
)

var upBlock = regexp.MustCompile(`up_blocks\.(\d+)`)

// Autoencoder returns an autoencoder of so many levels in the naming of Black Forest Labs.
func Autoencoder(list []Tensor, levels int) []Tensor {
	list = slices.Clone(list)
	for i, t := range list {
		attention := strings.Contains(t.Name, "attentions.0.to_")
		name := autoencoderParts.Replace(t.Name)
		list[i].Name = upBlock.ReplaceAllStringFunc(name, func(found string) string {
			n, _ := strconv.Atoi(strings.TrimPrefix(found, "up_blocks.")) // digits
			return "up." + strconv.Itoa(levels-1-n)
		})
		switch {
		case strings.HasPrefix(t.Name, "quant_conv"):
			list[i].Name = "encoder." + t.Name
		case strings.HasPrefix(t.Name, "post_quant_conv"):
			list[i].Name = "decoder." + t.Name
		case attention && len(t.Shape) == 2: // a convolution of 1×1
			list[i].Shape = append(slices.Clone(t.Shape), 1, 1)
		}
	}
	return list
}
