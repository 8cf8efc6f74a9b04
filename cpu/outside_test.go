package cpu

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// TestIndicesOutside gathers windows that would reach beyond the operand, which are moved back inside, and scatters such
// windows, which are left out.
func TestIndicesOutside(t *testing.T) {
	b := newLevel(t, "")
	bd := b.Builder("outside")
	f := bd.Main()
	m := must(t)
	x := m(f.Parameter("x", shapes.Make(dtypes.Float32, 5), nil))
	index := m(f.Constant([]int32{-3, -1, 0, 2, 3, 4, 9}, 7, 1))
	gathered := m(f.Gather(x, index, 1, []int{1}, nil, []int{0}, []int{2}, false))
	updates := m(f.Constant([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 7, 2))
	scattered := m(f.ScatterSum(x, index, updates, 1, []int{1}, nil, []int{0}, false, false))
	if err := f.Return([]compute.Value{gathered, scattered}, nil); err != nil {
		t.Fatal(err)
	}
	exe, err := bd.Compile()
	if err != nil {
		t.Fatal(err)
	}
	in := buffersOf(t, b, []shapes.Shape{shapes.Make(dtypes.Float32, 5)}, []any{[]float32{10, 20, 30, 40, 50}})
	out, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := floatsOf(t, out)
	if want := []float32{10, 20, 10, 20, 10, 20, 30, 40, 40, 50, 40, 50, 40, 50}; !slices.Equal(got[0], want) {
		t.Errorf("gathered %v, want %v", got[0], want)
	}
	if want := []float32{15, 26, 37, 57, 60}; !slices.Equal(got[1], want) {
		t.Errorf("scattered %v, want %v", got[1], want)
	}
}

// TestLargeIntegers converts numbers beyond int64, and chooses among more of them than one worker takes at a time.
func TestLargeIntegers(t *testing.T) {
	b := newLevel(t, "")
	g := NewGraph(b, "large")
	const n = 10000
	p := Parameter(g, "x", shapes.Make(dtypes.Uint64, n))
	odd := Equal(Rem(p, Scalar(g, dtypes.Uint64, 2)), Scalar(g, dtypes.Uint64, 1))
	chosen := Where(odd, p, Scalar(g, dtypes.Uint64, 7))
	x := make([]uint64, n)
	for i := range x {
		x[i] = 1<<63 + uint64(i)<<41 + uint64(i)
	}
	results := runSpecial(t, b, g, []*Node{ConvertDType(p, dtypes.Float64), ConvertDType(ConvertDType(p, dtypes.Float32), dtypes.Float64), ConvertDType(chosen, dtypes.Float64)}, x)
	for i, v := range x {
		choice := float64(7)
		if v%2 == 1 {
			choice = float64(v)
		}
		if results[0][i] != float64(v) || results[1][i] != float64(float32(v)) || results[2][i] != choice {
			t.Fatalf("%d is %v in f64, %v in f32, and %v was chosen for %v", v, results[0][i], results[1][i], results[2][i], choice)
		}
	}
}

// TestSumsOfNothing multiplies over an axis of zero elements into memory that held NaN.
func TestSumsOfNothing(t *testing.T) {
	b := newLevel(t, "")
	g := NewGraph(b, "nothing")
	x, y := Parameter(g, "x", shapes.Make(dtypes.Float32, 6, 0)), Parameter(g, "y", shapes.Make(dtypes.Float32, 0, 7))
	if err := g.Compile(Dot(x, y).Product()); err != nil {
		t.Fatal(err)
	}
	exe := g.Executable()
	_, wanted := exe.Inputs()
	for range 20 {
		poison := slices.Repeat([]float32{float32(math.NaN())}, 42)
		for _, u := range buffersOf(t, b, slices.Repeat([]shapes.Shape{shapes.Make(dtypes.Float32, 6, 7)}, 3), []any{poison, poison, poison}) {
			if err := u.Finalize(); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exe.Execute(buffersOf(t, b, wanted, []any{[]float32{}, []float32{}}), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range flatData[[]float32](t, out[0]) {
			if v != 0 {
				t.Fatalf("element %d is %v", i, v)
			}
		}
	}
}

// TestBroadcastOfNothing checks that broadcasting 1 to 0 elements is rejected with the operation and the shapes.
func TestBroadcastOfNothing(t *testing.T) {
	bd := newLevel(t, "").Builder("nothing")
	f, m := bd.Main(), must(t)
	x, y := m(f.Parameter("x", shapes.Make(dtypes.Float32, 2, 0), nil)), m(f.Parameter("y", shapes.Make(dtypes.Float32, 2, 1), nil))
	_, err := f.Mul(x, y)
	if err == nil || !strings.Contains(err.Error(), "Mul of (Float32)[2, 0], (Float32)[2, 1]: an axis of no elements") {
		t.Errorf("got %v", err)
	}
}
