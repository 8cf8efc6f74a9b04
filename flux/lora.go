package flux

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux/nn"
)

// LoRA adapts linear layers by y + Alpha/Rank·B(A(x)) (arXiv 2106.09685). Its
// weights live in a store as PREFIX.<module>.lora_A.weight [rank, in] and
// .lora_B.weight [out, rank]; a file has the prefix "transformer" (PEFT's and
// diffusers' naming). It is never merged into the base: it acts on chosen streams
// only (see [Condition]).
type LoRA struct {
	Rank    int
	Alpha   float64
	Modules []string // module names below the transformer, sorted
	// AllStreams says that it was tuned on all streams (see [Condition]). Files of
	// the paper's code do not say so; ours do, in their header.
	AllStreams bool
}

// NewLoRA returns an adapter to be trained, Alpha being the rank. It has the
// modules of FLUX-Corrector (those that image and condition tokens pass through,
// without net.0 of the MLP) and, for all streams, the text's counterparts.
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
	return LoRA{Rank: rank, Alpha: float64(rank), Modules: modules, AllStreams: allStreams}
}

// Adapter returns the hook for the transformer whose scope is base; weights is
// the scope that holds <module>.lora_A.weight. In training A starts normal with
// deviation 1/rank and B at zero (PEFT's "gaussian"), so that the first step is
// the base model's.
func (l LoRA) Adapter(weights, base nn.Scope) nn.Adapter {
	prefix := ""
	if base.Path() != "" {
		prefix = base.Path() + "."
	}
	return func(path string, x, y *Node) *Node {
		module := strings.TrimPrefix(path, prefix)
		if _, found := slices.BinarySearch(l.Modules, module); !found {
			return y
		}
		s := weights.In(module)
		a := s.Weight("lora_A.weight", nn.InitNormal(1/float64(l.Rank)), l.Rank, x.Shape().Dim(-1))
		b := s.Weight("lora_B.weight", nn.InitZeros, y.Shape().Dim(-1), l.Rank)
		return Add(y, MulScalar(nn.MatVec(nn.MatVec(x, a), b), l.Alpha/float64(l.Rank)))
	}
}
