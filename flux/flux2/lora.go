package flux2

import (
	"slices"

	"reflectionflow/flux/lora"
)

// CorrectorPrefix is the prefix of a LoRA that is trained in a store.
const CorrectorPrefix = "corrector"

// NewLoRA returns an editing LoRA to be trained, with Alpha equal to the rank. It adapts
// attention and MLP of every block, of text and image, and no embedding or modulation.
func NewLoRA(p Params, rank int) lora.Trained {
	var modules []string
	for i := range p.NumLayers {
		for _, name := range []string{
			"attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "ff.linear_in", "ff.linear_out",
			"attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out", "ff_context.linear_in", "ff_context.linear_out",
		} {
			modules = append(modules, doubleName(i)+"."+name)
		}
	}
	for i := range p.NumSingleLayers {
		modules = append(modules, singleName(i)+".attn.to_qkv_mlp_proj", singleName(i)+".attn.to_out")
	}
	slices.Sort(modules)
	return lora.Trained{Rank: rank, Alpha: float64(rank), Modules: modules}
}
