package cpu

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// TestKeptOperands checks that products with lent weights keep their packed form, give the bytes of products with weights
// of their own, share it between programs that pack alike, and forget it with the buffer.
func TestKeptOperands(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	for _, options := range append(levels(), "precision=bf16") {
		b := newLevel(t, options)
		for _, use := range usesOfMatrix {
			for _, m := range []int{7, 40, 300} {
				const n, k = 70, 130
				dims := [][]int{use.x(n, k, m), {n, k}}
				w := gaussian(r, n*k)
				exe, in := compileGraph(t, b, [][]float32{gaussian(r, product(dims[0])), w}, dims, func(f compute.Function, in []compute.Value) []compute.Value {
					return []compute.Value{use.build(f, must(t), in, n, k)}
				})
				want := outputOf(t, exe, in)
				lent, err := b.BufferOverFlatData(w, shapes.Make(dtypes.Float32, n, k))
				if err != nil {
					t.Fatal(err)
				}
				in[1] = lent
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						out, err := exe.Execute(in, nil, 0)
						if err != nil || !slices.Equal(floatsOf(t, out)[0], want) {
							t.Errorf("%s, %s of %d rows: results differ with weights in place: %v", options, use.name, m, err)
						}
					})
				}
				all.Wait()
				if kept := len(lent.(*buffer).kept.list); kept > 1 {
					t.Errorf("%s, %s of %d rows: %d packed forms", options, use.name, m, kept)
				}
				if err := lent.Finalize(); err != nil || b.kept.Load() != 0 {
					t.Errorf("%s: %d bytes are kept after the buffer's end: %v", options, b.kept.Load(), err)
				}
			}
		}
	}
}

// TestKeptMemory checks that a backend keeps no more than its bound, and goes on without.
func TestKeptMemory(t *testing.T) {
	b := newLevel(t, "")
	b.kept.Store(mostKept)
	dims := [][]int{{40, 64}, {48, 64}}
	w := gaussian(rand.New(rand.NewPCG(53, 54)), product(dims[1]))
	exe, in := compileGraph(t, b, [][]float32{gaussian(rand.New(rand.NewPCG(55, 56)), product(dims[0])), w}, dims, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(t)(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil, config))}
	})
	want := outputOf(t, exe, in)
	lent, err := b.BufferOverFlatData(w, shapes.Make(dtypes.Float32, dims[1]...))
	if err != nil {
		t.Fatal(err)
	}
	in[1] = lent
	if got := outputOf(t, exe, in); !slices.Equal(got, want) || len(lent.(*buffer).kept.list) > 0 {
		t.Errorf("beyond the bound: %d packed forms, the same results: %t", len(lent.(*buffer).kept.list), slices.Equal(got, want))
	}
}
