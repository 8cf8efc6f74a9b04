package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// scoresOf is the scaled and biased q·kᵀ for q [B, L, H, D] and k [B, S, H, D]: [B, H, L, S].
func scoresOf(q, k, bias *Node) *Node {
	scores := DotGeneral(MulScalar(q, 1/math.Sqrt(float64(q.Shape().Dim(-1)))), []int{3}, []int{0, 2}, k, []int{3}, []int{0, 2})
	if bias != nil {
		scores = Add(scores, bias)
	}
	return scores
}

func attentionOf(q, k, v, bias *Node) *Node {
	d := q.Shape().Dimensions
	out := DotGeneral(softmaxLast(scoresOf(q, k, bias)), []int{3}, []int{0, 1}, v, []int{1}, []int{0, 2})
	return Reshape(TransposeAllAxes(out, 0, 2, 1, 3), d[0], d[1], d[2]*d[3])
}

// attentionDims are queries, keys and values, then a bias of some dimensions.
func attentionDims(r *rand.Rand) [][]int {
	b, l, s, h, d := between(r, 1, 3), between(r, 5, 130), between(r, 2, 150), between(r, 1, 4), between(r, 1, 70)
	bias := []int{b, h, l, s}
	for i := range 3 {
		if r.IntN(2) == 0 {
			bias[i] = 1
		}
	}
	return [][]int{{b, l, h, d}, {b, s, h, d}, {b, s, h, d}, bias}
}

// largeAttention has enough queries and keys that the gradient recomputes the scores.
func largeAttention(r *rand.Rand) [][]int {
	l, s, h, d := between(r, 256, 280), between(r, 256, 290), between(r, 1, 2), between(r, 1, 20)
	return [][]int{{1, l, h, d}, {1, s, h, d}, {1, s, h, d}, {1, 1, l, s}}
}

// attentionCases are attentions. The gradient takes one step for the forward pass and one for itself; where the softmax
// is stored, the gradient of the values is a separate product.
func attentionCases() []fusionCase {
	return []fusionCase{
		{
			"plain", func(r *rand.Rand) [][]int { return attentionDims(r)[:3] },
			func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], nil) },
			map[string]int{"attention": 1},
			map[string]int{"attention": 2, "DotGeneral": 1},
		},
		{
			"biased", attentionDims,
			func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], StopGradient(x[3])) },
			map[string]int{"attention": 1},
			map[string]int{"attention": 2, "DotGeneral": 1},
		},
		{
			"itself", func(r *rand.Rand) [][]int { return attentionDims(r)[:1] },
			func(x []*Node) *Node { return attentionOf(x[0], x[0], x[0], nil) },
			map[string]int{"attention": 1},
			map[string]int{"attention": 2, "DotGeneral": 1},
		},
		{
			"large", largeAttention,
			func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], StopGradient(x[3])) },
			map[string]int{"attention": 1},
			map[string]int{"attention": 2},
		},
		{"bias with a gradient", attentionDims, func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], x[3]) }, nil, nil},
		{
			"linear", func(r *rand.Rand) [][]int { return attentionDims(r)[:3] },
			func(x []*Node) *Node {
				return DotGeneral(softmaxLast(scoresOf(x[0], x[1], nil)), []int{3}, []int{0, 1}, x[2], []int{1}, []int{0, 2})
			},
			nil, nil,
		},
		{"two layers", func(r *rand.Rand) [][]int { return attentionDims(r)[:1] }, func(x []*Node) *Node {
			d := x[0].Shape().Dimensions
			y := Reshape(attentionOf(x[0], x[0], x[0], nil), d...)
			return attentionOf(x[0], y, Tanh(y), nil)
		}, nil, map[string]int{"attention": 4, "DotGeneral": 2}},
	}
}

func randomInputs(r *rand.Rand, dims [][]int) []*tensors.Tensor {
	inputs := make([]*tensors.Tensor, len(dims))
	for i, d := range dims {
		inputs[i] = tensors.FromFlatDataAndDimensions(gaussian(r, product(d)), d...)
	}
	return inputs
}

// squared makes the gradient depend on the value.
func (c fusionCase) squared() fusionCase {
	build := c.build
	c.build = func(x []*Node) *Node { return Square(build(x)) }
	return c
}

// TestAttention compares attention and its gradients with the Go backend, and checks the steps.
func TestAttention(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range attentionCases() {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(31, 32))
			for range 3 {
				dims := c.dims(r)
				inputs := randomInputs(r, dims)
				for _, d := range []fusionCase{c, c.squared()} {
					want := d.run(t, d.compile(t, oracle, dims, true), inputs)
					for _, level := range levels() {
						b := newLevel(t, level)
						g := d.compile(t, b, dims, true)
						got := d.run(t, g, inputs)
						for i := range want {
							if e := distance(got[i], want[i]); !(e < 2e-4) {
								t.Fatalf("%s, %v: result %d is off by %g", level, dims, i, e)
							}
						}
					}
				}
				checkAttention(t, c.compile(t, newLevel(t, ""), dims, false), c.forward)
				checkAttention(t, c.squared().compile(t, newLevel(t, ""), dims, true), c.gradient)
			}
		})
	}
}

// checkAttention counts the steps of attention and the other matrix products.
func checkAttention(t *testing.T, g *Graph, want map[string]int) {
	t.Helper()
	got := steps(g)
	if want != nil && (got["attention"] != want["attention"] || got["DotGeneral"] != want["DotGeneral"]) {
		t.Errorf("steps %v, want %v", got, want)
	}
}

