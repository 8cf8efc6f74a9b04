package cpu

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/float16"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// TestHalf rounds every f16, the midpoints between neighbours, and both sides of these.
func TestHalf(t *testing.T) {
	for bits := range uint16(0x7c00) {
		low, high := float16.Float16(bits).Float32(), float32(65536)
		if bits < 0x7bff {
			high = float16.Float16(bits + 1).Float32()
		}
		middle := low + (high-low)/2
		even := bits + bits&1
		for _, c := range []struct {
			x    float32
			want uint16
		}{
			{low, bits},
			{middle, even},
			{math.Nextafter32(middle, 0), bits},
			{math.Nextafter32(middle, high), bits + 1},
		} {
			if got := uint16(halfOf(c.x)); got != c.want {
				t.Fatalf("%v is %#x, want %#x", c.x, got, c.want)
			}
			if got := uint16(halfOf(-c.x)); got != c.want|0x8000 {
				t.Fatalf("%v is %#x, want %#x", -c.x, got, c.want|0x8000)
			}
		}
	}
	lowNaN := math.Float32frombits(0x7f800001)
	if x := halfOf(lowNaN).Float32(); x == x {
		t.Errorf("NaN is %v in f16", x)
	}
	if x := bfloatOf(lowNaN).Float32(); x == x {
		t.Errorf("NaN is %v in bf16", x)
	}
	if x := halfOf(float32(math.Inf(-1))).Float32(); x != float32(math.Inf(-1)) {
		t.Errorf("-Inf is %v in f16", x)
	}
}

// TestSumsOfHalves sums, multiplies and rounds numbers of 16 bits in f32 and once, down to the smallest: as GoMLX asks for
// products, with the sum in f32, and in other dtypes where the graph says so.
func TestSumsOfHalves(t *testing.T) {
	small := []float32{0x1p-10, 0x1p-11, -0x1p-12, 3} // exact in every dtype
	sums := []struct {
		name string
		make func(x *Node) *Node
		want float64
	}{
		{"dot", func(x *Node) *Node { return Dot(x, x).Product() }, 9 + 0x1p-20 + 0x1p-22 + 0x1p-24},
		{"dot of the small", func(x *Node) *Node { return Dot(Slice(x, AxisRange(0, 3)), Slice(x, AxisRange(0, 3))).Product() }, 0x1p-20 + 0x1p-22 + 0x1p-24},
		{"dot to f64", func(x *Node) *Node {
			return Dot(x, x).WithAccumulatorDType(dtypes.Float64).WithOutputDType(dtypes.Float64).Product()
		}, 9 + 0x1p-20 + 0x1p-22 + 0x1p-24},
		{"dot summed in f64", func(x *Node) *Node {
			last := Slice(x, AxisRange(3))
			y, z := Concatenate([]*Node{x, last}, 0), Concatenate([]*Node{x, Neg(last)}, 0)
			return Dot(y, z).WithAccumulatorDType(dtypes.Float64).Product()
		}, 0x1p-20 + 0x1p-22 + 0x1p-24},
		{"product", func(x *Node) *Node { return ReduceAllMultiply(Slice(x, AxisRange(0, 2))) }, 0x1p-21},
		{"product of all", func(x *Node) *Node { return ReduceAllMultiply(Mul(x, Scalar(x.Graph(), x.DType(), 64))) }, -0x3p-9},
	}
	for _, config := range levels() {
		for _, d := range floatTypes {
			for _, c := range sums {
				g := NewGraph(newLevel(t, config), c.name)
				y := c.make(ConvertDType(Const(g, small), d))
				got := ConvertDType(y, dtypes.Float64)
				want := ConvertDType(ConvertDType(Const(g, c.want), y.DType()), dtypes.Float64)
				g.Compile(got, want)
				out := g.Run()
				if a, b := out[0].Value(), out[1].Value(); a != b {
					t.Errorf("%s: %s in %s is %v, want %v", config, c.name, d, a, b)
				}
			}
		}
	}
}
