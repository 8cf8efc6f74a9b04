//go:build amd64 && goexperiment.simd

package gguf

import (
	"encoding/binary"

	"simd/archsimd"
)

// The decoders of blocks for vectors of 512 bits. Every value is rounded as in blocks.go: products before sums.

// vectorDecoder returns the decoder of a block of a quantized type, or nil.
func vectorDecoder(t Type) func(dst []float32, b []byte) {
	if !archsimd.X86.AVX512() {
		return nil
	}
	switch t {
	case Q4_0:
		return func(dst []float32, b []byte) { vector32(dst, b[2:18], nil, affine{d: half(b), less: 8}) }
	case Q4_1:
		return func(dst []float32, b []byte) { vector32(dst, b[4:20], nil, affine{d: half(b), m: half(b[2:])}) }
	case Q5_0:
		return func(dst []float32, b []byte) { vector32(dst, b[6:22], b[2:6], affine{d: half(b), less: 16}) }
	case Q5_1:
		return func(dst []float32, b []byte) { vector32(dst, b[8:24], b[4:8], affine{d: half(b), m: half(b[2:])}) }
	case Q8_0:
		return vectorQ8_0
	case Q2K:
		return vectorQ2K
	case Q3K:
		return vectorQ3K
	case Q4K:
		return func(dst []float32, b []byte) { vectorPairs(dst, b, nil, b[16:144]) }
	case Q5K:
		return func(dst []float32, b []byte) { vectorPairs(dst, b, b[16:48], b[48:176]) }
	case Q6K:
		return vectorQ6K
	case IQ4NL:
		return func(dst []float32, b []byte) { vectorLevels(dst, half(b), b[2:18]) }
	case IQ4XS:
		return vectorIQ4XS
	}
	return nil
}

// load16 returns 16 bytes as numbers.
func load16(b []byte) archsimd.Uint32x16 {
	return archsimd.LoadUint8x16((*[16]uint8)(b)).ExtendToUint32()
}

func store16(v archsimd.Float32x16, dst []float32) { v.Store((*[16]float32)(dst)) }

// lane are the numbers 0 to 15, as shifts.
var lane = [16]uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// affine is how quants become values: d·(q−less) + m. The types with m are those without less.
type affine struct {
	d, m float32
	less int32
}

// vector32 decodes 32 nibbles, and fifth bits if there are any.
func vector32(dst []float32, nibbles, fifth []byte, a affine) {
	q := load16(nibbles)
	first, second := q.And(archsimd.BroadcastUint32x16(15)), q.ShiftAllRight(4)
	if fifth != nil {
		shifts, four := archsimd.LoadUint32x16(&lane), archsimd.BroadcastUint32x16(16)
		bits := binary.LittleEndian.Uint32(fifth)
		first = first.Or(archsimd.BroadcastUint32x16(bits << 4).ShiftRight(shifts).And(four))
		second = second.Or(archsimd.BroadcastUint32x16(bits >> 12).ShiftRight(shifts).And(four))
	}
	scale := archsimd.BroadcastFloat32x16(a.d)
	if a.less > 0 {
		by := archsimd.BroadcastInt32x16(a.less)
		store16(first.AsInt32x16().Sub(by).ConvertToFloat32().Mul(scale), dst)
		store16(second.AsInt32x16().Sub(by).ConvertToFloat32().Mul(scale), dst[16:])
		return
	}
	by := archsimd.BroadcastFloat32x16(a.m)
	store16(first.ConvertToFloat32().Mul(scale).Add(by), dst)
	store16(second.ConvertToFloat32().Mul(scale).Add(by), dst[16:])
}

func vectorQ8_0(dst []float32, b []byte) {
	d := archsimd.BroadcastFloat32x16(half(b))
	first := archsimd.LoadUint8x16((*[16]uint8)(b[2:])).AsInt8x16().ExtendToInt32()
	second := archsimd.LoadUint8x16((*[16]uint8)(b[18:])).AsInt8x16().ExtendToInt32()
	store16(first.ConvertToFloat32().Mul(d), dst)
	store16(second.ConvertToFloat32().Mul(d), dst[16:])
}

