//go:build !amd64

package cpu

import "unsafe"

// What packs the operands of products of pairs, in portable Go: see kernel_amd64.s and kernel_bf16_amd64.s.

// narrow16 rounds 16·vectors elements to bf16.
func narrow16(dst *uint16, src *float32, vectors int) {
	to, from := unsafe.Slice(dst, 16*vectors), unsafe.Slice(src, 16*vectors)
	for i, v := range from {
		to[i] = nearest(v)
	}
}

// zip16 rounds 16·vectors elements of a and of b to bf16, and makes words of them: a is the first half.
func zip16(dst, a, b *float32, vectors int) {
	n := 16 * vectors
	to, x, y := unsafe.Slice((*uint16)(unsafe.Pointer(dst)), 2*n), unsafe.Slice(a, n), unsafe.Slice(b, n)
	for i := range n {
		to[2*i], to[2*i+1] = nearest(x[i]), nearest(y[i])
	}
}

// transpose8 transposes 8 rows of 8·blocks words; the strides are bytes.
func transpose8(dst *float32, ds int, src *float32, ss int, blocks int) {
	for r := range 8 {
		row := unsafe.Slice((*uint32)(unsafe.Add(unsafe.Pointer(src), r*ss)), 8*blocks)
		for p, v := range row {
			*(*uint32)(unsafe.Add(unsafe.Pointer(dst), p*ds+4*r)) = v
		}
	}
}
