package tuning

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux/nn"
)

// The iteration does not converge to 1 but into a band around it, whatever the
// scale: that is what its coefficients were chosen for.
func TestOrthogonalBringsSingularValuesNearOne(t *testing.T) {
	for _, dims := range [][]int{{16, 16}, {16, 64}, {64, 16}} {
		rng := rand.New(rand.NewPCG(1, 2))
		x := make([]float32, dims[0]*dims[1])
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * 1e-3
		}
		program, err := nn.Compile(backend(t), nn.NewStore(), []shapes.Shape{shapes.Make(dtypes.Float32, dims...)},
			func(_ nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
				u := orthogonal(in[0])
				if dims[0] > dims[1] {
					u = Transpose(u, 0, 1)
				}
				return []*Node{Einsum("ij,kj->ik", u, u)}, nil
			}, nn.Options{Name: "orthogonal"})
		if err != nil {
			t.Fatal(err)
		}
		out, err := program.Run(tensors.FromFlatDataAndDimensions(x, dims...))
		if err != nil {
			t.Fatal(err)
		}
		gram, n := tensors.MustCopyFlatData[float32](out[0]), min(dims[0], dims[1])
		trace := 0.0
		for i := range n {
			trace += float64(gram[i*n+i]) / float64(n)
		}
		for i, v := range gram {
			want, bound := 0.0, 0.25
			if i%(n+1) == 0 {
				want, bound = 1, 0.5
			}
			if math.Abs(float64(v)-want) > bound {
				t.Fatalf("%v: entry %d of UUᵀ is %v", dims, i, v)
			}
		}
		if math.Abs(trace-0.85) > 0.2 {
			t.Errorf("%v: mean square of the singular values is %v", dims, trace)
		}
		program.Close()
	}
}

func TestMuonTakesHiddenMatrices(t *testing.T) {
	for name, want := range map[string]bool{
		"transformer.transformer_blocks.0.attn.to_q.weight":                                   true,
		"transformer.single_transformer_blocks.3.proj_out.weight":                             true,
		"text_encoder.text_model.encoder.layers.1.mlp.fc1.weight":                             true,
		"transformer.transformer_blocks.0.norm1.linear.weight":                                false,
		"transformer.x_embedder.weight":                                                       false,
		"transformer.proj_out.weight":                                                         false,
		"text_encoder_2.shared.weight":                                                        false,
		"text_encoder_2.encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": false,
	} {
		if got := orthogonalised(parameter{name: name, dims: []int{32, 32}}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if orthogonalised(parameter{name: "transformer.transformer_blocks.0.attn.norm_q.weight", dims: []int{64}}) {
		t.Error("a vector")
	}
}
