package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
)

// sketch builds a random graph: the same one on every backend for the same seed.
type sketch struct {
	r      *rand.Rand
	must   func(compute.Value, error) compute.Value
	f      compute.Function
	values []compute.Value // f32
	dims   [][]int
	log    []string
}

func (s *sketch) add(what string, v compute.Value, dims []int) {
	s.log = append(s.log, fmt.Sprintf("%d: %s %v", len(s.values), what, dims))
	s.values, s.dims = append(s.values, v), append(s.dims, dims)
}

// pick prefers late values, so that chains grow.
func (s *sketch) pick() (compute.Value, []int) {
	i := len(s.values) - 1 - s.r.IntN(min(4, len(s.values)))
	return s.values[i], s.dims[i]
}

// partner returns a value that can be combined with one of the dimensions, by broadcasting if there is no other.
func (s *sketch) partner(dims []int) compute.Value {
	for range 4 {
		v, d := s.pick()
		if fmt.Sprint(d) == fmt.Sprint(dims) {
			return v
		}
	}
	v, d := s.pick()
	flat := s.must(s.f.Reshape(v, product(d)))
	if product(d) == 0 {
		return s.must(s.f.Constant([]float32{1.5}))
	}
	small := make([]int, len(dims))
	for i, n := range dims {
		small[i] = []int{1, n}[s.r.IntN(2)]
	}
	if product(small) > product(d) {
		return s.must(s.f.Constant([]float32{-0.5}))
	}
	cut := s.must(s.f.Slice(flat, []int{0}, []int{product(small)}, []int{1}))
	return s.must(s.f.Reshape(cut, small...))
}

func (s *sketch) step() {
	x, d := s.pick()
	switch s.r.IntN(11) {
	case 0, 1, 2:
		s.unary(x, d)
	case 3, 4, 5:
		s.binary(x, d)
	case 6:
		p, back := s.r.Perm(len(d)), make([]int, len(d))
		for i, q := range p {
			back[i] = d[q]
		}
		s.add(fmt.Sprint("transpose ", p), s.must(s.f.Transpose(x, p...)), back)
	case 7:
		s.slice(x, d)
	case 8:
		s.reduce(x, d)
	case 9:
		s.pad(x, d)
	case 10:
		axis := s.r.IntN(len(d))
		next := append([]int(nil), d...)
		next[axis] *= 2
		y := s.must(s.f.Neg(x))
		s.add(fmt.Sprint("concatenate ", axis), s.must(s.f.Concatenate(axis, x, y)), next)
	}
}

func (s *sketch) unary(x compute.Value, d []int) {
	ops := []func(compute.Value) (compute.Value, error){
		s.f.Tanh, s.f.Logistic, s.f.Neg, s.f.Abs, s.f.Sign,
		func(v compute.Value) (compute.Value, error) { return s.f.Exp(s.must(s.f.Tanh(v))) },
		func(v compute.Value) (compute.Value, error) { return s.f.Sqrt(s.must(s.f.Abs(v))) },
		func(v compute.Value) (compute.Value, error) {
			return s.f.Log(s.must(s.f.Add(s.must(s.f.Abs(v)), s.must(s.f.Constant([]float32{1})))))
		},
		func(v compute.Value) (compute.Value, error) {
			return s.f.Pow(s.must(s.f.Tanh(v)), s.must(s.f.Constant([]float32{2})))
		},
	}
	i := s.r.IntN(len(ops))
	s.add(fmt.Sprint("unary ", i), s.must(ops[i](x)), d)
}

func (s *sketch) binary(x compute.Value, d []int) {
	y := s.partner(d)
	ops := []func(x, y compute.Value) (compute.Value, error){
		s.f.Add, s.f.Sub, s.f.Mul, s.f.Max, s.f.Min,
		func(x, y compute.Value) (compute.Value, error) {
			return s.f.Div(x, s.must(s.f.Add(s.must(s.f.Abs(y)), s.must(s.f.Constant([]float32{1})))))
		},
		func(x, y compute.Value) (compute.Value, error) {
			return s.f.ConvertDType(s.must(s.f.LessThan(x, y)), dtypes.Float32)
		},
		func(x, y compute.Value) (compute.Value, error) {
			return s.f.Where(s.must(s.f.GreaterOrEqual(x, y)), x, s.must(s.f.Neg(x)))
		},
	}
	i := s.r.IntN(len(ops))
	if s.r.IntN(2) == 0 && i < 5 {
		x, y = y, x
	}
	v := s.must(ops[i](x, y))
	if i < 5 {
		v = s.must(s.f.Tanh(v))
	}
	s.add(fmt.Sprint("binary ", i), v, d)
}

