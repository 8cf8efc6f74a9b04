package gguf

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIntegers compares the values that integers make with the decoded ones, for random blocks of every type.
func TestIntegers(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for i := range integerForms {
		kind := Type(i)
		form, ok := kind.Integers()
		if !ok {
			continue
		}
		_, size := kind.Block()
		const blocks = 5
		data := make([]byte, blocks*size)
		for range 50 {
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			for b := range blocks {
				for _, at := range formats[kind].halves {
					data[b*size+at+1] = data[b*size+at+1]&0x80 | 0x20 | byte(r.IntN(8)) // a small number, of either sign
				}
			}
			want := make([]float32, blocks*form.Block)
			kind.DecodeAt(want, data, 0)
			const from = 2
			n := (blocks - from) * form.Block
			quants, scales, mins := make([]uint8, n), make([]float32, n/form.Group), make([]float32, n/form.Group)
			kind.IntegersAt(quants, scales, mins, data, from*form.Block)
			for i, q := range quants {
				got := float32(scales[i/form.Group] * float32(int(q)-form.Zero))
				if form.Mins {
					got -= mins[i/form.Group]
				}
				if got != want[from*form.Block+i] {
					t.Fatalf("%s: element %d is %v by integers, %v decoded", kind, i, got, want[from*form.Block+i])
				}
			}
		}
	}
	for kind := range table {
		if _, ok := kind.Integers(); ok != (integerForms[kind].read != nil) {
			t.Errorf("%s: integers: %v", kind, ok)
		}
	}
}

// TestBytes compares the vectors of bytes with the plain loops.
func TestBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	src, got, want := make([]uint8, 32), make([]uint8, 32), make([]uint8, 32)
	for range 1000 {
		for i := range src {
			src[i] = uint8(r.Uint32())
		}
		shift := r.IntN(8)
		mask := uint8(1)<<min(4, 1+r.IntN(8-shift)) - 1
		n := 16 + 16*r.IntN(2)
		takeBits(got[:n], src, shift, mask)
		takeBitsPlain(want[:n], src, shift, mask)
		compareBytes(t, got[:n], want[:n])
		takeNibbles(got[:n], src[:n/2])
		takeNibblesPlain(want[:n], src[:n/2])
		compareBytes(t, got[:n], want[:n])
		addBits(got[:n], src, shift, 1, 7)
		addBitsPlain(want[:n], src, shift, 1, 7)
		compareBytes(t, got[:n], want[:n])
		fromSigned(got, src)
		fromSignedPlain(want, src)
		compareBytes(t, got, want)
		takeLevels(got, src)
		takeLevelsPlain(want, src)
		compareBytes(t, got, want)
		both, both2 := make([]uint8, 64), make([]uint8, 64)
		takeNibbles(both, src)
		takeNibblesPlain(both2, src)
		compareBytes(t, both, both2)
		scaled, scaled2 := make([]float32, 8), make([]float32, 8)
		bytes, scale := r.Uint64(), float32(r.NormFloat64())
		scaleBytes(scaled, bytes, scale)
		scaleBytesPlain(scaled2, bytes, scale)
		if !slices.Equal(scaled, scaled2) {
			t.Fatalf("%x times %v is %v, want %v", bytes, scale, scaled, scaled2)
		}
	}
}

func compareBytes(t *testing.T, got, want []uint8) {
	t.Helper()
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d is %d, want %d", i, got[i], want[i])
		}
	}
}
