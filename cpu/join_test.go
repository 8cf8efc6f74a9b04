//go:build amd64 && goexperiment.simd

package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// apart returns a backend whose tapes have the kernels for one operation alone.
func apart(t *testing.T) *Backend {
	b := newLevel(t, "isa=avx512")
	b.vectors = vectors512()
	b.vectors.widen = widenFast
	return b
}

// joinCases are graphs of rows [rows, cols] in which instructions are joined, with the kinds of the joined ones.
func joinCases() []struct {
	name  string
	build func(x []*Node) []*Node
	kinds []insKind
} {
	rms := func(x *Node) *Node { return Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), 1e-6)) }
	return []struct {
		name  string
		build func(x []*Node) []*Node
		kinds []insKind
	}{
		{"silu", func(x []*Node) []*Node { return []*Node{Mul(Logistic(x[0]), x[0])} }, []insKind{doSilu}},
		{"gelu", func(x []*Node) []*Node { return []*Node{geluTanh(x[0])} }, []insKind{doGelu}},
		{"product and sum", func(x []*Node) []*Node { return []*Node{Add(x[2], Mul(x[0], x[1]))} }, []insKind{doMulAdd}},
		{"a product that is a result", func(x []*Node) []*Node {
			y := Mul(x[0], x[1])
			return []*Node{Add(x[2], y), y}
		}, nil},
		{"modulation", func(x []*Node) []*Node { return []*Node{Add(Mul(layerNorm(x[0]), x[1]), x[2])} }, []insKind{doScale}},
		{"norm with a scale", func(x []*Node) []*Node { return []*Node{Mul(x[1], Mul(x[0], Inverse(rms(x[0]))))} }, []insKind{doScale}},
		{"rows", func(x []*Node) []*Node {
			s, m := ReduceAndKeep(x[0], ReduceSum, -1), ReduceAndKeep(x[1], ReduceMax, -1)
			return []*Node{Add(x[0], s), Sub(x[1], m), Mul(x[0], m), Div(x[1], s), s, m}
		}, nil},
		{"softmax", func(x []*Node) []*Node { return []*Node{softmaxLast(x[0])} }, []insKind{doExpSum}},
		{"softmax whose parts are results", func(x []*Node) []*Node {
			e := Exp(Sub(x[0], ReduceAndKeep(x[0], ReduceMax, -1)))
			s := ReduceAndKeep(e, ReduceSum, -1)
			return []*Node{e, s, Div(e, s)}
		}, nil},
		{"rotation", func(x []*Node) []*Node {
			d := x[0].Shape().Dimensions
			if d[1]%2 == 1 {
				return []*Node{x[0]}
			}
			swapped := Reshape(Reverse(Reshape(x[0], d[0], d[1]/2, 2), -1), d...)
			return []*Node{Add(Mul(x[2], swapped), Mul(x[0], x[1]))}
		}, []insKind{doRotate}},
	}
}

// TestJoin compares joined instructions, and kernels of several rows, with the kernels of one operation and of one row:
// the bits are equal, at every length of a row and with every special value.
func TestJoin(t *testing.T) {
	if machine < avx512 {
		t.Skip("joined kernels need AVX-512")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range joinCases() {
		t.Run(c.name, func(t *testing.T) {
			whole, single := newLevel(t, "isa=avx512"), apart(t)
			for cols := 1; cols < 300; cols += between(r, 1, 9) {
				rows := between(r, 1, 40)
				var in []*tensors.Tensor
				for range 3 {
					in = append(in, tensors.FromFlatDataAndDimensions(mixed(r, rows*cols), rows, cols))
				}
				got, kinds := runJoin(t, whole, c.build, in)
				want, none := runJoin(t, single, c.build, in)
				if len(none) > 0 {
					t.Fatalf("instructions are joined without kernels for that: %v", none)
				}
				for _, k := range c.kinds {
					if !kinds[k] && (k != doExpSum || cols%16 == 0) && (k != doRotate || cols%2 == 0) && cols > 1 {
						t.Fatalf("%d×%d: no instruction of kind %d", rows, cols, k)
					}
				}
				for i := range got {
					for j, v := range got[i] {
						if w := want[i][j]; math.Float32bits(v) != math.Float32bits(w) && (v == v || w == w) && (v != 0 || w != 0) {
							t.Fatalf("%d×%d: element %d of result %d is %v, apart %v", rows, cols, j, i, v, w)
						}
					}
				}
			}
		})
	}
}

// mixed returns normal random numbers, in some calls with special values among them.
func mixed(r *rand.Rand, n int) []float32 {
	v := gaussian(r, n)
	special := append(specialValues(), 0x1p-140, -0x1p-149, 88, 104, -104, 1e30)
	for range r.IntN(3) {
		v[r.IntN(n)] = float32(special[r.IntN(len(special))])
	}
	return v
}

// runJoin executes a graph and returns the results and the kinds of its joined instructions.
func runJoin(t *testing.T, b *Backend, build func(x []*Node) []*Node, in []*tensors.Tensor) ([][]float32, map[insKind]bool) {
	g := NewGraph(b, "join")
	var x []*Node
	for i, v := range in {
		x = append(x, Parameter(g, fmt.Sprint("x", i), shapes.Make(dtypes.Float32, v.Shape().Dimensions...)))
	}
	if err := g.Compile(build(x)...); err != nil {
		t.Fatal(err)
	}
	kinds := map[insKind]bool{}
	for _, s := range g.Executable().(*program).steps {
		if s.tape == nil {
			continue
		}
		for _, i := range s.tape.ins {
			if i.do >= doSilu {
				kinds[i.do] = true
			}
		}
	}
	args := make([]any, len(in))
	for i, v := range in {
		args[i] = must32(t, v)
	}
	var flat [][]float32
	for _, o := range g.Run(args...) {
		flat = append(flat, tensors.MustCopyFlatData[float32](o))
	}
	return flat, kinds
}
