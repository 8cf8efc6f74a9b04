package float

import "encoding/binary"

// The functions for slices widen as many numbers as dst has from little-endian data, with vectors where the processor has
// them. The results are those of the functions for one number.

// WidenBF16 is [FromBF16] for a slice.
func WidenBF16(dst []float32, data []byte) {
	for i := vectorBF16(dst, data); i < len(dst); i++ {
		dst[i] = FromBF16(binary.LittleEndian.Uint16(data[2*i:]))
	}
}

// WidenF16 is [FromF16] for a slice.
func WidenF16(dst []float32, data []byte) {
	for i := vectorF16(dst, data); i < len(dst); i++ {
		dst[i] = FromF16(binary.LittleEndian.Uint16(data[2*i:]))
	}
}

// WidenF8E4M3 is [FromF8E4M3] for a slice.
func WidenF8E4M3(dst []float32, data []byte) {
	for i := vectorF8(dst, data, 20, 0x1p120, 0x7f); i < len(dst); i++ {
		dst[i] = FromF8E4M3(data[i])
	}
}

// WidenF8E5M2 is [FromF8E5M2] for a slice.
func WidenF8E5M2(dst []float32, data []byte) {
	for i := vectorF8(dst, data, 21, 0x1p112, 0x7c); i < len(dst); i++ {
		dst[i] = FromF8E5M2(data[i])
	}
}

// Scale multiplies all numbers by one.
func Scale(dst []float32, by float32) {
	for i := vectorScale(dst, by); i < len(dst); i++ {
		dst[i] *= by
	}
}

// FirstNotFinite16 returns the index of the first number of 16 bits whose exponent has all bits set, those of mask, or -1.
func FirstNotFinite16(data []byte, mask uint16) int {
	for i := vectorFinite16(data, mask); i+1 < len(data); i += 2 {
		if binary.LittleEndian.Uint16(data[i:])&mask == mask {
			return i / 2
		}
	}
	return -1
}

// FirstNotFinite32 returns the index of the first float32 that is not finite, or -1.
func FirstNotFinite32(data []byte) int {
	const mask = 0x7f800000
	for i := vectorFinite32(data); i+3 < len(data); i += 4 {
		if binary.LittleEndian.Uint32(data[i:])&mask == mask {
			return i / 4
		}
	}
	return -1
}
