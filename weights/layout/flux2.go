package layout

import (
	"strings"

	"reflectionflow/weights"
)

// TransformerPrefixes are what may stand before the names of a transformer's tensors in a file.
var TransformerPrefixes = []string{"", "model.diffusion_model.", "diffusion_model.", "transformer."}

// flux2Top are the tensors outside of the blocks.
var flux2Top = map[string]string{
	"img_in": "x_embedder", "txt_in": "context_embedder",
	"time_in.in_layer": "time_guidance_embed.timestep_embedder.linear_1", "time_in.out_layer": "time_guidance_embed.timestep_embedder.linear_2",
	"guidance_in.in_layer": "time_guidance_embed.guidance_embedder.linear_1", "guidance_in.out_layer": "time_guidance_embed.guidance_embedder.linear_2",
	"double_stream_modulation_img.lin": "double_stream_modulation_img.linear", "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
	"single_stream_modulation.lin": "single_stream_modulation.linear", "final_layer.linear": "proj_out", "final_layer.adaLN_modulation.1": "norm_out.linear",
}

// flux2Double are the tensors of "double_blocks.N.", except for the fused qkv.
var flux2Double = map[string]string{
	"img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out",
	"img_attn.norm.query_norm": "attn.norm_q", "img_attn.norm.key_norm": "attn.norm_k",
	"txt_attn.norm.query_norm": "attn.norm_added_q", "txt_attn.norm.key_norm": "attn.norm_added_k",
	"img_mlp.0": "ff.linear_in", "img_mlp.2": "ff.linear_out", "txt_mlp.0": "ff_context.linear_in", "txt_mlp.2": "ff_context.linear_out",
}

// flux2Single are the tensors of "single_blocks.N.".
var flux2Single = map[string]string{
	"linear1": "attn.to_qkv_mlp_proj", "linear2": "attn.to_out", "norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k",
}

// flux2Fused are the fused projections of "double_blocks.N." and what their thirds of rows are.
var flux2Fused = map[string][3]string{
	"img_attn.qkv": {"attn.to_q", "attn.to_k", "attn.to_v"}, "txt_attn.qkv": {"attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"},
}

// Flux2Transformer finds a FLUX.2 transformer and names its tensors as diffusers' Flux2Transformer2DModel does: those of
// diffusers, of Black Forest Labs' files, GGUF among them, and of combined checkpoints. Fused queries, keys and values are
// cut into three, and the halves of the last modulation, which diffusers has in the other order, are swapped.
func Flux2Transformer(source weights.Source) (weights.Source, error) {
	prefix, found := findPrefix(source, TransformerPrefixes, "double_blocks.0.img_attn.qkv.weight", "transformer_blocks.0.attn.add_q_proj.weight")
	if found == "" { // the first block may be what is missing
		prefix, found = findBlocks(source, TransformerPrefixes, "double_blocks.")
	}
	if !strings.HasPrefix(found, "double_blocks.") {
		return rename(source, prefix, func(name string) string { return name })
	}
	tensors := map[string][]weights.Cut{}
	for _, name := range source.Names() {
		own, ok := strings.CutPrefix(name, prefix)
		if !ok || prefix == "" && otherPart(own) {
			continue
		}
		to, fused := flux2Name(own)
		if fused == nil && to != "norm_out.linear.weight" {
			tensors[to] = []weights.Cut{{From: name}}
			continue
		}
		info, err := source.Info(name)
		if err != nil {
			return nil, err
		}
		rows := info.Rows()
		if fused == nil { // shift and scale, where diffusers has scale and shift
			tensors[to] = []weights.Cut{{From: name, Begin: rows / 2, End: rows}, {From: name, Begin: 0, End: rows / 2}}
			continue
		}
		for i, part := range fused {
			tensors[part] = []weights.Cut{{From: name, Begin: i * rows / 3, End: (i + 1) * rows / 3}}
		}
	}
	return weights.NewView(source, tensors)
}

// flux2Name names a tensor as diffusers does, or returns the names of its three parts.
func flux2Name(name string) (to string, fused []string) {
	p := split(name)
	last := p[len(p)-1]
	if last != "weight" && last != "scale" { // norms have either
		return name, nil
	}
	layer := strings.TrimSuffix(name, "."+last)
	if own := flux2Top[layer]; own != "" {
		return own + ".weight", nil
	}
	kinds := []struct {
		from, to string
		names    map[string]string
	}{
		{"double_blocks", "transformer_blocks.", flux2Double}, {"single_blocks", "single_transformer_blocks.", flux2Single},
	}
	for _, kind := range kinds {
		if !p.is(0, kind.from, "#") {
			continue
		}
		block := kind.to + p[1] + "."
		inner := p[:len(p)-1].from(2)
		if own := kind.names[inner]; own != "" {
			return block + own + ".weight", nil
		}
		if qkv, ok := flux2Fused[inner]; ok && kind.from == "double_blocks" {
			for _, part := range qkv {
				fused = append(fused, block+part+".weight")
			}
			return "", fused
		}
	}
	return name, nil
}

// otherPart reports whether a tensor belongs to another part of a combined checkpoint.
func otherPart(name string) bool {
	for _, prefix := range []string{"text_encoders.", "vae.", "first_stage_model.", "cond_stage_model."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