// TestAttentionBits checks that the results are byte-identical to those without the fusion, which an output in between
// prevents, for any number of threads.
func TestAttentionBits(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	for _, dims := range [][][]int{
		{{2, 96, 3, 64}, {2, 96, 3, 64}, {2, 96, 3, 64}},
		{{1, 500, 1, 40}, {1, 1700, 1, 40}, {1, 1700, 1, 40}},
	} {
		inputs := randomInputs(r, dims)
		var first [][]float32
		for _, procs := range []int{1, 2, 5, 16} {
			previous := runtime.GOMAXPROCS(procs)
			b := newLevel(t, "")
			fused := fusionCase{build: func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], nil) }}
			apart := fusionCase{build: func(x []*Node) *Node {
				scores := scoresOf(x[0], x[1], nil)
				y := DotGeneral(softmaxLast(scores), []int{3}, []int{0, 1}, x[2], []int{1}, []int{0, 2})
				return Add(Reshape(TransposeAllAxes(y, 0, 2, 1, 3), dims[0][0], dims[0][1], -1), MulScalar(ReduceAllSum(scores), 0))
			}}
			got, want := fused.run(t, fused.compile(t, b, dims, false), inputs), apart.run(t, apart.compile(t, b, dims, false), inputs)
			if !slices.Equal(got[0], want[0]) {
				t.Errorf("%v: fused results differ with %d threads", dims, procs)
			}
			squared := fused.squared()
			got = squared.run(t, squared.compile(t, b, dims, true), inputs)
			if first == nil {
				first = got
			}
			for i := range got {
				if !slices.Equal(got[i], first[i]) {
					t.Errorf("%v: result %d differs with %d threads", dims, i, procs)
				}
			}
			runtime.GOMAXPROCS(previous)
		}
	}
}

// TestAttentionNotFinite compares where NaN and infinities end up with the Go backend.
func TestAttentionNotFinite(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	c := fusionCase{build: func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], StopGradient(x[3])) }}
	dims := [][]int{{1, 30, 2, 16}, {1, 40, 2, 16}, {1, 40, 2, 16}, {1, 1, 30, 40}}
	inputs := randomInputs(rand.New(rand.NewPCG(35, 36)), dims)
	set := func(input int, value float64, places ...int) {
		flat := tensors.MustCopyFlatData[float32](inputs[input])
		for _, p := range places {
			flat[p] = float32(value)
		}
		inputs[input] = tensors.FromFlatDataAndDimensions(flat, dims[input]...)
	}
	inf := math.Inf(1)
	set(0, math.NaN(), 5*32+3)
	set(2, inf, 7)
	set(3, -inf, 3*40+1, 3*40+2, 9*40+39)
	set(3, inf, 12*40)
	var whole []int
	for i := range 40 {
		whole = append(whole, 20*40+i)
	}
	set(3, -inf, whole...)
	want := c.run(t, c.compile(t, oracle, dims, true), inputs)
	got := c.run(t, c.compile(t, newLevel(t, ""), dims, true), inputs)
	for i := range want {
		for j, w := range want[i] {
			g := got[i][j]
			if math.IsNaN(float64(w)) != math.IsNaN(float64(g)) || math.IsInf(float64(w), 0) && g != w {
				t.Fatalf("result %d: element %d is %v, want %v", i, j, g, w)
			}
		}
	}
}

// BenchmarkAttention measures attention and its gradient, as one step each and as separate steps; the metric is GFLOP/s of
// the products that the graph asks for.
func BenchmarkAttention(b *testing.B) {
	fused := fusionCase{build: func(x []*Node) *Node { return attentionOf(x[0], x[1], x[2], nil) }}
	apart := fusionCase{build: func(x []*Node) *Node {
		d := x[0].Shape().Dimensions
		scores := scoresOf(x[0], x[1], nil)
		y := DotGeneral(softmaxLast(scores), []int{3}, []int{0, 1}, x[2], []int{1}, []int{0, 2})
		return Add(Reshape(TransposeAllAxes(y, 0, 2, 1, 3), d[0], d[1], -1), MulScalar(ReduceAllSum(StopGradient(scores)), 0))
	}}
	for _, d := range [][]int{{2, 96, 3, 64}, {16, 96, 3, 64}, {4, 256, 4, 64}, {2, 1024, 4, 64}, {1, 2048, 4, 128}, {1, 4608, 24, 128}} {
		for _, gradient := range []bool{false, true} {
			for _, v := range []struct {
				name string
				c    fusionCase
			}{{"fused", fused}, {"apart", apart}} {
				b.Run(fmt.Sprintf("%v/gradient=%v/%s", d, gradient, v.name), func(b *testing.B) {
					if testing.Short() && d[1] > 2048 {
						b.Skip("gigabytes")
					}
					dims := [][]int{d, d, d}
					backend := newLevel(b, "")
					inputs := randomInputs(rand.New(rand.NewPCG(37, 38)), dims)
					c, products := v.c, 4
					if gradient {
						c, products = c.squared(), 12
					}
					g := c.compile(b, backend, dims, gradient)
					args := []any{inputs[0], inputs[1], inputs[2]}
					g.Run(args...)
					for b.Loop() {
						for _, o := range g.Run(args...) {
							o.MustFinalizeAll()
						}
					}
					flop := float64(products * d[0] * d[1] * d[1] * d[2] * d[3])
					b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
