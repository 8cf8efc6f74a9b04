package nn

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/cpu"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// narrowed is over XLA where the tests run there, else over GoMLX's backend in Go.
func narrowed(t *testing.T) compute.Backend {
	t.Helper()
	if b := open(t); b.Name() != cpu.Name {
		return &narrowing{b}
	}
	b, err := gobackend.New("")
	if err != nil {
		t.Fatal(err)
	}
	return &narrowing{b}
}

// runNarrowed runs a network whose products are in bfloat16.
func runNarrowed(t *testing.T, b compute.Backend, store *Store, x *tensors.Tensor, fn func(s Scope, x *graph.Node) *graph.Node) []float32 {
	t.Helper()
	x = must(x.LocalClone())
	p, err := Compile(b, store, []shapes.Shape{x.Shape()}, func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{fn(s, in[0])}, nil
	}, Options{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Run(x)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

func round(v float32) float64 { return float64(bfloat16.FromFloat32(v).Float32()) }

// TestNarrowingRoundsBothOperands multiplies by weights of every stored type: the result is in float32, that of the
// rounded operands, and the matrix is on the backend in bfloat16.
func TestNarrowingRoundsBothOperands(t *testing.T) {
	const out, in, rows = 24, 256, 5
	for _, kind := range storedTypes {
		t.Run(kind.String(), func(t *testing.T) {
			f := ggufFile(t, gguftest.Tensor{Name: "weight", Type: kind, Shape: []int{out, in}, Std: 0.1},
				gguftest.Tensor{Name: "bias", Type: gguf.F32, Shape: []int{out}, Std: 1})
			b, store, x := narrowed(t), storedIn(t, f), random(7, rows, in)
			got := runNarrowed(t, b, store, x, func(s Scope, x *graph.Node) *graph.Node { return Linear(s, x, out) })
			values, weight := tensors.MustCopyFlatData[float32](x), must(store.Values("weight"))
			bias := must(store.Values("bias"))
			for i, v := range got {
				want, size := float64(bias[i%out]), 0.0
				for k := range in {
					term := round(values[i/out*in+k]) * round(weight[i%out*in+k])
					want, size = want+term, size+math.Abs(term)
				}
				if math.Abs(float64(v)-want) > 1e-6*(size+1) {
					t.Fatalf("element %d: %v, want %v", i, v, want)
				}
			}
			if on := store.borrowed["weight"].on; len(on) != 1 || on[place{b.(*narrowing).Backend, dtypes.BFloat16, false}] == nil {
				t.Errorf("the weight is on the backend as %v", on)
			}
		})
	}
}

// TestNarrowingOfAttention is close to attention in float32, and not equal.
func TestNarrowingOfAttention(t *testing.T) {
	x := random(3, 2, 17, 4, 32)
	attend := func(_ Scope, x *graph.Node) *graph.Node { return Attention(x, x, x, nil, 0.2) }
	got := runNarrowed(t, narrowed(t), NewStore(), x, attend)
	want := runNarrowed(t, open(t), NewStore(), x, attend)
	var difference, size float64
	for i := range want {
		difference += math.Pow(float64(got[i]-want[i]), 2)
		size += math.Pow(float64(want[i]), 2)
	}
	if relative := math.Sqrt(difference / size); relative > 0.01 || relative == 0 {
		t.Errorf("relative difference %v", relative)
	}
}

// TestNarrowingTrains takes a gradient through products in bfloat16; the weights that it updates stay in float32.
func TestNarrowingTrains(t *testing.T) {
	seed, store, x := uint64(1), NewStore(), random(5, 8, 16)
	p, err := Compile(narrowed(t), store, []shapes.Shape{x.Shape()}, func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		loss := graph.ReduceAllMean(graph.Square(graph.Sub(Linear(s, in[0], 16), in[0])))
		weight := s.Node("weight")
		step := graph.MulScalar(graph.Gradient(loss, weight)[0], 2)
		return []*graph.Node{loss}, map[string]*graph.Node{"weight": graph.Sub(weight, step)}
	}, Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var losses []float32
	for range 20 {
		losses = append(losses, tensors.MustCopyFlatData[float32](must(p.Run(x))[0])...)
	}
	if last := losses[len(losses)-1]; !(last < losses[0]/4) {
		t.Errorf("losses %v", losses)
	}
	if _, err := store.Values("weight"); err != nil {
		t.Error(err)
	}
}
