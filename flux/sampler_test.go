package flux

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
)

// The clean image of a rescaled velocity has the deviation that the formula of
// arXiv 2305.08891 gives, each image of a batch by itself.
func TestRescaleGuidance(t *testing.T) {
	const batch, size = 2, 3 * 4
	dims := [][]int{{batch, 3, 4}, {batch, 3, 4}, {batch, 3, 4}, {batch}}
	x, cond, guided := Noise(1, batch*size), Noise(2, batch*size), Noise(3, batch*size)
	for i := range guided {
		guided[i] = 3*guided[i] + 1
	}
	sigma := []float32{0.9, 0.3}
	values := [][]float32{x, cond, guided, sigma}
	given, inputs := make([]shapes.Shape, len(dims)), make([]*tensors.Tensor, len(dims))
	for i, d := range dims {
		given[i], inputs[i] = shapes.Make(dtypes.Float32, d...), tensors.FromFlatDataAndDimensions(values[i], d...)
	}
	clean := func(velocity []float32, index int) (values []float64) {
		for i := index * size; i < (index+1)*size; i++ {
			values = append(values, float64(x[i])-float64(sigma[index])*float64(velocity[i]))
		}
		return values
	}
	backend := nntest.Backend(t)
	for _, phi := range []float64{0, 0.7, 1} {
		program, err := nn.Compile(backend, nn.NewStore(), given, func(_ nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
			return []*Node{RescaleGuidance(in[0], in[1], in[2], in[3], phi)}, nil
		}, nn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := program.Run(inputs...)
		if err != nil {
			t.Fatal(err)
		}
		got := tensors.MustCopyFlatData[float32](out[0])
		for index := range batch {
			before, after := clean(guided, index), clean(got, index)
			want := phi*spread(clean(cond, index))/spread(before) + 1 - phi
			for i := range after {
				if math.Abs(after[i]-want*before[i]) > 1e-4 {
					t.Fatalf("phi %v, image %d, value %d: %v, want %v", phi, index, i, after[i], want*before[i])
				}
			}
		}
	}
}

func spread(values []float64) float64 {
	var sum, squares float64
	for _, v := range values {
		sum += v
	}
	mean := sum / float64(len(values))
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)))
}
