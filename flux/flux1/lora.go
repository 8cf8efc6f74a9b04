package flux1

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux/lora"
	"reflectionflow/nn"
)

// LoRA adapts linear layers: y + Alpha/Rank·B(A(x)) (arXiv 2106.09685). A store holds
// its weights as PREFIX.<module>.lora_A.weight [rank, in] and .lora_B.weight [out,
// rank]; in a file the prefix is "transformer", as PEFT and diffusers write it. It
// cannot be merged into the base, because it acts on some streams only, see
// [Condition].
type LoRA struct {
	Rank    int
	Alpha   float64
	Modules []string // module names below the transformer, sorted
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
	return LoRA{Rank: rank, Alpha: float64(rank), Modules: modules, AllStreams: allStreams}
}

// Adapter returns the hook for the transformer in the scope base. The scope weights
// holds <module>.lora_A.weight and .lora_B.weight. In training A starts with normal
// numbers of deviation 1/rank and B with zeros (PEFT's "gaussian"), so that the
// adapter changes nothing at first.
func (l LoRA) Adapter(weights, base nn.Scope) nn.Adapter {
	if l.loaded != nil {
		return l.loaded.Adapter(weights)
	}
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
