//go:build slow && unix

package cpu

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

var stress = flag.Duration("stress", 20*time.Second, "how long TestStress runs")

// stressGraph is a block of a network: a product with bias and GELU, a norm with scale and shift, attention and a residual.
func stressGraph(x, w, bias *Node) *Node {
	y := geluTanh(Add(DotGeneral(x, []int{1}, nil, w, []int{1}, nil), InsertAxes(bias, 0)))
	rows, cols := y.Shape().Dimensions[0], y.Shape().Dimensions[1]
	y = Add(Mul(layerNorm(y), InsertAxes(bias, 0)), y)
	heads := Reshape(y, 1, rows, 3, cols/3)
	scores := DotGeneral(heads, []int{3}, []int{0, 2}, heads, []int{3}, []int{0, 2})
	return Add(DotGeneral(softmaxLast(scores), []int{3}, []int{0, 1}, heads, []int{1}, []int{0, 2}), Exp(MulScalar(ReduceAllMax(y), -0.1)))
}

// TestStress executes programs of every precision and instruction set at once, while signals arrive, the garbage collector
// runs, thousands of goroutines ask for the processors and their number changes, and compares every bit with an execution
// before that.
func TestStress(t *testing.T) {
	end := time.Now().Add(*stress)
	configs := levels()
	if bf16, ints := Precisions(); bf16 {
		configs = append(configs, "precision=bf16")
		if ints {
			configs = append(configs, "precision=int8")
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var runs []func() []float32
	for i, config := range configs {
		runs = append(runs, stressRun(t, config, uint64(i)))
	}
	for l, isa := range map[level]string{avx512: "avx512", avx2: "avx2"} {
		if l > machine || intsFor(l) == nil {
			continue
		}
		r := rand.New(rand.NewPCG(3, 4))
		for _, form := range intsForms {
			b := newLevel(t, "precision=int8,isa="+isa)
			runs = append(runs, intsProduct(t, b, gaussian(r, 70*512), newIntegerMatrix(r, form, 200, 512), 70))
		}
	}
	var want [][]float32
	for _, run := range runs {
		want = append(want, run())
	}
	over := func() bool { return time.Now().After(end) || t.Failed() }
	stop := disturb(over)
	var all sync.WaitGroup
	var executions atomic.Int64
	for i, run := range runs {
		for range 2 {
			all.Go(func() {
				for !over() {
					for j, v := range run() {
						if math.Float32bits(v) != math.Float32bits(want[i][j]) {
							t.Errorf("program %d: element %d is %v, want %v", i, j, v, want[i][j])
							return
						}
					}
					executions.Add(1)
				}
			})
		}
	}
	all.Wait()
	t.Logf("%d executions, %d signals in %v", executions.Load(), stop(), *stress)
}

// stressRun compiles a stressGraph and returns a function that executes it.
func stressRun(t *testing.T, config string, seed uint64) func() []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	const m, n, k = 77, 105, 197
	b := newLevel(t, config)
	dims := [][]int{{m, k}, {n, k}, {n}}
	values := [][]float32{gaussian(r, m*k), gaussian(r, n*k), gaussian(r, n)}
	var in []compute.Buffer
	g := NewGraph(b, "stress "+config)
	var x []*Node
	for i, v := range values {
		shape := shapes.Make(dtypes.Float32, dims[i]...)
		buffer, err := b.BufferFromFlatData(0, v, shape)
		if err != nil {
			t.Fatal(err)
		}
		in, x = append(in, buffer), append(x, Parameter(g, fmt.Sprint("x", i), shape))
	}
	if err := g.Compile(stressGraph(x[0], x[1], x[2])); err != nil {
		t.Fatal(err)
	}
	exe := g.Executable()
	return func() []float32 {
		out, err := exe.Execute(in, nil, 0)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer out[0].Finalize()
		return append([]float32(nil), floatsOf(t, out)[0]...)
	}
}

// disturb sends signals, collects garbage, starts goroutines and changes their number of processors until it is over. stop
// waits for that and returns the number of signals.
func disturb(over func() bool) (stop func() int64) {
	var all sync.WaitGroup
	var signals atomic.Int64
	caught := make(chan os.Signal, 64)
	signal.Notify(caught, syscall.SIGUSR1)
	percent := debug.SetGCPercent(5)
	all.Go(func() {
		for !over() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			signals.Add(1)
			time.Sleep(50 * time.Microsecond)
		}
	})
	all.Go(func() {
		for n := 1; !over(); n = n%4 + 1 {
			runtime.GOMAXPROCS(n)
			runtime.GC()
			time.Sleep(20 * time.Millisecond)
		}
	})
	all.Go(func() {
		for !over() {
			var crowd sync.WaitGroup
			for range 2000 {
				crowd.Go(func() {
					_ = make([]byte, 4096)
					runtime.Gosched()
				})
			}
			crowd.Wait()
			time.Sleep(5 * time.Millisecond)
		}
	})
	return func() int64 {
		all.Wait()
		signal.Stop(caught)
		debug.SetGCPercent(percent)
		return signals.Load()
	}
}
