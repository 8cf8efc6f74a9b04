package cpu

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// TestPasses counts the remaining steps of graphs with duplicate, unused or roundabout operations.
func TestPasses(t *testing.T) {
	f32 := func(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
	for _, c := range []struct {
		name         string
		inputs       []shapes.Shape
		build        func(x []*Node) []*Node
		steps        map[string]int
		instructions int // of all tapes; a load is one
	}{
		{"common subexpressions", []shapes.Shape{f32(40, 30), f32(30, 50)}, func(x []*Node) []*Node {
			return []*Node{Add(Dot(x[0], x[1]).Product(), Dot(x[0], x[1]).Product())}
		}, map[string]int{"DotGeneral+tape": 1}, 2},
		{"dead code", []shapes.Shape{f32(40, 30), f32(30, 50)}, func(x []*Node) []*Node {
			Tanh(Dot(x[0], x[1]).Product())
			return []*Node{Neg(x[0])}
		}, map[string]int{"tape": 1}, 2},
		{"constants", []shapes.Shape{f32(40, 30)}, func(x []*Node) []*Node {
			table := Sin(MulScalar(Exp(Neg(IotaFull(x[0].Graph(), f32(30)))), 3))
			sum := ReduceAllSum(Square(table))
			return []*Node{Mul(x[0], Div(InsertAxes(table, 0), sum))}
		}, map[string]int{"tape": 1}, 3},
		{"a constant alone", []shapes.Shape{f32(3)}, func(x []*Node) []*Node {
			return []*Node{Transpose(Exp(IotaFull(x[0].Graph(), f32(4, 6))), 0, 1), x[0]}
		}, map[string]int{"copy": 2}, 0},
		{"reshapes and transposes of a product", []shapes.Shape{f32(4, 30, 5, 7), f32(5, 7, 60)}, func(x []*Node) []*Node {
			a := Reshape(x[0], 120, 35)                                                   // [120, 35]
			b := Transpose(Transpose(Transpose(Reshape(x[1], 35, 60), 0, 1), 0, 1), 0, 1) // [60, 35]
			return []*Node{DotGeneral(a, []int{1}, nil, b, []int{1}, nil)}
		}, map[string]int{"DotGeneral": 1}, 0},
		{"slices and broadcasts of a chain", []shapes.Shape{f32(20, 30), f32(30)}, func(x []*Node) []*Node {
			half := Slice(x[0], AxisRange(3, 17), AxisRange())
			return []*Node{Add(half, BroadcastToDims(InsertAxes(x[1], 0), 14, 30))}
		}, map[string]int{"tape": 1}, 3},
		{"a chain with conversions", []shapes.Shape{f32(20, 30), shapes.Make(dtypes.BFloat16, 20, 30)}, func(x []*Node) []*Node {
			y := Mul(x[0], ConvertDType(x[1], dtypes.Float32))
			return []*Node{Where(GreaterThan(y, x[0]), Exp(y), Neg(x[0]))}
		}, map[string]int{"tape": 1}, 7},
		{"an unchanged input as a result", []shapes.Shape{f32(20, 30)}, func(x []*Node) []*Node {
			return []*Node{Reshape(Identity(x[0]), 600)}
		}, map[string]int{"copy": 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewGraph(newLevel(t, ""), c.name)
			var x []*Node
			for i, s := range c.inputs {
				x = append(x, Parameter(g, fmt.Sprint("x", i), s))
			}
			if err := g.Compile(c.build(x)...); err != nil {
				t.Fatal(err)
			}
			if got := steps(g); fmt.Sprint(got) != fmt.Sprint(c.steps) {
				t.Errorf("steps %v, want %v", got, c.steps)
			}
			instructions := 0
			for _, s := range g.Executable().(*program).steps {
				if s.tape != nil {
					instructions += s.tape.recorded
				}
			}
			if instructions != c.instructions {
				t.Errorf("%d instructions of tapes, want %d", instructions, c.instructions)
			}
		})
	}
}

// TestFoldedBits checks that values computed at compile time are byte-identical to those computed at run time.
func TestFoldedBits(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	x := gaussian(r, 37*19)
	block := func(f compute.Function, v compute.Value) compute.Value {
		m := must(t)
		y := m(f.Tanh(m(f.Mul(v, m(f.Exp(v))))))
		s := m(f.Reshape(m(f.ReduceSum(y, 1)), 37, 1))
		return m(f.DotGeneral(m(f.Div(y, s)), []int{1}, nil, y, []int{1}, nil, compute.DotGeneralConfig{}))
	}
	for _, config := range levels() {
		got := runGraph(t, newLevel(t, config), [][]float32{x}, [][]int{{37, 19}}, func(f compute.Function, in []compute.Value) []compute.Value {
			return []compute.Value{block(f, in[0]), block(f, must(t)(f.Constant(x, 37, 19)))}
		})
		for i := range got[0] {
			if got[0][i] != got[1][i] {
				t.Fatalf("%s: element %d is %v folded, %v executed", config, i, got[1][i], got[0][i])
			}
		}
	}
}

// TestFailuresNameTheNode checks that the error of a kernel that panics names operation, dtype, node and graph.
func TestFailuresNameTheNode(t *testing.T) {
	b := newLevel(t, "")
	for _, name := range []string{"alone", "folded"} {
		bd := b.Builder("division")
		f := bd.Main()
		m := must(t)
		x, zero := m(f.Parameter("x", shapes.Make(dtypes.Int32, 5), nil)), m(f.Constant([]int32{0, 0, 0, 0, 0}, 5))
		if name == "folded" { // a failing computation is not folded
			x = m(f.Constant([]int32{1, 2, 3, 4, 5}, 5))
		}
		if err := f.Return([]compute.Value{m(f.Div(x, zero))}, nil); err != nil {
			t.Fatal(err)
		}
		exe, err := bd.Compile()
		if err != nil {
			t.Fatal(err)
		}
		in, err := b.BufferFromFlatData(0, []int32{1, 2, 3, 4, 5}, shapes.Make(dtypes.Int32, 5))
		if err != nil {
			t.Fatal(err)
		}
		_, err = exe.Execute([]compute.Buffer{in}, nil, 0)
		for _, part := range []string{`"division"`, "node ", "Div of (Int32)[5]", "divide by zero"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %v does not say %s", name, err, part)
			}
		}
	}
}
