package cpu

import (
	"math"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// The roundings to 16 bits. GoMLX's own round subnormal f16 to zero, and NaN with low bits only to an infinite bf16.

// halfOf rounds to the nearest f16, ties to even, subnormal ones among them; NaN stays NaN.
func halfOf(x float32) float16.Float16 {
	b := math.Float32bits(x)
	sign, size := uint16(b>>16&0x8000), b&^(1<<31)
	switch {
	case size > 0x7f800000:
		return float16.Float16(sign | 0x7e00)
	case size >= 0x47800000: // 2^16
		return float16.Float16(sign | 0x7c00)
	case size < 0x38800000: // 2^-14: the last bit of 1/2 + x counts the smallest f16
		aligned := math.Float32bits(math.Float32frombits(size)+0.5) - math.Float32bits(0.5)
		return float16.Float16(sign | uint16(aligned))
	}
	size += 0xfff + size>>13&1
	return float16.Float16(sign | uint16((size-(127-15)<<23)>>13))
}

// roundF16 is the f32 of halfOf.
func roundF16(x float32) float32 { return halfOf(x).Float32() }

// bfloatOf rounds to the nearest bf16, ties to even; NaN stays NaN.
func bfloatOf(x float32) bfloat16.BFloat16 {
	if x != x {
		return bfloat16.BFloat16(math.Float32bits(x)>>16 | 1<<6)
	}
	return bfloat16.BFloat16(math.Float32bits(roundBF16(x)) >> 16)
}
