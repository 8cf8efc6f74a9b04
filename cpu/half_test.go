package cpu

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes/float16"
)

// TestHalf rounds every f16, what lies half way between neighbours, and both sides of that.
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
