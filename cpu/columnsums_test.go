package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// passes counts how often the steps of a graph read or write a whole array of so many elements.
func passes(g *Graph, elements int) int {
	count := 0
	for _, s := range g.Executable().(*program).steps {
		for _, list := range [][]*storage{s.reads, s.writes} {
			for i, o := range list {
				if o.elems == elements && !slices.Contains(list[:i], o) {
					count++
				}
			}
		}
	}
	return count
}

// TestColumnSums compares sums over the pixels of what a tape computes with the Go backend: of one batch entry and of all, of
// values that others read as well, of pixels that are no whole vectors. Where blocks are whole pixels of one sum, nothing
// reads the array for it, and the bits are those of any number of threads.
func TestColumnSums(t *testing.T) {
	oracle := newOracle(t)
	r := rand.New(rand.NewPCG(25, 26))
	for _, c := range []struct {
		dims  []int
		whole bool // the pixels of an entry are whole blocks
	}{
		{[]int{2, 32, 32, 16}, true},
		{[]int{3, 16, 24, 24}, true},
		{[]int{1, 48, 48, 7}, true},
		{[]int{2, 12, 12, 96}, true},
		{[]int{5, 64, 2, 3}, true},
		{[]int{2, 31, 29, 24}, false},
		{[]int{2, 8, 8, 600}, false},
		{[]int{1, 3, 3, 4}, false},
		{[]int{2, 16, 16, 1}, false},
	} {
		for _, axes := range [][]int{{1, 2}, {0, 1, 2}, {1, 2, 3}} {
			build := func(stored bool) fusionCase {
				return fusionCase{name: fmt.Sprint(c.dims, axes, stored), dims: func(*rand.Rand) [][]int { return [][]int{c.dims} }, build: func(x []*Node) *Node {
					y := Mul(Tanh(x[0]), x[0])
					sum := ReduceSum(y, axes...)
					if stored {
						return Mul(Reverse(y, 1), Reshape(Slice(Reshape(sum, -1), AxisRange(0, 1))))
					}
					return sum
				}}
			}
			for _, stored := range []bool{false, true} {
				f := build(stored)
				dims, inputs := f.inputs(r)
				want := f.run(t, f.compile(t, oracle, dims, false), inputs)[0]
				for _, level := range levels() {
					g := f.compile(t, newLevel(t, level), dims, false)
					if got := passes(g, product(c.dims)); c.whole && !stored && len(axes) == 2 && got != 1 {
						t.Errorf("%s, %s: %d passes over the array, want one", level, f.name, got)
					}
					var first []float32
					for _, procs := range []int{1, 2, 16} {
						previous := runtime.GOMAXPROCS(procs)
						got := f.run(t, g, inputs)[0]
						runtime.GOMAXPROCS(previous)
						if d := distance(got, want); !(d < 1e-4) {
							t.Errorf("%s, %s: off by %g", level, f.name, d)
						}
						if first == nil {
							first = got
						}
						if !slices.Equal(got, first) {
							t.Errorf("%s, %s: other bits with %d threads", level, f.name, procs)
						}
					}
				}
			}
		}
	}
}

// TestColumnSumsTogether takes sums over other pixels, of a part of the array, and of the transposed array from one tape.
func TestColumnSumsTogether(t *testing.T) {
	f := fusionCase{
		dims: func(*rand.Rand) [][]int { return [][]int{{2, 32, 32, 16}} },
		build: func(x []*Node) *Node {
			y := Tanh(x[0])
			z := Mul(y, x[0])
			parts := []*Node{
				ReduceSum(y, 0, 1, 2), ReduceSum(Reshape(z, 2, 32*8, 4, 16), 0, 1), ReduceSum(Slice(z, AxisRange(), AxisRange(0, 16)), 1, 2),
				ReduceSum(Reverse(y, 3), 1, 2), ReduceMax(z, 1, 2),
			}
			for i, p := range parts {
				parts[i] = Reshape(p, -1)
			}
			return Concatenate(parts, 0)
		},
	}
	dims, inputs := f.inputs(rand.New(rand.NewPCG(29, 30)))
	want := f.run(t, f.compile(t, newOracle(t), dims, false), inputs)[0]
	for _, level := range levels() {
		if d := distance(f.run(t, f.compile(t, newLevel(t, level), dims, false), inputs)[0], want); !(d < 1e-5) {
			t.Errorf("%s: off by %g", level, d)
		}
	}
	g := fusionCase{dims: f.dims, build: func(x []*Node) *Node { return ReduceSum(Slice(Tanh(x[0]), AxisRange(), AxisRange(0, 16)), 1, 2) }}
	want = g.run(t, g.compile(t, newOracle(t), dims, false), inputs)[0]
	if d := distance(g.run(t, g.compile(t, newLevel(t, ""), dims, false), inputs)[0], want); !(d < 1e-5) {
		t.Errorf("a part: off by %g", d)
	}
}

// TestColumnSumOfAResult sums a value that is a result as well.
func TestColumnSumOfAResult(t *testing.T) {
	for _, level := range levels() {
		g := NewGraph(newLevel(t, level), "sum of a result")
		y := Tanh(Parameter(g, "x", shapes.Make(dtypes.Float32, 2, 32, 32, 16)))
		if err := g.Compile(y, ReduceSum(y, 0, 1, 2)); err != nil {
			t.Fatalf("%s: %v", level, err)
		}
		x := make([]float32, 2*32*32*16)
		for i := range x {
			x[i] = float32(i%64)/32 - 1
		}
		out := g.Run(tensors.FromFlatDataAndDimensions(x, 2, 32, 32, 16))
		tanh, sums := tensors.MustCopyFlatData[float32](out[0]), tensors.MustCopyFlatData[float32](out[1])
		want := make([]float64, 16)
		for i := range x {
			if v := math.Tanh(float64(x[i])); math.Abs(v-float64(tanh[i])) > 1e-6 {
				t.Fatalf("%s: element %d is %v, want %v", level, i, tanh[i], v)
			}
			want[i%16] += float64(tanh[i])
		}
		for i, v := range sums {
			if math.Abs(float64(v)-want[i]) > 1e-2 {
				t.Errorf("%s: sum %d is %v, want %v", level, i, v, want[i])
			}
		}
	}
}

// TestGroupNormGradientPasses counts the passes over arrays of the image's size that a group norm with activation and
// their gradient take: 16 where every sum reads an array of its own.
func TestGroupNormGradientPasses(t *testing.T) {
	c := fusionCase{
		dims: func(*rand.Rand) [][]int { return [][]int{{2, 32, 32, 48}, {48}, {48}} },
		build: func(x []*Node) *Node {
			y := groupNormOf(x[0], x[1], x[2], 8)
			return Mul(y, Logistic(y))
		},
	}
	dims, _ := c.inputs(rand.New(rand.NewPCG(27, 28)))
	if got := passes(c.compile(t, newLevel(t, ""), dims, true), product(dims[0])); got > 11 {
		t.Errorf("%d passes, want 11", got)
	}
}

// TestBitset keeps sets of more numbers than a word has bits.
func TestBitset(t *testing.T) {
	b := make(bitset, 3)
	for _, i := range []int{0, 63, 64, 127, 128, 191} {
		if b.has(i) {
			t.Errorf("%d is in an empty set", i)
		}
		b.set(i)
		for j := range 192 {
			if b.has(j) != (j == i) {
				t.Errorf("set %d: has(%d) is %v", i, j, b.has(j))
			}
		}
		b.unset(i)
	}
}
