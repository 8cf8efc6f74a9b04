package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// spy is a backend that keeps the last graph it captured, as it was before it was compiled.
type spy struct {
	*Backend
	last *function
}

type spyBuilder struct {
	*builder
	spy *spy
}

func (s *spy) Builder(name string) compute.Builder {
	return &spyBuilder{s.Backend.Builder(name).(*builder), s}
}

func (b *spyBuilder) Compile() (compute.Executable, error) {
	f := *b.main
	again := make(map[*node]*node)
	f.nodes = nil
	for _, n := range b.main.nodes {
		c := *n
		c.operand = mapped(again, n.operand)
		again[n] = &c
		f.nodes = append(f.nodes, &c)
	}
	f.params, f.outputs = mapped(again, f.params), mapped(again, f.outputs)
	b.spy.last = &f
	return b.builder.Compile()
}

func mapped(to map[*node]*node, list []*node) []*node {
	all := make([]*node, len(list))
	for i, n := range list {
		all[i] = to[n]
	}
	return all
}

// graphCase is a graph with its inputs and what its results may be.
type graphCase struct {
	name   string
	build  func(b compute.Backend) (s *sketch, outputs []*Node)
	inputs []any
	shapes []shapes.Shape
	want   []expected
	log    []string
}

// newGraphCase builds a graph and its reference.
func newGraphCase(t testing.TB, oracle compute.Backend, name string, build func(b compute.Backend) (s *sketch, outputs []*Node)) *graphCase {
	t.Helper()
	c := &graphCase{name: name, build: build}
	watched := &spy{Backend: newLevel(t, "isa=plain")}
	s := c.compile(t, watched)
	c.log, c.inputs = s.log, s.inputsOf()
	f := watched.last
	for _, p := range f.params {
		c.shapes = append(c.shapes, p.shape)
	}
	c.want = reference(t, oracle, f, c.inputs, f.outputs)
	return c
}

// newRandomCase builds the random graph of a seed; every third comes with gradients.
func newRandomCase(t testing.TB, oracle compute.Backend, seed uint64) *graphCase {
	t.Helper()
	return newGraphCase(t, oracle, fmt.Sprint("seed ", seed), func(b compute.Backend) (*sketch, []*Node) {
		return newSketch(seed, b, seed%3 == 0)
	})
}

func (c *graphCase) compile(t testing.TB, b compute.Backend) *sketch {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("%s: %v", c.name, r)
		}
	}()
	s, outputs := c.build(b)
	if err := s.g.Compile(outputs...); err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, strings.Join(s.log, "\n"))
	}
	return s
}

// checkAll compares all instruction sets with the reference, and the Go backend too, where it has the operations: the
// bounds would be worth nothing if it did not keep to them. It returns whether it has.
func (c *graphCase) checkAll(t testing.TB, oracle compute.Backend, count *tally) bool {
	t.Helper()
	whole := false
	if out, err := c.run(t, oracle); err == nil {
		whole = true
		// It flushes small f16 to zero, and leaves sums over nothing as the memory was.
		nothing := slices.ContainsFunc(c.shapes, func(s shapes.Shape) bool { return s.Size() == 0 })
		if !nothing && !strings.Contains(strings.Join(c.log, " "), "(Float16)") {
			c.check(t, "the Go backend", out, new(tally))
		}
	}
	for _, config := range levels() {
		out, err := c.run(t, newLevel(t, config))
		if err != nil {
			c.fail(t, fmt.Sprintf("%s: %v", config, err))
		}
		c.check(t, config, out, count)
	}
	return whole
}

// run executes the graph on a backend.
func (c *graphCase) run(t testing.TB, b compute.Backend) (out []compute.Buffer, err error) {
	t.Helper()
	exe := c.compile(t, b).g.Executable()
	defer func() {
		if r := recover(); r != nil { // the Go backend panics where it lacks something
			out, err = nil, fmt.Errorf("%v", r)
		}
	}()
	return exe.Execute(buffersOf(t, b, c.shapes, c.inputs), nil, 0)
}

