package gguf

import (
	"encoding/binary"
	"math"

	"reflectionflow/weights/internal/float"
)

// Every product below is rounded to float32 by a conversion before it is added to:
// without it the compiler may fuse the two, which changes values.

func half(b []byte) float32 { return float.FromF16(binary.LittleEndian.Uint16(b)) }

// decodeF32 reads as many elements as dst has.
func decodeF32(dst []float32, b []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}

// decodeQ4_0 reads d and 32 nibbles: d·(q−8). In all blocks of 32, the low nibble of
// byte j is element j and the high one element j+16.
func decodeQ4_0(dst []float32, b []byte) {
	d, qs, dst := half(b), b[2:18], dst[:32]
	for j, q := range qs {
		dst[j] = d * float32(int(q&15)-8)
		dst[j+16] = d * float32(int(q>>4)-8)
	}
}

// decodeQ4_1 reads d, m and 32 nibbles: d·q + m.
func decodeQ4_1(dst []float32, b []byte) {
	d, m, qs, dst := half(b), half(b[2:]), b[4:20], dst[:32]
	for j, q := range qs {
		dst[j] = float32(d*float32(q&15)) + m
		dst[j+16] = float32(d*float32(q>>4)) + m
	}
}

// decodeQ5_0 reads d, 32 fifth bits and 32 nibbles: d·(q−16).
func decodeQ5_0(dst []float32, b []byte) {
	d, high, qs, dst := half(b), binary.LittleEndian.Uint32(b[2:]), b[6:22], dst[:32]
	for j, q := range qs {
		dst[j] = d * float32(int(uint32(q&15)|high>>j&1<<4)-16)
		dst[j+16] = d * float32(int(uint32(q>>4)|high>>(j+16)&1<<4)-16)
	}
}

// decodeQ5_1 reads d, m, 32 fifth bits and 32 nibbles: d·q + m.
func decodeQ5_1(dst []float32, b []byte) {
	d, m, high, qs, dst := half(b), half(b[2:]), binary.LittleEndian.Uint32(b[4:]), b[8:24], dst[:32]
	for j, q := range qs {
		dst[j] = float32(d*float32(uint32(q&15)|high>>j&1<<4)) + m
		dst[j+16] = float32(d*float32(uint32(q>>4)|high>>(j+16)&1<<4)) + m
	}
}

// decodeQ8_0 reads d and 32 signed bytes: d·q.
func decodeQ8_0(dst []float32, b []byte) {
	d, qs, dst := half(b), b[2:34], dst[:32]
	for j, q := range qs {
		dst[j] = d * float32(int8(q))
	}
}

// iq4 are the levels of the IQ4 types.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// decodeIQ4NL reads d and 32 nibbles: d·iq4[q].
func decodeIQ4NL(dst []float32, b []byte) {
	levels(dst[:32], half(b), b[2:18])
}

// levels decodes 32 nibbles as indexes of iq4.
func levels(dst []float32, d float32, qs []byte) {
	for j, q := range qs {
		dst[j] = d * iq4[q&15]
		dst[j+16] = d * iq4[q>>4]
	}
}

// decodeIQ4XS reads d, eight 6-bit scales and eight times 32 nibbles:
// d·(scale−32)·iq4[q].
func decodeIQ4XS(dst []float32, b []byte) {
	d, high, low, qs := half(b), binary.LittleEndian.Uint16(b[2:]), b[4:8], b[8:136]
	for k := range 8 {
		scale := int(low[k/2]>>(4*(k&1))&15) | int(high>>(2*k)&3)<<4
		levels(dst[32*k:][:32], d*float32(scale-32), qs[16*k:][:16])
	}
}

// decodeQ2K reads 16 pairs of scale and minimum of 4 bits, 256 numbers of 2 bits, d
// and dmin: (d·scale)·q − dmin·minimum.
func decodeQ2K(dst []float32, b []byte) {
	scales, qs, d, dmin := b[:16], b[16:80], half(b[80:]), half(b[82:])
	for i := range 16 { // groups of 16 elements
		dl, ml := float32(d*float32(scales[i]&15)), float32(dmin*float32(scales[i]>>4))
		group, from := dst[16*i:][:16], qs[32*(i/8)+16*(i&1):][:16]
		shift := 2 * (i % 8 / 2)
		for l := range group {
			group[l] = float32(dl*float32(from[l]>>shift&3)) - ml
		}
	}
}

// decodeQ3K reads 256 third bits, 256 numbers of 2 bits, 16 scales of 6 bits and d:
// (d·(scale−32))·q, with q less by 4 if its third bit is not set.
func decodeQ3K(dst []float32, b []byte) {
	high, qs, s, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for i := range 16 { // groups of 16 elements
		scale := int(s[i%8]>>(4*(i/8))&15|s[8+i%4]>>(2*(i/4))&3<<4) - 32
		dl := d * float32(scale)
		group, from, third := dst[16*i:][:16], qs[32*(i/8)+16*(i&1):][:16], high[16*(i&1):][:16]
		shift := 2 * (i % 8 / 2)
		for l := range group {
			q := int(from[l]>>shift&3) | int(third[l]>>(i/2)&1<<2)
			group[l] = dl * float32(q-4)
		}
	}
}

// scaleMin returns scale and minimum j of the 12 bytes that hold eight pairs of 6 bits.
func scaleMin(s []byte, j int) (scale, minimum byte) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

// decodeQ4K reads d, dmin, eight pairs of scale and minimum of 6 bits, and 256
// nibbles: (d·scale)·q − dmin·minimum.
func decodeQ4K(dst []float32, b []byte) {
	d, dmin, s, qs := half(b), half(b[2:]), b[4:16], b[16:144]
	for j := range 8 { // groups of 32 elements
		scale, minimum := scaleMin(s, j)
		dl, ml := float32(d*float32(scale)), float32(dmin*float32(minimum))
		group, from, shift := dst[32*j:][:32], qs[32*(j/2):][:32], 4*(j&1)
		for l := range group {
			group[l] = float32(dl*float32(from[l]>>shift&15)) - ml
		}
	}
}

// decodeQ5K is decodeQ4K with 256 fifth bits before the nibbles.
func decodeQ5K(dst []float32, b []byte) {
	d, dmin, s, high, qs := half(b), half(b[2:]), b[4:16], b[16:48], b[48:176]
	for j := range 8 { // groups of 32 elements
		scale, minimum := scaleMin(s, j)
		dl, ml := float32(d*float32(scale)), float32(dmin*float32(minimum))
		group, from, shift := dst[32*j:][:32], qs[32*(j/2):][:32], 4*(j&1)
		for l := range group {
			group[l] = float32(dl*float32(from[l]>>shift&15|high[l]>>j&1<<4)) - ml
		}
	}
}

// decodeQ6K reads 256 nibbles, 256 upper 2 bits, 16 signed scales and d:
// (d·scale)·(q−32).
func decodeQ6K(dst []float32, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for i := range 16 { // groups of 16 elements
		dl := d * float32(int8(scales[i]))
		n, t, l0 := i/8, i%8/2, 16*(i&1)
		group, nibbles, upper := dst[16*i:][:16], low[64*n+32*(t&1)+l0:][:16], high[32*n+l0:][:16]
		shift := 4 * (t / 2)
		for l := range group {
			q := int(nibbles[l]>>shift&15 | upper[l]>>(2*t)&3<<4)
			group[l] = dl * float32(q-32)
		}
	}
}
