package cpu

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// trainingStep is a stack of transformer blocks, its loss and the weights after a step down the gradient.
func trainingStep(t testing.TB, b compute.Backend, layers, batch int) (compute.Executable, []compute.Buffer) {
	t.Helper()
	const length, heads, width = 24, 2, 16
	const hidden = heads * width
	g := NewGraph(b, fmt.Sprint(layers, " blocks"))
	var params []*Node
	weight := func(dims ...int) *Node {
		p := Parameter(g, fmt.Sprint("w", len(params)), shapes.Make(dtypes.Float32, dims...))
		params = append(params, p)
		return p
	}
	y := weight(batch, length, hidden)
	for range layers {
		split := func(x *Node) *Node {
			p := DotGeneral(x, []int{2}, nil, weight(hidden, hidden), []int{1}, nil)
			return TransposeAllAxes(Reshape(p, batch, length, heads, width), 0, 2, 1, 3)
		}
		x := layerNorm(y)
		q, k, v := split(x), split(x), split(x)
		scores := softmaxLast(DotGeneral(q, []int{3}, []int{0, 1}, k, []int{3}, []int{0, 1}))
		a := DotGeneral(scores, []int{3}, []int{0, 1}, v, []int{2}, []int{0, 1})
		y = Add(y, Reshape(TransposeAllAxes(a, 0, 2, 1, 3), batch, length, hidden))
		up := DotGeneral(layerNorm(y), []int{2}, nil, weight(4*hidden, hidden), []int{1}, nil)
		y = Add(y, DotGeneral(geluTanh(up), []int{2}, nil, weight(hidden, 4*hidden), []int{1}, nil))
	}
	loss := ReduceAllMean(Square(y))
	outputs := []*Node{loss}
	for i, gradient := range Gradient(loss, params...) {
		outputs = append(outputs, Sub(params[i], MulScalar(gradient, 0.01)))
	}
	if err := g.Compile(outputs...); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(41, 42))
	var in []compute.Buffer
	for _, p := range params {
		u, err := b.BufferFromFlatData(0, gaussian(r, p.Shape().Size()), p.Shape())
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, u)
	}
	return g.Executable(), in
}

func executeOnce(t testing.TB, exe compute.Executable, in []compute.Buffer) {
	t.Helper()
	out, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out {
		if err := u.Finalize(); err != nil {
			t.Fatal(err)
		}
	}
}

// allocated returns the bytes and the number of allocations of body. Nothing else may run, and nothing is collected.
func allocated(body func()) (bytes, count uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

// TestSecondExecutionAllocates bounds the allocations of an execution after the first: some hundred bytes for a step and
// for a result, for any batch. The first one takes the memory of the values.
func TestSecondExecutionAllocates(t *testing.T) {
	for _, procs := range []int{1, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for _, batch := range []int{1, 8} {
			exe, in := trainingStep(t, newLevel(t, ""), 3, batch)
			executeOnce(t, exe, in)
			p := exe.(*program)
			bytes, count := ^uint64(0), ^uint64(0)
			for range 5 { // the runtime may allocate for itself
				b, c := allocated(func() { executeOnce(t, exe, in) })
				bytes, count = min(bytes, b), min(count, c)
			}
			parts := uint64(len(p.steps) + len(p.outputs))
			t.Logf("GOMAXPROCS %d, batch %d: %d bytes in %d allocations for %d steps and %d results", procs, batch, bytes, count, len(p.steps), len(p.outputs))
			if bytes > 250*parts || count > 3*parts {
				t.Errorf("%d threads, batch %d: %d bytes in %d allocations, want at most %d in %d", procs, batch, bytes, count, 250*parts, 3*parts)
			}
		}
	}
}

// TestIdleMemory checks that idle memory is reused on any thread, and freed by the second garbage collection.
func TestIdleMemory(t *testing.T) {
	m := newMemory()
	first := m.get(1 << 20)
	m.put(first)
	m.age()
	got := make(chan []byte)
	go func() {
		runtime.LockOSThread() // another thread
		got <- m.reuse(1<<20 - 5)
	}()
	if again := <-got; len(again) != 1<<20-5 || &again[0] != &first[0] {
		t.Error("returned memory is not reused")
	}
	if m.reuse(1<<20) != nil {
		t.Error("memory is handed out twice")
	}
	m.put(first)
	m.age()
	m.age()
	if m.reuse(1<<20) != nil {
		t.Error("memory stays idle through two collections")
	}
	m.put(first)
	for range 1000 {
		runtime.GC()
		runtime.Gosched()
		m.mu.Lock()
		left := len(m.idle[0]) + len(m.idle[1])
		m.mu.Unlock()
		if left == 0 {
			return
		}
	}
	t.Error("memory stays idle though the collector runs")
}

// TestPeakMemory compares the system memory of the first execution of a training step with that of the Go backend.
func TestPeakMemory(t *testing.T) {
	taken := func(b compute.Backend) uint64 {
		exe, in := trainingStep(t, b, 3, 4)
		bytes, _ := allocated(func() { executeOnce(t, exe, in) })
		return bytes
	}
	own, other := taken(newLevel(t, "")), taken(newOracle(t))
	t.Logf("a training step takes %d bytes, %d on the Go backend", own, other)
	if own > other {
		t.Errorf("a training step takes %d bytes, more than the %d of the Go backend", own, other)
	}
}

// TestRandomThreads checks that random graphs and convolutions with their gradients have the same bits for any GOMAXPROCS.
func TestRandomThreads(t *testing.T) {
	oracle := newOracle(t)
	var cases []*graphCase
	for seed := range uint64(8) {
		cases = append(cases, newRandomCase(t, oracle, 96*seed)) // large ones, with gradients
	}
	for form := uint16(1 << 13); len(cases) < 14; form += 7 {
		z := fuzzedShape{op: 1, batch: 3, m: 18, n: 17, k: 80, form: form}
		if z.impossible(newLevel(t, "")) == "" {
			cases = append(cases, newGraphCase(t, oracle, fmt.Sprintf("%+v", z), z.build))
		}
	}
	for _, c := range cases {
		var first []any
		for _, procs := range []int{1, 2, 3, 5, 16} {
			previous := runtime.GOMAXPROCS(procs)
			out, err := c.run(t, newLevel(t, ""))
			runtime.GOMAXPROCS(previous)
			if err != nil {
				c.fail(t, err.Error())
			}
			for i, u := range out {
				bits := fmt.Sprint(reflect.ValueOf(flatData[any](t, u)))
				if len(first) <= i {
					first = append(first, bits)
				} else if first[i] != bits {
					c.fail(t, fmt.Sprintf("result %d differs with GOMAXPROCS=%d", i, procs))
				}
			}
		}
	}
}
