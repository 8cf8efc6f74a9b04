package float

import "math"

// FromF8E4M3 widens an 8-bit float with 4 bits of exponent (bias 7) and 3 of mantissa,
// as PyTorch's float8_e4m3fn: no infinity, NaN is 0x7f and 0xff. Exact.
func FromF8E4M3(b byte) float32 { return e4m3[b] }

// FromF8E5M2 widens an 8-bit float with 5 bits of exponent and 2 of mantissa: the
// upper half of a binary16. Exact.
func FromF8E5M2(b byte) float32 { return e5m2[b] }

var e4m3, e5m2 = func() (e4m3, e5m2 [256]float32) {
	for i := range 256 {
		e5m2[i] = FromF16(uint16(i) << 8)
		sign, exponent, mantissa := uint32(i>>7)<<31, uint32(i>>3&15), uint32(i&7)
		switch {
		case i&0x7f == 0x7f:
			e4m3[i] = math.Float32frombits(sign | 0x7fc00000)
		case exponent == 0: // zero or subnormal
			e4m3[i] = math.Float32frombits(sign | math.Float32bits(float32(mantissa)*0x1p-9))
		default:
			e4m3[i] = math.Float32frombits(sign | (exponent+127-7)<<23 | mantissa<<20)
		}
	}
	return e4m3, e5m2
}()
