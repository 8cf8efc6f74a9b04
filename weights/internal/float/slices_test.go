package float

import (
	"encoding/binary"
	"math"
	"testing"
)

// TestSlices widens every code at every place of a vector: the bits are those of the functions for one number. The sign
// and payload of a NaN may differ.
func TestSlices(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		slice func(dst []float32, data []byte)
		one   func(data []byte) float32
	}{
		{"BF16", 2, WidenBF16, func(b []byte) float32 { return FromBF16(binary.LittleEndian.Uint16(b)) }},
		{"F16", 2, WidenF16, func(b []byte) float32 { return FromF16(binary.LittleEndian.Uint16(b)) }},
		{"F8E4M3", 1, WidenF8E4M3, func(b []byte) float32 { return FromF8E4M3(b[0]) }},
		{"F8E5M2", 1, WidenF8E5M2, func(b []byte) float32 { return FromF8E5M2(b[0]) }},
	} {
		data := make([]byte, c.size<<(8*c.size)+40)
		for i := range len(data) / c.size {
			if c.size == 1 {
				data[i] = byte(i)
			} else {
				binary.LittleEndian.PutUint16(data[2*i:], uint16(i))
			}
		}
		for _, first := range []int{0, 1, 7} { // in bytes: not aligned
			n := (len(data) - first) / c.size
			dst := make([]float32, n)
			c.slice(dst, data[first:])
			for i, got := range dst {
				want := c.one(data[first+i*c.size:])
				if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
					t.Fatalf("%s: code %x is %v, want %v", c.name, data[first+i*c.size:][:c.size], got, want)
				}
			}
		}
	}
	values := make([]float32, 37)
	for i := range values {
		values[i] = float32(i) - 3.3
	}
	Scale(values, 0.7)
	for i, got := range values {
		if want := (float32(i) - 3.3) * 0.7; got != want {
			t.Errorf("%d: %v, want %v", i, got, want)
		}
	}
}

// TestFirstNotFinite finds one bad number at every place.
func TestFirstNotFinite(t *testing.T) {
	const n = 150
	for at := range n {
		half, single := make([]byte, 2*n+1), make([]byte, 4*n+3)
		for i := range n {
			binary.LittleEndian.PutUint16(half[2*i:], 0x7bff)
			binary.LittleEndian.PutUint32(single[4*i:], 0x7f7fffff)
		}
		if FirstNotFinite16(half, 0x7c00) != -1 || FirstNotFinite32(single) != -1 {
			t.Fatal("finite numbers are not")
		}
		binary.LittleEndian.PutUint16(half[2*at:], 0xfc00)
		binary.LittleEndian.PutUint32(single[4*at:], 0xff800001)
		if a, b := FirstNotFinite16(half, 0x7c00), FirstNotFinite32(single); a != at || b != at {
			t.Errorf("found at %d and %d, want %d", a, b, at)
		}
	}
	if FirstNotFinite16(nil, 0x7c00) != -1 || FirstNotFinite32(nil) != -1 {
		t.Error("nothing is not finite")
	}
}
