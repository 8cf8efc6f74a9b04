package cpu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Random graphs stay within finite numbers, because the bounds of the reference end there. What is beyond is tested here:
// NaN, infinities, zeros of either sign and what reads them at every place of a vector.

// specialValues are the numbers that kernels treat in some way of their own, and some that they do not.
func specialValues() []float64 {
	negativeZero := math.Copysign(0, -1)
	return []float64{
		math.NaN(), math.Inf(1), math.Inf(-1), 0, negativeZero, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, 1024, -1024, 0x1p-14,
	}
}

// floatsAs returns the numbers as a flat slice of a float dtype.
func floatsAs(d dtypes.DType, v []float64) any {
	at := -1
	next := func() float64 { at++; return v[at] }
	switch d {
	case dtypes.Float32:
		return drawnAs(len(v), func() float32 { return float32(next()) })
	case dtypes.BFloat16:
		return drawnAs(len(v), func() bfloat16.BFloat16 { return bfloat16.FromFloat64(next()) })
	case dtypes.Float16:
		return drawnAs(len(v), func() float16.Float16 { return float16.FromFloat64(next()) })
	}
	return v
}

// special is an operation with the result that it should have for numbers of f64.
type special struct {
	name  string
	apply func(x, y *Node) *Node
	want  func(x, y float64) float64
}

func specialOperations() []special {
	comparison := func(name string, apply func(x, y *Node) *Node, holds func(x, y float64) bool) special {
		return special{name, apply, func(x, y float64) float64 { return float64(truth(holds(x, y))) }}
	}
	return []special{
		{"add", Add, func(x, y float64) float64 { return x + y }},
		{"sub", Sub, func(x, y float64) float64 { return x - y }},
		{"mul", Mul, func(x, y float64) float64 { return x * y }},
		{"div", Div, func(x, y float64) float64 { return x / y }},
		{"max", Max, func(x, y float64) float64 { return max(x, y) }},
		{"min", Min, func(x, y float64) float64 { return min(x, y) }},
		{"pow", Pow, math.Pow},
		{"rem", Rem, math.Mod},
		{"atan2", Atan2, math.Atan2},
		comparison("equal", Equal, func(x, y float64) bool { return x == y }),
		comparison("not equal", NotEqual, func(x, y float64) bool { return x != y }),
		comparison("less", LessThan, func(x, y float64) bool { return x < y }),
		comparison("less or equal", LessOrEqual, func(x, y float64) bool { return x <= y }),
		comparison("greater", GreaterThan, func(x, y float64) bool { return x > y }),
		comparison("greater or equal", GreaterOrEqual, func(x, y float64) bool { return x >= y }),
		{"neg", func(x, _ *Node) *Node { return Neg(x) }, func(x, _ float64) float64 { return -x }},
		{"abs", func(x, _ *Node) *Node { return Abs(x) }, func(x, _ float64) float64 { return math.Abs(x) }},
		{"floor", func(x, _ *Node) *Node { return Floor(x) }, func(x, _ float64) float64 { return math.Floor(x) }},
		{"ceil", func(x, _ *Node) *Node { return Ceil(x) }, func(x, _ float64) float64 { return math.Ceil(x) }},
		{"round", func(x, _ *Node) *Node { return Round(x) }, func(x, _ float64) float64 { return math.RoundToEven(x) }},
		{"sqrt", func(x, _ *Node) *Node { return Sqrt(x) }, func(x, _ float64) float64 { return math.Sqrt(x) }},
		comparison("is finite", func(x, _ *Node) *Node { return IsFinite(x) }, func(x, _ float64) bool { return x-x == 0 }),
		comparison("is NaN", func(x, _ *Node) *Node { return IsNaN(x) }, func(x, _ float64) bool { return x != x }),
		{"where", func(x, y *Node) *Node {
			less := LessThan(x, y)
			like := func(v *Node) *Node { return Add(v, ZerosLike(ConvertDType(less, v.DType()))) }
			return Where(less, like(x), like(y))
		}, func(x, y float64) float64 {
			if x < y {
				return x
			}
			return y
		}},
	}
}

// TestSpecialValues applies every operation to all pairs of special values, as arrays and with either operand as one number
// or one number a row, and compares with what Go's own arithmetic gives, rounded to the dtype.
func TestSpecialValues(t *testing.T) {
	values := specialValues()
	n := len(values)
	var x, y []float64
	for _, a := range values {
		for _, b := range values {
			x, y = append(x, a), append(y, b)
		}
	}
	for _, d := range floatTypes {
		for _, config := range levels() {
			b := newLevel(t, config)
			for _, o := range specialOperations() {
				g := NewGraph(b, o.name)
				px, py := Parameter(g, "x", shapes.Make(d, n, n)), Parameter(g, "y", shapes.Make(d, n, n))
				column, row := Slice(px, AxisRange(), AxisRange(0, 1)), Slice(py, AxisRange(0, 1), AxisRange())
				outputs := []*Node{o.apply(px, py), o.apply(column, py), o.apply(px, row)}
				for i := range n {
					number := Reshape(Slice(py, AxisRange(0, 1), AxisRange(i, i+1)))
					outputs = append(outputs, o.apply(px, number), o.apply(number, px))
				}
				for i, got := range runSpecial(t, b, g, outputs, floatsAs(d, x), floatsAs(d, y)) {
					if len(got) < len(x) {
						continue // of an operation that only reads x
					}
					for j := range got {
						u, v := x[j], y[j]
						switch {
						case i > 2 && i%2 == 1:
							v = values[(i-3)/2]
						case i > 2:
							u, v = values[(i-3)/2], x[j]
						}
						checkSpecial(t, fmt.Sprintf("%s, %s of %s (%v, %v), form %d", config, o.name, d, u, v, i), d, got[j], o.want(u, v))
					}
				}
			}
		}
	}
}

