package nn

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn/nntest"
)

func open(t testing.TB) compute.Backend { return nntest.Backend(t) }

func random(seed uint64, dims ...int) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(InitNormal(1)(rand.New(rand.NewPCG(seed, 1)), dims), dims...)
}

func TestIm2colEqualsConvolution(t *testing.T) {
	b, seed := open(t), uint64(1)
	for _, c := range []struct{ size, in, out, kernel, stride, before, after int }{
		{8, 3, 5, 3, 1, 1, 1}, {8, 4, 6, 3, 2, 0, 1}, {7, 2, 3, 1, 1, 0, 0}, {9, 3, 2, 1, 2, 0, 0},
	} {
		run := func(native bool) []float32 {
			store := NewStore()
			x := random(2, 2, c.size, c.size, c.in)
			p, err := Compile(b, store, []shapes.Shape{x.Shape()}, func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
				if !native {
					return []*graph.Node{Conv(s, in[0], c.out, Kernel{Size: c.kernel, Stride: c.stride, Pad: [2]int{c.before, c.after}})}, nil
				}
				w := graph.TransposeAllAxes(s.Weight("weight", InitIdentity, c.out, c.in, c.kernel, c.kernel), 2, 3, 1, 0)
				pad := [2]int{c.before, c.after}
				return []*graph.Node{graph.Convolve(in[0], w).Strides(c.stride).PaddingPerDim([][2]int{pad, pad}).Done()}, nil
			}, Options{Seed: &seed})
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Run(x)
			if err != nil {
				t.Fatal(err)
			}
			return tensors.MustCopyFlatData[float32](out[0])
		}
		got, want := run(false), run(true)
		if len(got) != len(want) {
			t.Fatalf("%+v: %d values, want %d", c, len(got), len(want))
		}
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Fatalf("%+v: value %d is %v, want %v", c, i, got[i], want[i])
			}
		}
	}
}

func TestUpdatesAreWrittenToTheStore(t *testing.T) {
	b, seed := open(t), uint64(3)
	store := NewStore()
	step := func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		y := Linear(s.In("layer"), in[0], 1)
		loss := graph.ReduceAllMean(graph.Square(graph.Sub(y, in[1])))
		w, bias := s.Weight("layer.weight", InitZeros, 1, 3), s.Weight("layer.bias", InitZeros, 1)
		grads := graph.Gradient(loss, w, bias)
		return []*graph.Node{loss}, map[string]*graph.Node{
			"layer.weight": graph.Sub(w, graph.MulScalar(grads[0], 0.1)),
			"layer.bias":   graph.Sub(bias, graph.MulScalar(grads[1], 0.1)),
		}
	}
	p, err := Compile(b, store, []shapes.Shape{shapes.Make(dtypes.Float32, 8, 3), shapes.Make(dtypes.Float32, 8, 1)}, step, Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	x, y := random(4, 8, 3), random(5, 8, 1)
	var first, last float32
	for i := range 50 {
		out, err := p.Run(x, y)
		if err != nil {
			t.Fatal(err)
		}
		last = tensors.ToScalar[float32](out[0])
		if i == 0 {
			first = last
		}
	}
	if !(last < first*0.8) {
		t.Errorf("loss went from %v to %v", first, last)
	}
}

func TestMissingAndMisshapenWeights(t *testing.T) {
	b := open(t)
	in := []shapes.Shape{shapes.Make(dtypes.Float32, 2, 3)}
	layer := func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{Linear(s.In("a"), in[0], 4)}, nil
	}
	if _, err := Compile(b, NewStore(), in, layer, Options{Name: "net"}); err == nil || err.Error() != `compile net: invalid input: weight "a.weight" is missing` {
		t.Errorf("missing weight: %v", err)
	}
	store := NewStore()
	store.Set("a.weight", make([]float32, 8), 4, 2)
	if _, err := Compile(b, store, in, layer, Options{Name: "net"}); err == nil || err.Error() != `compile net: invalid input: weight "a.weight" has shape [4 2], want [4 3]` {
		t.Errorf("misshapen weight: %v", err)
	}
}

// A backend name that no longer matches would make convolutions a hundred times slower.
func TestPureGoBackendConvolvesByMatrixProduct(t *testing.T) {
	b, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	if nativeConvolution(b) {
		t.Errorf("backend %q convolves by its own convolution", b)
	}
	if b := open(t); !nativeConvolution(b) {
		t.Errorf("backend %q does not convolve by its own convolution", b)
	}
}

// A renamed program computes with other weights of the same shapes, and refuses those of others.
func TestRenamed(t *testing.T) {
	store := NewStore()
	store.Set("a.weight", []float32{1, 2}, 1, 2)
	store.Set("b.weight", []float32{3, 4}, 1, 2)
	store.Set("c.weight", []float32{3, 4}, 2, 1)
	x := tensors.FromFlatDataAndDimensions([]float32{1, 10}, 1, 2)
	p, err := Compile(open(t), store, []shapes.Shape{x.Shape()}, func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{LinearNoBias(s.In("a"), in[0], 1)}, nil
	}, Options{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	to := func(name string) func(string) string { return func(string) string { return name + ".weight" } }
	other, err := p.Renamed(to("b"))
	if err != nil {
		t.Fatal(err)
	}
	y, err := other.Run(x)
	if err != nil || tensors.MustCopyFlatData[float32](y[0])[0] != 43 {
		t.Errorf("%v, %v, want 43", y, err)
	}
	for _, name := range []string{"c", "missing"} {
		if _, err := p.Renamed(to(name)); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
