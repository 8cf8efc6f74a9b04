package cpu

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// TestThreadsAndConcurrency executes one graph with the kernels of every kind on several numbers of processors and from
// several goroutines at once: all results have the same bits.
func TestThreadsAndConcurrency(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	x, w := gaussian(r, 96*64), gaussian(r, 64*80)
	build := func(f compute.Function, in []compute.Value) []compute.Value {
		m := must(t)
		y := m(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{0}, nil, compute.DotGeneralConfig{}))
		e := m(f.Exp(m(f.Tanh(y))))
		sum := m(f.Reshape(m(f.ReduceSum(e, 1)), 96, 1))
		soft := m(f.Div(e, sum))
		place := m(f.ArgMinMax(y, 1, dtypes.Int32, false))
		rows := m(f.Gather(in[1], m(f.Reshape(m(f.Rem(place, m(f.Constant([]int32{64})))), 96, 1)), 1, []int{1}, []int{0}, []int{0}, []int{1, 80}, false))
		back := m(f.ScatterSum(in[1], m(f.Reshape(m(f.Rem(place, m(f.Constant([]int32{7})))), 96, 1)), soft, 1, []int{1}, []int{0}, []int{0}, false, false))
		return []compute.Value{y, soft, rows, back, m(f.ReduceSum(back)), m(f.Transpose(soft, 1, 0)), m(f.ReduceMax(y, 0))}
	}
	exe, buffers := compileGraph(t, newLevel(t, ""), [][]float32{x, w}, [][]int{{96, 64}, {64, 80}}, build)
	execute := func() ([][]float32, error) {
		out, err := exe.Execute(buffers, nil, 0)
		if err != nil {
			return nil, err
		}
		return floatsOf(t, out), nil
	}
	first, err := execute()
	if err != nil {
		t.Fatal(err)
	}
	for _, procs := range []int{1, 2, 3, 8, 16} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					for range 5 {
						got, err := execute()
						if err != nil {
							t.Error(err)
							return
						}
						for i := range got {
							if !slices.Equal(got[i], first[i]) {
								t.Errorf("output %d differs", i)
							}
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestThreadsNested executes graphs from inside items of the pool that the graphs share, which hangs a pool whose waiting
// items hold workers.
func TestThreadsNested(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	b := newLevel(t, "")
	exe, in := compileGraph(t, b, [][]float32{gaussian(r, 256*256)}, [][]int{{256, 256}}, func(f compute.Function, x []compute.Value) []compute.Value {
		var out []compute.Value
		for i := range 8 {
			y := must(t)(f.Mul(x[0], must(t)(f.Constant([]float32{float32(i)}))))
			out = append(out, must(t)(f.DotGeneral(x[0], []int{1}, nil, y, []int{0}, nil, compute.DotGeneralConfig{})))
		}
		return out
	})
	for _, procs := range []int{2, 3, 16} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			b.pool.run(6, func(int) {
				b.pool.run(2, func(int) {
					if _, err := exe.Execute(in, nil, 0); err != nil {
						t.Error(err)
					}
				})
			})
		}()
	}
}
