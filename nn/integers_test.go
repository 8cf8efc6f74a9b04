package nn

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/cpu"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// precisions opens the CPU in every precision that the processor has, f32 first.
func precisions(t *testing.T) (names []string, list []compute.Backend) {
	t.Helper()
	names = []string{"f32"}
	bf16, int8 := cpu.Precisions()
	if bf16 {
		names = append(names, "bf16")
	}
	if int8 {
		names = append(names, "int8")
	}
	for _, name := range names {
		b := must(OpenBackend("cpu:" + name))
		t.Cleanup(b.Finalize)
		list = append(list, b)
	}
	return names, list
}

// TestIntegersOfTypes measures the error of products in every precision, for weights of every type, relative to the root mean
// square of the product in f32, and requires that 8 bits keep it below 1%. Rows begin at odd places of the file.
func TestIntegersOfTypes(t *testing.T) {
	names, backends := precisions(t)
	const rows, in, out = 40, 1536, 70
	for _, kind := range storedTypes {
		f := ggufFile(t, gguftest.Tensor{Name: "odd", Type: gguf.F32, Shape: []int{1}}, gguftest.Tensor{Name: "a.weight", Type: kind, Shape: []int{out, in}, Std: 0.02})
		store, x := storedIn(t, f), random(5, rows, in)
		var want []float32
		for i, b := range backends {
			got := linearOn(t, b, store, x, out)
			if i == 0 {
				want = got
				continue
			}
			e := rootMeanSquare(got, want) / rootMeanSquare(want, nil)
			t.Logf("%s in %s: %.2f%%", kind, names[i], 100*e)
			if !(e < 0.01) || e == 0 {
				t.Errorf("%s in %s: off by %g", kind, names[i], e)
			}
		}
	}
}

func linearOn(t *testing.T, b compute.Backend, store *Store, x *tensors.Tensor, out int) []float32 {
	t.Helper()
	x = must(x.LocalClone())
	p, err := Compile(b, store, []shapes.Shape{x.Shape()}, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{LinearNoBias(s.In("a"), x[0], out)}, nil
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	y, err := p.Run(x)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(tensors.MustCopyFlatData[float32](y[0]))
}

// rootMeanSquare is that of the differences; minus may be nil.
func rootMeanSquare(x, minus []float32) float64 {
	sum := 0.0
	for i, v := range x {
		d := float64(v)
		if minus != nil {
			d -= float64(minus[i])
		}
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(x)))
}

// TestAutoPrecision checks what auto means for stored types.
func TestAutoPrecision(t *testing.T) {
	bf16, int8 := cpu.Precisions()
	for _, kind := range storedTypes {
		f := ggufFile(t, gguftest.Tensor{Name: "a.weight", Type: kind, Shape: []int{4, 256}, Std: 1})
		stored := storedIn(t, f).borrowed["a.weight"].tensor
		want, onXLA := "f32", "bf16"
		_, quantized := kind.Integers()
		switch {
		case kind == gguf.F32:
			onXLA = "f32"
		case quantized && int8:
			want = "int8"
		case bf16:
			want = "bf16"
		}
		if got := AutoPrecision("cpu", stored); got != want {
			t.Errorf("%s on the CPU: %s, want %s", kind, got, want)
		}
		if got := AutoPrecision("xla:plugin", stored); got != onXLA {
			t.Errorf("%s on XLA: %s, want %s", kind, got, onXLA)
		}
	}
}