// runSpecial executes the graph and returns its results as f64, truth values as 1 and 0.
func runSpecial(t *testing.T, b *Backend, g *Graph, outputs []*Node, inputs ...any) [][]float64 {
	t.Helper()
	for i, o := range outputs {
		if o.DType() == dtypes.Bool || o.DType().IsInt() {
			outputs[i] = ConvertDType(o, dtypes.Float64)
		}
	}
	if err := g.Compile(outputs...); err != nil {
		t.Fatal(err)
	}
	var results [][]float64
	exe := g.Executable()
	_, wanted := exe.Inputs()
	in := buffersOf(t, b, wanted, inputs)
	out, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		results = append(results, asDoubles(flatData[any](t, o)))
	}
	return results
}

// checkSpecial compares NaN with NaN, zeros with zeros of either sign, and numbers as the dtype has them.
func checkSpecial(t *testing.T, what string, d dtypes.DType, got, want float64) {
	t.Helper()
	unit, _, largest := rounding(d)
	if math.Abs(want) > largest && want-want == 0 {
		want = math.Inf(int(math.Copysign(1, want)))
	}
	if got == want || got != got && want != want || math.Abs(got-want) <= 4*unit*math.Abs(want)+0x1p-24 {
		return
	}
	t.Errorf("%s is %v, want %v", what, got, want)
}

// TestSpecialReductions puts NaN and infinities at every place of rows of many lengths: sums, extremes and their places,
// over the last axis, the first, and all of them, in registers of a tape and outside.
func TestSpecialReductions(t *testing.T) {
	for _, d := range floatTypes {
		for _, config := range levels() {
			b := newLevel(t, config)
			for _, length := range []int{1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 81} {
				var x []float64
				for place := range length { // row i has the special value at place i
					for j := range length {
						v := -float64(1 + (j*7+place)%5)
						if j == place {
							v = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[place%3]
						}
						x = append(x, v)
					}
				}
				g := NewGraph(b, "reductions")
				p := Parameter(g, "x", shapes.Make(d, length, length))
				outputs := []*Node{
					ReduceSum(p, -1), ReduceMax(p, -1), ReduceMin(p, -1), ReduceSum(p, 0), ReduceMax(p, 0), ReduceMin(p, 0),
					ArgMax(p, -1, dtypes.Int32), ArgMin(p, -1, dtypes.Int32), ArgMax(p, 0, dtypes.Int32), ArgMin(p, 0, dtypes.Int32),
				}
				results := runSpecial(t, b, g, outputs, floatsAs(d, x))
				for i, got := range results {
					for line := range length {
						values := slices.Clone(x[line*length : (line+1)*length])
						if i >= 3 && i < 6 || i >= 8 {
							for j := range values {
								values[j] = x[j*length+line]
							}
						}
						checkSpecial(t, fmt.Sprintf("%s, %s, reduction %d of %d, line %d", config, d, i, length, line), d, got[line], reduced(i, values))
					}
				}
			}
		}
	}
}

// reduced is the result of reduction i of TestSpecialReductions.
func reduced(i int, v []float64) float64 {
	if i < 6 {
		result := v[0]
		for _, e := range v[1:] {
			result = []float64{result + e, max(result, e), min(result, e)}[i%3]
		}
		return result
	}
	place := 0
	for j, e := range v {
		if e != e {
			return float64(j) // there is one at most
		}
		if i%2 == 0 && e > v[place] || i%2 == 1 && e < v[place] {
			place = j
		}
	}
	return float64(place)
}

// TestNotANumberWithLowBits moves NaN that only the lowest bit tells from infinity to the narrower dtypes, which must not
// make it one.
func TestNotANumberWithLowBits(t *testing.T) {
	x := make([]float32, 40)
	for i := range x {
		x[i] = math.Float32frombits([]uint32{0x7f800001, 0xff800001, 0x7fffffff, 0x7f800000}[i%4])
	}
	for _, config := range levels() {
		b := newLevel(t, config)
		g := NewGraph(b, "NaN")
		p := Parameter(g, "x", shapes.Make(dtypes.Float32, len(x)))
		wide := ConvertDType(p, dtypes.Float64) // keeps what the processor makes of the low bits
		var outputs []*Node
		for _, d := range []dtypes.DType{dtypes.BFloat16, dtypes.Float16} {
			outputs = append(outputs, ConvertDType(p, d), Neg(ConvertDType(p, d)), ConvertDType(Neg(p), d), ConvertDType(wide, d), Add(ConvertDType(p, d), ConvertDType(p, d)))
		}
		for i, got := range runSpecial(t, b, g, outputs, x) {
			for j, v := range got {
				if (v != v) != (x[j] != x[j]) {
					t.Errorf("%s, result %d: %#x is %v", config, i, math.Float32bits(x[j]), v)
				}
			}
		}
	}
}
