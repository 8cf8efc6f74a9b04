package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// groupNormOf is a group norm as networks write it: x [B, H, W, C], with scale and shift [C].
func groupNormOf(x, scale, shift *Node, groups int) *Node {
	d := x.Shape().Dimensions
	y := Reshape(x, d[0], d[1]*d[2], groups, d[3]/groups)
	centred := Sub(y, ReduceAndKeep(y, ReduceMean, 1, 3))
	variance := ReduceAndKeep(Square(centred), ReduceMean, 1, 3)
	y = Reshape(Div(centred, Sqrt(AddScalar(variance, 1e-6))), d...)
	return Add(Mul(y, Reshape(scale, 1, 1, 1, -1)), Reshape(shift, 1, 1, 1, -1))
}

func groupNormCases() []fusionCase {
	var cases []fusionCase
	for _, s := range []struct{ batch, height, width, channels, groups int }{
		{1, 64, 48, 16, 1}, {2, 33, 17, 24, 3}, {1, 40, 40, 32, 32}, {3, 7, 5, 6, 2}, {1, 9, 130, 96, 8}, {2, 70, 11, 7, 1}, {1, 1, 1, 4, 2},
	} {
		cases = append(cases, fusionCase{
			fmt.Sprint(s), func(*rand.Rand) [][]int {
				return [][]int{{s.batch, s.height, s.width, s.channels}, {s.channels}, {s.channels}}
			},
			func(x []*Node) *Node {
				y := groupNormOf(x[0], x[1], x[2], s.groups)
				return Mul(y, Logistic(y))
			},
			nil, nil,
		})
	}
	return cases
}

// TestGroupNorm compares group norm and activation, and their gradients, with the Go backend. Whatever the shape, the
// statistics are one step, and the rest one tape.
func TestGroupNorm(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(15, 16))
	for _, c := range groupNormCases() {
		t.Run(c.name, func(t *testing.T) {
			dims, inputs := c.inputs(r)
			want := c.run(t, c.compile(t, oracle, dims, true), inputs)
			for _, level := range levels() {
				b := newLevel(t, level)
				if got := steps(c.compile(t, b, dims, false)); got["group norm"] != 1 || got["tape"] != 1 || got["ReduceSum"] != 0 {
					t.Errorf("%s: steps %v, want one group norm, one tape and no sums", level, got)
				}
				g := c.compile(t, b, dims, true)
				if got := steps(g); got["group norm"] != 1 {
					t.Errorf("%s: steps of the gradient %v, want one group norm", level, got)
				}
				got := c.run(t, g, inputs)
				for i := range want {
					if d := distance(got[i], want[i]); !(d < 2e-4) {
						t.Errorf("%s: result %d is off by %g", level, i, d)
					}
				}
			}
		})
	}
}

// inputs returns the dimensions of the inputs of a case, and random inputs.
func (c fusionCase) inputs(r *rand.Rand) ([][]int, []*tensors.Tensor) {
	dims := c.dims(r)
	inputs := make([]*tensors.Tensor, len(dims))
	for i, d := range dims {
		inputs[i] = tensors.FromFlatDataAndDimensions(gaussian(r, product(d)), d...)
	}
	return dims, inputs
}

// TestGroupNormThreads checks that neither statistics nor gradients depend on the number of threads.
func TestGroupNormThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for _, c := range groupNormCases() {
		dims, inputs := c.inputs(r)
		var first [][]float32
		for _, procs := range []int{1, 2, 5, 16} {
			previous := runtime.GOMAXPROCS(procs)
			got := c.run(t, c.compile(t, newLevel(t, ""), dims, true), inputs)
			runtime.GOMAXPROCS(previous)
			if first == nil {
				first = got
			}
			for i := range got {
				if !slices.Equal(got[i], first[i]) {
					t.Errorf("%s: result %d differs with %d threads", c.name, i, procs)
				}
			}
		}
	}
}