func (s *sketch) slice(x compute.Value, d []int) {
	from, to, step, next := make([]int, len(d)), make([]int, len(d)), make([]int, len(d)), make([]int, len(d))
	for i, n := range d {
		from[i] = s.r.IntN(max(1, n/2))
		to[i], step[i] = n-s.r.IntN(max(1, n/3)), 1+s.r.IntN(2)
		next[i] = ceilDiv(to[i]-from[i], step[i])
	}
	s.add(fmt.Sprint("slice ", from, to, step), s.must(s.f.Slice(x, from, to, step)), next)
}

func (s *sketch) pad(x compute.Value, d []int) {
	axes, next := make([]compute.PadAxis, len(d)), make([]int, len(d))
	for i, n := range d {
		axes[i] = compute.PadAxis{Start: s.r.IntN(3), End: s.r.IntN(3), Interior: s.r.IntN(2)}
		next[i] = axes[i].Start + axes[i].End + n + max(0, n-1)*axes[i].Interior
	}
	value := s.must(s.f.Constant([]float32{float32(s.r.IntN(2))}))
	s.add(fmt.Sprint("pad ", axes), s.must(s.f.Pad(x, value, axes...)), next)
}

// reduce reduces some axes, and gives the result the rank it had half of the time, so that it is broadcast again.
func (s *sketch) reduce(x compute.Value, d []int) {
	var axes, next []int
	keep := append([]int(nil), d...)
	for i, n := range d {
		if s.r.IntN(2) == 0 {
			axes, keep[i] = append(axes, i), 1
		} else {
			next = append(next, n)
		}
	}
	if len(axes) == 0 {
		return
	}
	ops := []func(compute.Value, ...int) (compute.Value, error){s.f.ReduceSum, s.f.ReduceMax, s.f.ReduceMin}
	i := s.r.IntN(3)
	y := s.must(ops[i](x, axes...))
	if i == 0 {
		y = s.must(s.f.Mul(y, s.must(s.f.Constant([]float32{0.1}))))
	}
	what := fmt.Sprint("reduce ", i, axes)
	if s.r.IntN(2) == 0 {
		y = s.must(s.f.Reshape(y, keep...))
		y = s.must(s.f.Sub(x, y))
		s.add(what+" and subtract", s.must(s.f.Tanh(y)), d)
		return
	}
	if len(next) == 0 {
		next = []int{1}
	}
	s.add(what, s.must(s.f.Reshape(y, next...)), next)
}

// TestRandomGraphs compares random graphs with the Go backend on every instruction set.
func TestRandomGraphs(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 9))
		dims := make([]int, 1+r.IntN(4))
		for i := range dims {
			dims[i] = []int{1, 2, 3, 5, 8, 16, 17, 33, 64}[r.IntN(9)]
		}
		if product(dims) > 1<<16 {
			continue
		}
		inputs := [][]float32{gaussian(r, product(dims)), gaussian(r, product(dims))}
		var log []string
		build := func(f compute.Function, x []compute.Value) []compute.Value {
			s := &sketch{r: rand.New(rand.NewPCG(seed, 10)), must: must(t), f: f, values: x, dims: [][]int{dims, dims}}
			for range 12 {
				if product(s.dims[len(s.dims)-1]) > 1<<18 {
					break
				}
				s.step()
			}
			log = s.log
			return s.values[2:]
		}
		want := runGraph(t, oracle, inputs, [][]int{dims, dims}, build)
		for _, config := range levels() {
			got := runGraph(t, newLevel(t, config), inputs, [][]int{dims, dims}, build)
			for i := range want {
				if differs(got[i], want[i]) {
					t.Fatalf("seed %d, %s, inputs %v: value %d is off by %g\n%q", seed, config, dims, i+2, distance(got[i], want[i]), log)
				}
			}
		}
	}
}

// differs tells whether two results differ by more than rounding. A few elements may: comparisons and signs of nearly
// equal numbers turn over.
func differs(got, want []float32) bool {
	bad := 0
	for i, w := range want {
		if !(math.Abs(float64(got[i]-w)) < 2e-4*(1+math.Abs(float64(w)))) {
			bad++
		}
	}
	return bad > len(want)/100
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
