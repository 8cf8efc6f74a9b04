package flux1

import (
	"fmt"
	"slices"

	"reflectionflow/flux/lora"
	"reflectionflow/nn"
)

// LoRA is a corrector: a LoRA that cannot be merged into the base, because it acts on some
// streams only, see [Condition].
type LoRA struct {
	lora.Trained // as far as a loaded one has the same shape for all layers
	// AllStreams says that it was trained on all streams, see [Condition]. Files state
	// it in their metadata; those of ReflectionFlow's authors are for the condition.
	AllStreams bool

	loaded *lora.Adapters // of a file; nil for one that is trained
}

// NewLoRA returns an adapter to be trained, with Alpha equal to the rank. It has the
// modules of FLUX-Corrector, which are those that image and condition tokens pass
// through except net.0 of the MLP, and for all streams the text's counterparts.
func NewLoRA(p Params, rank int, allStreams bool) LoRA {
	modules := []string{"x_embedder"}
	double := []string{"norm1.linear", "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "ff.net.2"}
	single := []string{"norm.linear", "proj_mlp", "proj_out", "attn.to_q", "attn.to_k", "attn.to_v"}
	if allStreams {
		modules = append(modules, "context_embedder")
		double = append(double, "norm1_context.linear", "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out", "ff_context.net.2")
	}
	for i := range p.NumLayers {
		for _, name := range double {
			modules = append(modules, fmt.Sprintf("transformer_blocks.%d.%s", i, name))
		}
	}
	for i := range p.NumSingleLayers {
		for _, name := range single {
			modules = append(modules, fmt.Sprintf("single_transformer_blocks.%d.%s", i, name))
		}
	}
	slices.Sort(modules)
	return LoRA{Trained: lora.Trained{Rank: rank, Alpha: float64(rank), Modules: modules}, AllStreams: allStreams}
}

// Adapter returns the hook for the transformer in the scope base, see
// [lora.Trained.Adapter].
func (l LoRA) Adapter(weights, base nn.Scope) nn.Adapter {
	if l.loaded != nil {
		return l.loaded.Adapter(weights)
	}
	return l.Trained.Adapter(weights, base)
}