// buffersOf makes buffers of flat data.
func buffersOf(t testing.TB, b compute.Backend, shapes []shapes.Shape, flat []any) []compute.Buffer {
	t.Helper()
	list := make([]compute.Buffer, len(flat))
	for i, v := range flat {
		var err error
		if list[i], err = b.BufferFromFlatData(0, v, shapes[i]); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// tally counts the elements that were compared and those that were too uncertain for it.
type tally struct{ sure, unsure int }

// check compares results with the reference.
func (c *graphCase) check(t testing.TB, name string, out []compute.Buffer, count *tally) {
	t.Helper()
	for i, want := range c.want {
		flat := flatData[any](t, out[i])
		if want.v == nil {
			c.checkExact(t, fmt.Sprintf("%s, result %d", name, i), flat, want, count)
			continue
		}
		got, _, least := asDoubles(flat), 0, 0.0
		_, least, _ = rounding(want.dtype)
		for j, v := range want.v {
			if !(want.off[j] <= math.MaxFloat64) {
				count.unsure++
				continue
			}
			count.sure++
			if d := math.Abs(got[j] - v); !(d <= 2*want.off[j]+least/1024) {
				c.fail(t, fmt.Sprintf("%s, result %d (%s), element %d is %v, want %v ± %.3g", name, i, want.dtype, j, got[j], v, 2*want.off[j]))
			}
		}
	}
}

func (c *graphCase) checkExact(t testing.TB, name string, got any, want expected, count *tally) {
	t.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want.flat)
	for j, off := range want.off {
		if !(off == 0) {
			count.unsure++
			continue
		}
		count.sure++
		if !g.Index(j).Equal(w.Index(j)) {
			c.fail(t, fmt.Sprintf("%s (%s), element %d is %v, want %v", name, want.dtype, j, g.Index(j), w.Index(j)))
		}
	}
}

func (c *graphCase) fail(t testing.TB, what string) {
	t.Helper()
	t.Fatalf("%s, %s\n%s", c.name, what, strings.Join(c.log, "\n"))
}

// inputsOf samples values for the parameters: multiples of 1/8 that all dtypes hold, so that there are equal ones.
func (s *sketch) inputsOf() []any {
	var list []any
	for _, p := range s.params {
		list = append(list, sampled(s.r, p.DType(), p.Shape().Size()))
	}
	return list
}

func sampled(r *rand.Rand, d dtypes.DType, n int) any {
	eighths := func() float64 { return float64(r.IntN(33)-16) / 8 }
	switch d {
	case dtypes.Float32:
		return drawnAs(n, func() float32 { return float32(eighths()) })
	case dtypes.Float64:
		return drawnAs(n, eighths)
	case dtypes.BFloat16:
		return drawnAs(n, func() bfloat16.BFloat16 { return bfloat16.FromFloat64(eighths()) })
	case dtypes.Float16:
		return drawnAs(n, func() float16.Float16 { return float16.FromFloat64(eighths()) })
	case dtypes.Bool:
		return drawnAs(n, func() bool { return r.IntN(2) == 0 })
	case dtypes.Int8:
		return drawnAs(n, func() int8 { return int8(r.Uint64()) })
	case dtypes.Int16:
		return drawnAs(n, func() int16 { return int16(r.Uint64()) })
	case dtypes.Int32:
		return drawnAs(n, func() int32 { return int32(r.Uint64()) })
	case dtypes.Int64:
		return drawnAs(n, func() int64 { return int64(r.Uint64()) })
	case dtypes.Uint8:
		return drawnAs(n, func() uint8 { return uint8(r.Uint64()) })
	case dtypes.Uint16:
		return drawnAs(n, func() uint16 { return uint16(r.Uint64()) })
	case dtypes.Uint32:
		return drawnAs(n, func() uint32 { return uint32(r.Uint64()) })
	}
	return drawnAs(n, r.Uint64)
}

func drawnAs[T any](n int, draw func() T) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = draw()
	}
	return v
}

func asDoubles(flat any) []float64 {
	switch v := flat.(type) {
	case []float64:
		return v
	case []float32:
		return doubles(v, func(x float32) float64 { return float64(x) })
	case []bfloat16.BFloat16:
		return doubles(v, bfloat16.BFloat16.Float64)
	case []float16.Float16:
		return doubles(v, float16.Float16.Float64)
	}
	return nil
}

func doubles[T any](v []T, wide func(T) float64) []float64 {
	all := make([]float64, len(v))
	for i, x := range v {
		all[i] = wide(x)
	}
	return all
}

// TestRandomGraphs compares random graphs and their gradients with the reference, on every instruction set.
func TestRandomGraphs(t *testing.T) {
	const shards = 8
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			oracle := newOracle(t)
			var count tally
			lacks := 0
			for seed := shard; seed < randomGraphs; seed += shards {
				if !newRandomCase(t, oracle, seed).checkAll(t, oracle, &count) {
					lacks++
				}
			}
			t.Logf("%d elements compared, %d uncertain; the Go backend lacks operations of %d graphs", count.sure, count.unsure, lacks)
			if count.unsure > count.sure/20 {
				t.Errorf("%d of %d elements are too uncertain to compare", count.unsure, count.unsure+count.sure)
			}
		})
	}
}

// TestThreads checks that reductions and tapes do not depend on GOMAXPROCS.
func TestThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	dims := []int{3, 70, 41, 48}
	x := gaussian(r, product(dims))
	var first [][]float32
	for _, procs := range []int{1, 2, 4, 16} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		got := runGraph(t, newLevel(t, ""), [][]float32{x}, [][]int{dims}, func(f compute.Function, in []compute.Value) []compute.Value {
			m := must(t)
			y := m(f.Logistic(in[0]))
			return []compute.Value{m(f.ReduceSum(y)), m(f.ReduceSum(y, 0, 1, 2)), m(f.ReduceSum(y, 1, 3)), m(f.ReduceSum(y, 3)), m(f.ReduceMax(y, 1, 2))}
		})
		if first == nil {
			first = got
		}
		for i := range got {
			for j := range got[i] {
				if got[i][j] != first[i][j] {
					t.Fatalf("output %d, element %d: %v with %d threads, %v with 1", i, j, got[i][j], procs, first[i][j])
				}
			}
		}
	}
}

// TestConversions passes bf16 and bool through tapes.
func TestConversions(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(11, 12))
	x := gaussian(r, 37*19)
	build := func(f compute.Function, in []compute.Value) []compute.Value {
		m := must(t)
		half := m(f.ConvertDType(in[0], dtypes.BFloat16))
		square := m(f.Mul(half, half))
		count := m(f.Iota(shapes.Make(dtypes.Int32, 37, 19), 1))
		return []compute.Value{m(f.ConvertDType(square, dtypes.Float32)), m(f.Mul(in[0], m(f.ConvertDType(count, dtypes.Float32)))), m(f.LessThan(in[0], m(f.Neg(in[0]))))}
	}
	want := runGraph(t, oracle, [][]float32{x}, [][]int{{37, 19}}, build)
	for _, config := range levels() {
		for i, got := range runGraph(t, newLevel(t, config), [][]float32{x}, [][]int{{37, 19}}, build) {
			if d := distance(got, want[i]); !(d < 1e-6) {
				t.Errorf("%s: output %d is off by %g", config, i, d)
			}
		}
	}
}
