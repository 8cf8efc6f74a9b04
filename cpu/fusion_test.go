package cpu

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// fusionCase is a block of a network whose steps are known once it is fused.
type fusionCase struct {
	name  string
	dims  func(r *rand.Rand) [][]int // of the inputs
	build func(x []*Node) *Node
	// forward and gradient are the steps of the block alone and of the gradient of all its inputs; nil for any.
	forward, gradient map[string]int
}

func between(r *rand.Rand, from, to int) int { return from + r.IntN(to-from+1) }

func layerNorm(x *Node) *Node {
	centred := Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	return Div(centred, Sqrt(AddScalar(ReduceAndKeep(Square(centred), ReduceMean, -1), 1e-6)))
}

func geluTanh(x *Node) *Node {
	inner := MulScalar(Add(x, MulScalar(Mul(Square(x), x), 0.044715)), 0.7978845608)
	return Mul(MulScalar(x, 0.5), OnePlus(Tanh(inner)))
}

func softmaxLast(x *Node) *Node {
	e := Exp(Sub(x, StopGradient(ReduceAndKeep(x, ReduceMax, -1))))
	return Div(e, ReduceAndKeep(e, ReduceSum, -1))
}

func rope(x, cos, sin *Node) *Node {
	d := x.Shape().Dimensions
	swapped := Reshape(Reverse(Reshape(x, d[0], d[1], d[2], d[3]/2, 2), -1), d...)
	return Add(Mul(x, cos), Mul(swapped, sin))
}

func fusionCases() []fusionCase {
	return []fusionCase{
		{
			"gelu", func(r *rand.Rand) [][]int { return [][]int{{between(r, 1, 9), between(r, 1, 700)}} },
			func(x []*Node) *Node { return geluTanh(x[0]) },
			map[string]int{"tape": 1},
			map[string]int{"tape": 1},
		},
		{"modulate", func(r *rand.Rand) [][]int {
			b, l, c := between(r, 1, 3), between(r, 1, 40), between(r, 1, 150)
			return [][]int{{b, l, c}, {b, 1, c}, {b, 1, c}}
		}, func(x []*Node) *Node { return Add(Mul(layerNorm(x[0]), OnePlus(x[1])), x[2]) }, map[string]int{"tape": 2}, nil},
		{
			"softmax", func(r *rand.Rand) [][]int { return [][]int{{between(r, 1, 50), between(r, 1, 150)}} },
			func(x []*Node) *Node { return softmaxLast(x[0]) },
			map[string]int{"tape": 1},
			nil,
		},
		{"rope", func(r *rand.Rand) [][]int {
			b, l, h, d := between(r, 1, 3), between(r, 1, 30), between(r, 1, 3), 2*between(r, 1, 40)
			return [][]int{{b, l, h, d}, {1, l, 1, d}, {1, l, 1, d}}
		}, func(x []*Node) *Node {
			rms := Sqrt(AddScalar(ReduceAndKeep(Square(x[0]), ReduceMean, -1), 1e-6))
			return rope(Div(x[0], rms), x[1], x[2])
		}, map[string]int{"tape": 1}, nil},
		{"residual", func(r *rand.Rand) [][]int {
			b, l, c := between(r, 1, 3), between(r, 1, 40), between(r, 1, 300)
			return [][]int{{b, l, c}, {b, l, c}, {b, 1, c}}
		}, func(x []*Node) *Node {
			y := Add(x[0], Mul(x[2], x[1]))
			return Add(y, Mul(layerNorm(y), Logistic(x[1])))
		}, map[string]int{"tape": 1}, nil},
	}
}

// compileCase compiles the block, or its value and gradients for a weighted sum of its elements.
func (c fusionCase) compile(t testing.TB, b compute.Backend, dims [][]int, gradient bool) *Graph {
	g := NewGraph(b, c.name)
	x := make([]*Node, len(dims))
	for i, d := range dims {
		x[i] = Parameter(g, fmt.Sprint("x", i), shapes.Make(dtypes.Float32, d...))
	}
	y := c.build(x)
	outputs := []*Node{y}
	if gradient {
		weights := Iota(g, shapes.Make(dtypes.Float32, y.Shape().Size()), 0)
		weights = Sin(Reshape(weights, y.Shape().Dimensions...))
		outputs = append(outputs, Gradient(ReduceAllSum(Mul(y, weights)), x...)...)
	}
	if err := g.Compile(outputs...); err != nil {
		t.Fatal(err)
	}
	return g
}