// vectorPairs decodes eight groups of 32 nibbles with pairs of scale and minimum, and fifth bits if there are any.
func vectorPairs(dst []float32, b, high, qs []byte) {
	d, dmin, s := half(b), half(b[2:]), b[4:16]
	low, one := archsimd.BroadcastUint32x16(15), archsimd.BroadcastUint32x16(1)
	for j := range 8 {
		scale, minimum := scaleMin(s, j)
		dl := archsimd.BroadcastFloat32x16(float32(d * float32(scale)))
		ml := archsimd.BroadcastFloat32x16(float32(dmin * float32(minimum)))
		for l := 0; l < 32; l += 16 {
			q := load16(qs[32*(j/2)+l:])
			if j&1 == 1 {
				q = q.ShiftAllRight(4)
			} else {
				q = q.And(low)
			}
			if high != nil {
				q = q.Or(load16(high[l:]).ShiftAllRight(uint64(j)).And(one).ShiftAllLeft(4))
			}
			store16(q.ConvertToFloat32().Mul(dl).Sub(ml), dst[32*j+l:])
		}
	}
}

func vectorQ2K(dst []float32, b []byte) {
	scales, qs, d, dmin := b[:16], b[16:80], half(b[80:]), half(b[82:])
	low := archsimd.BroadcastUint32x16(3)
	for i := range 16 {
		dl := archsimd.BroadcastFloat32x16(float32(d * float32(scales[i]&15)))
		ml := archsimd.BroadcastFloat32x16(float32(dmin * float32(scales[i]>>4)))
		q := load16(qs[32*(i/8)+16*(i&1):]).ShiftAllRight(uint64(2 * (i % 8 / 2))).And(low)
		store16(q.ConvertToFloat32().Mul(dl).Sub(ml), dst[16*i:])
	}
}

func vectorQ3K(dst []float32, b []byte) {
	high, qs, s, d := b[:32], b[32:96], b[96:108], half(b[108:])
	low, one, four := archsimd.BroadcastUint32x16(3), archsimd.BroadcastUint32x16(1), archsimd.BroadcastInt32x16(4)
	for i := range 16 {
		scale := int(s[i%8]>>(4*(i/8))&15|s[8+i%4]>>(2*(i/4))&3<<4) - 32
		dl := archsimd.BroadcastFloat32x16(d * float32(scale))
		q := load16(qs[32*(i/8)+16*(i&1):]).ShiftAllRight(uint64(2 * (i % 8 / 2))).And(low)
		q = q.Or(load16(high[16*(i&1):]).ShiftAllRight(uint64(i / 2)).And(one).ShiftAllLeft(2))
		store16(q.AsInt32x16().Sub(four).ConvertToFloat32().Mul(dl), dst[16*i:])
	}
}

func vectorQ6K(dst []float32, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	four, two, less := archsimd.BroadcastUint32x16(15), archsimd.BroadcastUint32x16(3), archsimd.BroadcastInt32x16(32)
	for i := range 16 {
		dl := archsimd.BroadcastFloat32x16(d * float32(int8(scales[i])))
		n, t, l0 := i/8, i%8/2, 16*(i&1)
		q := load16(low[64*n+32*(t&1)+l0:]).ShiftAllRight(uint64(4 * (t / 2))).And(four)
		q = q.Or(load16(high[32*n+l0:]).ShiftAllRight(uint64(2 * t)).And(two).ShiftAllLeft(4))
		store16(q.AsInt32x16().Sub(less).ConvertToFloat32().Mul(dl), dst[16*i:])
	}
}

// vectorLevels decodes 32 nibbles as indexes of iq4.
func vectorLevels(dst []float32, d float32, nibbles []byte) {
	table, scale, q := archsimd.LoadFloat32x16(&iq4), archsimd.BroadcastFloat32x16(d), load16(nibbles)
	store16(table.Permute(q.And(archsimd.BroadcastUint32x16(15))).Mul(scale), dst)
	store16(table.Permute(q.ShiftAllRight(4)).Mul(scale), dst[16:])
}

func vectorIQ4XS(dst []float32, b []byte) {
	d, high, low, qs := half(b), binary.LittleEndian.Uint16(b[2:]), b[4:8], b[8:136]
	for k := range 8 {
		scale := int(low[k/2]>>(4*(k&1))&15) | int(high>>(2*k)&3)<<4
		vectorLevels(dst[32*k:], d*float32(scale-32), qs[16*k:])
	}
}
