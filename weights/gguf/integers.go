package gguf

import "encoding/binary"

// Integers says how the values of a quantized type are made of small integers, which a
// processor multiplies faster than numbers: value = scale·(quant − Zero) − minimum, where
// scale and minimum are those of a group of elements, and there are minima only with Mins.
type Integers struct {
	Block int // elements of a block; rows consist of whole blocks
	Group int // elements with one scale: 16 or 32
	Zero  int // less than 256
	Mins  bool
}

// integerForm describes a type with integers.
type integerForm struct {
	zero, group int
	mins        bool
	read        func(quants []uint8, scales, mins []float32, block []byte) // one block
}

var integerForms = [len(formats)]integerForm{
	Q4_0:  {8, 32, false, integersQ4_0},
	Q4_1:  {0, 32, true, integersQ4_1},
	Q5_0:  {16, 32, false, integersQ5_0},
	Q5_1:  {0, 32, true, integersQ5_1},
	Q8_0:  {128, 32, false, integersQ8_0},
	Q2K:   {0, 16, true, integersQ2K},
	Q3K:   {4, 16, false, integersQ3K},
	Q4K:   {0, 32, true, integersQ4K},
	Q5K:   {0, 32, true, integersQ5K},
	Q6K:   {32, 16, false, integersQ6K},
	IQ4NL: {128, 32, false, integersIQ4NL},
	IQ4XS: {128, 32, false, integersIQ4XS},
}

// Integers returns the form of a quantized type, and false for a type that has none.
func (t Type) Integers() (Integers, bool) {
	if int(t) >= len(integerForms) || integerForms[t].read == nil {
		return Integers{}, false
	}
	f := &integerForms[t]
	block, _ := t.Block()
	return Integers{Block: block, Group: f.group, Zero: f.zero, Mins: f.mins}, true
}

// IntegersAt reads the elements of whole blocks from begin on: their quants, and the scales
// and minima of their groups. Their values, as computed by [Integers], are those of
// [Type.DecodeAt]. It panics if data do not hold the elements. The type must have integers;
// mins is not used without minima.
func (t Type) IntegersAt(quants []uint8, scales, mins []float32, data []byte, begin int) {
	f, form := formats[t], &integerForms[t]
	groups := f.elements / form.group
	data = data[begin/f.elements*f.bytes:]
	for len(quants) > 0 {
		form.read(quants[:f.elements], scales[:groups], mins, data[:f.bytes])
		quants, scales, data = quants[f.elements:], scales[groups:], data[f.bytes:]
		if form.mins {
			mins = mins[groups:]
		}
	}
}

func integersQ4_0(q []uint8, scales, _ []float32, b []byte) {
	scales[0] = half(b)
	takeNibbles(q[:32], b[2:18])
}

func integersQ4_1(q []uint8, scales, mins []float32, b []byte) {
	scales[0], mins[0] = half(b), -half(b[2:])
	takeNibbles(q[:32], b[4:20])
}

// fifth adds 32 fifth bits.
func fifth(q []uint8, high uint32) {
	for j := range q[:32] {
		q[j] |= uint8(high>>j&1) << 4 //nolint:gosec // one bit
	}
}

func integersQ5_0(q []uint8, scales, _ []float32, b []byte) {
	scales[0] = half(b)
	takeNibbles(q[:32], b[6:22])
	fifth(q, binary.LittleEndian.Uint32(b[2:]))
}

func integersQ5_1(q []uint8, scales, mins []float32, b []byte) {
	scales[0], mins[0] = half(b), -half(b[2:])
	takeNibbles(q[:32], b[8:24])
	fifth(q, binary.LittleEndian.Uint32(b[4:]))
}

func integersQ8_0(q []uint8, scales, _ []float32, b []byte) {
	scales[0] = half(b)
	fromSigned(q[:32], b[2:34])
}

func integersIQ4NL(q []uint8, scales, _ []float32, b []byte) {
	scales[0] = half(b)
	takeLevels(q[:32], b[2:18])
}

func integersIQ4XS(q []uint8, scales, _ []float32, b []byte) {
	d, high, low := half(b), binary.LittleEndian.Uint16(b[2:]), b[4:8]
	for k := range 8 {
		scale := int(low[k/2]>>(4*(k&1))&15) | int(high>>(2*k)&3)<<4
		scales[k] = d * float32(scale-32)
		takeLevels(q[32*k:][:32], b[8+16*k:][:16])
	}
}

