package cpu

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// TestEpilogue computes layers with an activation in one step and, with the sum of the product as a second result, in
// several: the results are byte-identical, for any number of threads.
func TestEpilogue(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	for _, c := range []struct {
		name       string
		activation func(x *Node) *Node
	}{
		{"none", func(x *Node) *Node { return x }},
		{"gelu", geluTanh},
		{"silu", func(x *Node) *Node { return Mul(x, Logistic(x)) }},
	} {
		for _, dims := range [][][]int{
			{{192, 192}, {768, 192}, {768}}, // rows, terms; columns, terms; columns
			{{61, 500}, {333, 500}, {333}},
			{{1030, 40}, {17, 40}, {17}},
			{{9, 1}, {3, 1}, {3}},
		} {
			layer := func(apart bool) fusionCase {
				return fusionCase{name: c.name, build: func(x []*Node) *Node {
					product := DotGeneral(x[0], []int{1}, nil, x[1], []int{1}, nil)
					y := c.activation(Add(product, InsertAxes(x[2], 0)))
					if apart {
						y = Add(y, MulScalar(ReduceAllMax(product), 0))
					}
					return y
				}}
			}
			inputs := randomInputs(r, dims)
			var first []float32
			for _, level := range levels() {
				for _, procs := range []int{1, 2, 5, 16} {
					previous := runtime.GOMAXPROCS(procs)
					b := newLevel(t, level)
					g := layer(false).compile(t, b, dims, false)
					if got := steps(g); got["DotGeneral+tape"] != 1 || len(got) != 1+got["repeat"] {
						t.Errorf("%s %v: steps %v, want one", c.name, dims, got)
					}
					got := layer(false).run(t, g, inputs)[0]
					want := layer(true).run(t, layer(true).compile(t, b, dims, false), inputs)[0]
					runtime.GOMAXPROCS(previous)
					if !slices.Equal(got, want) {
						t.Errorf("%s %v, %s, %d threads: the bits are not those of separate steps", c.name, dims, level, procs)
					}
					if procs == 1 {
						first = got
					}
					if !slices.Equal(got, first) {
						t.Errorf("%s %v, %s: the bits differ with %d threads", c.name, dims, level, procs)
					}
				}
			}
		}
	}
}

// TestEpilogueExclusions checks that readers that do not read a product element by element, or read more, stay separate steps.
func TestEpilogueExclusions(t *testing.T) {
	for _, c := range []struct {
		name  string
		dims  [][]int
		build func(x []*Node) *Node
	}{
		{"transposed", [][]int{{40, 30}, {30, 40}}, func(x []*Node) *Node {
			return Exp(Transpose(Dot(x[0], x[1]).Product(), 0, 1))
		}},
		{"a residual", [][]int{{40, 30}, {30, 50}, {40, 50}}, func(x []*Node) *Node { return Add(Dot(x[0], x[1]).Product(), x[2]) }},
		{"a norm", [][]int{{40, 30}, {30, 50}}, func(x []*Node) *Node { return softmaxLast(Dot(x[0], x[1]).Product()) }},
		{"in parts", [][]int{{8, 9000}, {9000, 10}}, func(x []*Node) *Node { return Exp(Dot(x[0], x[1]).Product()) }},
	} {
		g := fusionCase{name: c.name, build: c.build}.compile(t, newLevel(t, ""), c.dims, false)
		if got := steps(g); got["DotGeneral"] != 1 || got["DotGeneral+tape"] != 0 {
			t.Errorf("%s: steps %v, want a product apart", c.name, got)
		}
	}
}