func (c fusionCase) run(t testing.TB, g *Graph, inputs []*tensors.Tensor) [][]float32 {
	var all [][]float32
	args := make([]any, len(inputs))
	for i, in := range inputs {
		args[i] = must32(t, in)
	}
	for _, o := range g.Run(args...) {
		v, err := tensors.CopyFlatData[float32](o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// must32 returns a copy, because a tensor belongs to one backend.
func must32(t testing.TB, in *tensors.Tensor) *tensors.Tensor {
	v, err := tensors.CopyFlatData[float32](in)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.FromFlatDataAndDimensions(v, in.Shape().Dimensions...)
}

func steps(g *Graph) map[string]int {
	count := map[string]int{}
	for _, s := range stepsOf(g.Executable()) {
		count[s.name]++
	}
	return count
}

// TestFusion compares fused blocks and their gradients with the Go backend, which fuses nothing, and checks the steps.
func TestFusion(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range fusionCases() {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(11, 12))
			for trial := range 12 {
				dims := c.dims(r)
				inputs := make([]*tensors.Tensor, len(dims))
				for i, d := range dims {
					inputs[i] = tensors.FromFlatDataAndDimensions(gaussian(r, product(d)), d...)
				}
				want := c.run(t, c.compile(t, oracle, dims, true), inputs)
				for _, level := range levels() {
					b := newLevel(t, level)
					if trial == 0 && c.forward != nil {
						if got := steps(c.compile(t, b, dims, false)); fmt.Sprint(got) != fmt.Sprint(c.forward) {
							t.Errorf("%v: steps %v, want %v", dims, got, c.forward)
						}
					}
					g := c.compile(t, b, dims, true)
					got := c.run(t, g, inputs)
					for i := range want {
						if d := distance(got[i], want[i]); !(d < 2e-4) {
							t.Fatalf("%s, %v: result %d is off by %g", level, dims, i, d)
						}
					}
				}
			}
		})
	}
}

// TestFusionThreads checks that gradients are byte-identical for any number of threads.
func TestFusionThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, c := range fusionCases() {
		dims := c.dims(r)
		inputs := make([]*tensors.Tensor, len(dims))
		for i, d := range dims {
			inputs[i] = tensors.FromFlatDataAndDimensions(gaussian(r, product(d)), d...)
		}
		var first [][]float32
		for _, procs := range []int{1, 2, 5, 16} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			got := c.run(t, c.compile(t, newLevel(t, ""), dims, true), inputs)
			if first == nil {
				first = got
			}
			for i := range got {
				if !slices.Equal(got[i], first[i]) {
					t.Errorf("%s %v: result %d differs with %d threads", c.name, dims, i, procs)
				}
			}
		}
	}
}

// TestRematerializeNotWhatIsReadElsewhere checks that a unit does not recompute a value that it then reads at other
// positions: where it recomputes y = a + reverse(a), a must be in memory.
func TestRematerializeNotWhatIsReadElsewhere(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(17, 18)), 60*50)
	run := func(b compute.Backend) []float32 {
		g := NewGraph(b, "moved")
		p := Parameter(g, "x", shapes.Make(dtypes.Float32, 60, 50))
		a := AddScalar(p, 0.5)
		y := Add(a, Reverse(a, 0))
		if err := g.Compile(Sub(Add(y, ReduceAndKeep(Reverse(y, 0), ReduceSum, 0)), Mul(a, p)), Reverse(y, 1)); err != nil {
			t.Fatal(err)
		}
		return tensors.MustCopyFlatData[float32](g.Run(tensors.FromFlatDataAndDimensions(x, 60, 50))[0])
	}
	want := run(newOracle(t))
	for _, level := range levels() {
		if d := distance(run(newLevel(t, level)), want); !(d < 1e-4) {
			t.Errorf("%s: off by %g", level, d)
		}
	}
}

// TestRematerialize checks that the gradient of an activation recomputes what it would otherwise read: of the forward
// pass only the hyperbolic tangent is stored.
func TestRematerialize(t *testing.T) {
	b := newLevel(t, "")
	g := NewGraph(b, "mlp")
	x := Parameter(g, "x", shapes.Make(dtypes.Float32, 40, 30))
	w := Parameter(g, "w", shapes.Make(dtypes.Float32, 30, 50))
	v := Parameter(g, "v", shapes.Make(dtypes.Float32, 50, 30))
	y := Dot(geluTanh(Dot(x, w).Product()), v).Product()
	if err := g.Compile(append([]*Node{y}, Gradient(ReduceAllSum(Square(y)), x, w, v)...)...); err != nil {
		t.Fatal(err)
	}
	forward := 0
	for _, s := range g.Executable().(*program).steps {
		if s.name == "tape" {
			forward = len(s.writes)
			break
		}
	}
	if forward != 2 {
		t.Errorf("the activation stores %d values, want its result and the tangent", forward)
	}
}

// stepsOf returns the steps of a program, or of both programs of one that is divided by entries.
func stepsOf(exe compute.Executable) []*step {
	p, ok := exe.(*batchProgram)
	switch {
	case !ok:
		return exe.(*program).steps
	case p.before == nil:
		return p.entry.steps
	}
	return slices.Concat(p.before.steps, p.entry.steps)
}