func integersQ2K(q []uint8, scales, mins []float32, b []byte) {
	d, dmin := half(b[80:]), half(b[82:])
	for i, s := range b[:16] {
		scales[i], mins[i] = d*float32(s&15), dmin*float32(s>>4)
	}
	for g := range 8 {
		takeBits(q[32*g:][:32], b[16+32*(g/4):][:32], 2*(g%4), 3)
	}
}

func integersQ3K(q []uint8, scales, _ []float32, b []byte) {
	s, d := b[96:108], half(b[108:])
	for i := range 16 {
		scales[i] = d * float32(int(s[i%8]>>(4*(i/8))&15|s[8+i%4]>>(2*(i/4))&3<<4)-32)
	}
	for g := range 8 {
		takeBits(q[32*g:][:32], b[32+32*(g/4):][:32], 2*(g%4), 3)
		addBits(q[32*g:][:32], b[:32], g, 1, 2)
	}
}

// scalesMins reads the eight pairs of Q4_K and Q5_K: see [scaleMin].
func scalesMins(scales, mins []float32, b []byte) {
	first, second, third := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	scaleBytes(scales, uint64(first&0x3f3f3f3f)|uint64(third&0x0f0f0f0f|first>>2&0x30303030)<<32, half(b))
	scaleBytes(mins, uint64(second&0x3f3f3f3f)|uint64(third>>4&0x0f0f0f0f|second>>2&0x30303030)<<32, half(b[2:]))
}

// takeAllNibbles reads 256 nibbles, the low ones of 32 bytes before their high ones.
func takeAllNibbles(q []uint8, b []byte) {
	for j := range 4 {
		takeNibbles(q[64*j:][:64], b[32*j:][:32])
	}
}

func integersQ4K(q []uint8, scales, mins []float32, b []byte) {
	scalesMins(scales, mins, b)
	takeAllNibbles(q, b[16:144])
}

func integersQ5K(q []uint8, scales, mins []float32, b []byte) {
	scalesMins(scales, mins, b)
	takeAllNibbles(q, b[48:176])
	for j := range 8 {
		addBits(q[32*j:][:32], b[16:48], j, 1, 4)
	}
}

func integersQ6K(q []uint8, scales, _ []float32, b []byte) {
	low, high, d := b[:128], b[128:192], half(b[208:])
	for i, s := range b[192:208] {
		scales[i] = d * float32(int8(s)) //nolint:gosec // signed in the file
	}
	for g := range 8 {
		n, t := g/4, g%4
		takeBits(q[32*g:][:32], low[64*n+32*(t&1):][:32], 4*(t/2), 15)
		addBits(q[32*g:][:32], high[32*n:][:32], 2*t, 3, 4)
	}
}

// iq4Bytes are the levels of the IQ4 types, more by 128.
var iq4Bytes = func() (levels [16]uint8) {
	for i, v := range iq4 {
		levels[i] = uint8(int(v) + 128)
	}
	return levels
}()

// The loops below are those of processors without vectors, and say what the vectors compute.

// takeBitsPlain sets dst to src>>shift & mask.
func takeBitsPlain(dst, src []uint8, shift int, mask uint8) {
	for i, b := range src[:len(dst)] {
		dst[i] = b >> shift & mask
	}
}

// takeNibblesPlain sets the first half of dst to the low halves of bytes, and the second to the high ones.
func takeNibblesPlain(dst, src []uint8) {
	low, high := dst[:len(dst)/2], dst[len(dst)/2:]
	takeBitsPlain(low, src, 0, 15)
	takeBitsPlain(high, src, 4, 15)
}

// scaleBytesPlain sets dst to eight bytes, the lowest first, times scale.
func scaleBytesPlain(dst []float32, bytes uint64, scale float32) {
	for i := range dst[:8] {
		dst[i] = scale * float32(bytes>>(8*i)&255)
	}
}

// addBitsPlain adds (src>>shift & mask)<<left to bits of dst that are zero.
func addBitsPlain(dst, src []uint8, shift int, mask uint8, left int) {
	for i, b := range src[:len(dst)] {
		dst[i] |= b >> shift & mask << left
	}
}

// fromSignedPlain adds 128 to signed bytes.
func fromSignedPlain(dst, src []uint8) {
	for i, b := range src[:len(dst)] {
		dst[i] = b ^ 128
	}
}

// takeLevelsPlain decodes 32 nibbles as indexes of iq4.
func takeLevelsPlain(dst, nibbles []uint8) {
	for j, b := range nibbles[:16] {
		dst[j], dst[j+16] = iq4Bytes[b&15], iq4Bytes[b>>4] //nolint:gosec // of 16
	}
}