// TestGroupNormFarFromZero checks that digits are not lost where the mean is large, or where it changes across the
// image: the exact normalised values are within the rounding of the operands in f32.
func TestGroupNormFarFromZero(t *testing.T) {
	const height, width, channels, groups = 60, 50, 12, 3
	r := rand.New(rand.NewPCG(19, 20))
	x := gaussian(r, height*width*channels)
	for i := range x {
		x[i] += 1000
		if i < len(x)/4 {
			x[i] -= 30
		}
	}
	want := make([]float64, len(x))
	for g := range groups {
		var sum, squares, n float64
		each := func(f func(i int)) {
			for i := range x {
				if i%channels/(channels/groups) == g {
					f(i)
				}
			}
		}
		each(func(i int) { sum, n = sum+float64(x[i]), n+1 })
		each(func(i int) { squares += (float64(x[i]) - sum/n) * (float64(x[i]) - sum/n) })
		each(func(i int) { want[i] = (float64(x[i]) - sum/n) / math.Sqrt(squares/n+1e-6) })
	}
	c := fusionCase{name: "far from zero", build: func(x []*Node) *Node { return groupNormOf(x[0], x[1], x[2], groups) }}
	one := slices.Repeat([]float32{1}, channels)
	for _, level := range levels() {
		g := c.compile(t, newLevel(t, level), [][]int{{1, height, width, channels}, {channels}, {channels}}, false)
		got := c.run(t, g, []*tensors.Tensor{
			tensors.FromFlatDataAndDimensions(x, 1, height, width, channels),
			tensors.FromFlatDataAndDimensions(one, channels), tensors.FromFlatDataAndDimensions(make([]float32, channels), channels),
		})[0]
		for i, v := range got {
			if d := math.Abs(float64(v) - want[i]); !(d < 1e-5) {
				t.Fatalf("%s: element %d is %v, want %v", level, i, v, want[i])
			}
		}
	}
}

// TestNoGroupNorm checks that a graph that only resembles a group norm is computed as written.
func TestNoGroupNorm(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	norm := func(y, mean *Node, factor float64, axes ...int) *Node {
		centred := Sub(y, mean)
		return Div(centred, Sqrt(AddScalar(MulScalar(ReduceAndKeep(Mul(centred, centred), ReduceSum, axes...), factor), 1e-3)))
	}
	r := rand.New(rand.NewPCG(21, 22))
	for name, build := range map[string]func(y *Node) *Node{
		"another factor":        func(y *Node) *Node { return norm(y, ReduceAndKeep(y, ReduceMean, 1, 3), 1.0/100, 1, 3) },
		"the mean of a square":  func(y *Node) *Node { return norm(y, ReduceAndKeep(Square(y), ReduceMean, 1, 3), 1.0/120, 1, 3) },
		"other axes":            func(y *Node) *Node { return norm(y, ReduceAndKeep(y, ReduceMean, 2, 3), 1.0/24, 2, 3) },
		"the mean of more axes": func(y *Node) *Node { return norm(y, ReduceAndKeep(y, ReduceMean, 1, 2, 3), 1.0/120, 1, 3) },
		"the mean of another group": func(y *Node) *Node {
			return norm(y, Reverse(ReduceAndKeep(y, ReduceMean, 1, 3), 2), 1.0/120, 1, 3)
		},
	} {
		c := fusionCase{name: name, build: func(x []*Node) *Node { return build(x[0]) }, dims: func(*rand.Rand) [][]int { return [][]int{{2, 20, 4, 6}} }}
		dims, inputs := c.inputs(r)
		want := c.run(t, c.compile(t, oracle, dims, false), inputs)[0]
		g := c.compile(t, newLevel(t, ""), dims, false)
		if d := distance(c.run(t, g, inputs)[0], want); !(d < 1e-4) || steps(g)["group norm"] != 0 {
			t.Errorf("%s: off by %g, steps %v", name, d, steps(g))
		}
	}
}

// BenchmarkGroupNorm measures group norm with SiLU of an image [1, n, n, c].
func BenchmarkGroupNorm(b *testing.B) {
	r := rand.New(rand.NewPCG(23, 24))
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range []struct{ n, channels, groups int }{{128, 16, 1}, {128, 24, 8}, {32, 96, 8}} {
		for name, backend := range map[string]compute.Backend{"cpu": newLevel(b, ""), "go": oracle} {
			b.Run(fmt.Sprintf("%dx%d in %d/%s", s.n, s.channels, s.groups, name), func(b *testing.B) {
				c := fusionCase{
					dims: func(*rand.Rand) [][]int { return [][]int{{1, s.n, s.n, s.channels}, {s.channels}, {s.channels}} },
					build: func(x []*Node) *Node {
						y := groupNormOf(x[0], x[1], x[2], s.groups)
						return Mul(y, Logistic(y))
					},
				}
				dims, inputs := c.inputs(r)
				g := c.compile(b, backend, dims, false)
				args := []any{inputs[0], inputs[1], inputs[2]}
				for b.Loop() {
					g.Run(args...)
				}
				b.ReportMetric(float64(s.n*s.n*s.channels)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		}
	}
}
