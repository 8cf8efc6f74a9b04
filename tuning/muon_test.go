package tuning

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// The iteration converges into a band around 1, whatever the scale, as its coefficients intend.
func TestOrthogonalBringsSingularValuesNearOne(t *testing.T) {
	all := [][]int{{16, 16}, {16, 64}, {64, 16}, {16, 64}}
	var inputs []shapes.Shape
	var values []*tensors.Tensor
	rng := rand.New(rand.NewPCG(1, 2))
	for _, dims := range all {
		x := make([]float32, dims[0]*dims[1])
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * 1e-3
		}
		inputs, values = append(inputs, shapes.Make(dtypes.Float32, dims...)), append(values, tensors.FromFlatDataAndDimensions(x, dims...))
	}
	program, err := nn.Compile(backend(t), nn.NewStore(), inputs, func(_ nn.Scope, in []*Node) (outputs []*Node, _ map[string]*Node) {
		for i, u := range orthogonal(in) {
			gram, along := "ij,kj->ik", "ij,ij->"
			if all[i][0] > all[i][1] {
				gram = "ji,jk->ik"
			}
			outputs = append(outputs, Einsum(gram, u, u), Einsum(along, u, in[i]))
		}
		return outputs, nil
	}, nn.Options{Name: "orthogonal"})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	out, err := program.Run(values...)
	if err != nil {
		t.Fatal(err)
	}
	for i, dims := range all {
		checkGram(t, dims, tensors.MustCopyFlatData[float32](out[2*i]))
		// ⟨UVᵀ, x⟩ is the sum of x's singular values, far above the product with another matrix.
		if along := tensors.ToScalar[float32](out[2*i+1]); along < 0.03 {
			t.Errorf("matrix %d: %v along itself", i, along)
		}
	}
}

// checkGram checks UUᵀ of a nearly orthogonal U, or UᵀU of a tall one.
func checkGram(t *testing.T, dims []int, gram []float32) {
	n, trace := min(dims[0], dims[1]), 0.0
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
}

func TestMuonUpdatesHiddenMatrices(t *testing.T) {
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
		if got := orthogonalized(parameter{name: name, dims: []int{32, 32}}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if orthogonalized(parameter{name: "transformer.transformer_blocks.0.attn.norm_q.weight", dims: []int{64}}) {
		t.Error("a vector")
	}
}
