//go:build amd64 && goexperiment.simd

package float

import (
	"unsafe"

	"simd/archsimd"
)

// The kernels return how many numbers they have done: all whole vectors, or none without AVX-512.

func vectorBF16(dst []float32, data []byte) int {
	if !archsimd.X86.AVX512() {
		return 0
	}
	n := len(dst) / 16 * 16
	for i := 0; i < n; i += 16 {
		halves(data, i).ShiftAllLeft(16).AsFloat32x16().Store((*[16]float32)(dst[i:]))
	}
	return n
}

// vectorF16 moves exponent and mantissa to their places in a float32 and multiplies by the ratio of the biases, which is
// exact, for subnormal numbers too.
func vectorF16(dst []float32, data []byte) int {
	if !archsimd.X86.AVX512() {
		return 0
	}
	n := len(dst) / 16 * 16
	signs, sizes := archsimd.BroadcastUint32x16(0x8000), archsimd.BroadcastUint32x16(0x7fff)
	ratio, largest := archsimd.BroadcastFloat32x16(0x1p112), archsimd.BroadcastUint32x16(0x7bff)
	infinite := archsimd.BroadcastUint32x16(0x7f800000)
	for i := 0; i < n; i += 16 {
		h := halves(data, i)
		size := h.And(sizes)
		bits := size.ShiftAllLeft(13)
		value := bits.AsFloat32x16().Mul(ratio).AsUint32x16()
		value = bits.Or(infinite).Merge(value, size.Greater(largest))
		value.Or(h.And(signs).ShiftAllLeft(16)).AsFloat32x16().Store((*[16]float32)(dst[i:]))
	}
	return n
}

// vectorF8 is vectorF16 for a type of 8 bits: from code special on, all sizes are infinities and NaN.
func vectorF8(dst []float32, data []byte, shift uint64, bias float32, special uint32) int {
	if !archsimd.X86.AVX512() {
		return 0
	}
	n := len(dst) / 16 * 16
	signs, sizes := archsimd.BroadcastUint32x16(0x80), archsimd.BroadcastUint32x16(0x7f)
	ratio, largest := archsimd.BroadcastFloat32x16(bias), archsimd.BroadcastUint32x16(special-1)
	infinite := archsimd.BroadcastUint32x16(0x7f800000)
	for i := 0; i < n; i += 16 {
		h := archsimd.LoadUint8x16((*[16]uint8)(data[i:])).ExtendToUint32()
		size := h.And(sizes)
		bits := size.ShiftAllLeft(shift)
		value := bits.AsFloat32x16().Mul(ratio).AsUint32x16()
		value = bits.Or(infinite).Merge(value, size.Greater(largest))
		value.Or(h.And(signs).ShiftAllLeft(24)).AsFloat32x16().Store((*[16]float32)(dst[i:]))
	}
	return n
}

func vectorScale(dst []float32, by float32) int {
	if !archsimd.X86.AVX512() {
		return 0
	}
	n := len(dst) / 16 * 16
	ratio := archsimd.BroadcastFloat32x16(by)
	for i := 0; i < n; i += 16 {
		v := (*[16]float32)(dst[i:])
		archsimd.LoadFloat32x16(v).Mul(ratio).Store(v)
	}
	return n
}

// halves loads the 16 numbers of 16 bits from number i on. They need not be aligned.
func halves(data []byte, i int) archsimd.Uint32x16 {
	from := (*[32]byte)(data[2*i:])
	return archsimd.LoadUint16x16((*[16]uint16)(unsafe.Pointer(from))).ExtendToUint32()
}

// vectorFinite16 returns how many bytes from the beginning hold finite numbers: whole vectors, up to the first that has
// another.
func vectorFinite16(data []byte, mask uint16) int {
	if !archsimd.X86.AVX512() {
		return 0
	}
	exponent := archsimd.BroadcastUint16x32(mask)
	i := 0
	for ; i+64 <= len(data); i += 64 {
		v := archsimd.LoadUint16x32((*[32]uint16)(unsafe.Pointer((*[64]byte)(data[i:]))))
		if v.And(exponent).Equal(exponent).ToBits() != 0 {
			break
		}
	}
	return i
}

// vectorFinite32 is vectorFinite16 for float32.
func vectorFinite32(data []byte) int {
	if !archsimd.X86.AVX512() {
		return 0
	}
	exponent := archsimd.BroadcastUint32x16(0x7f800000)
	i := 0
	for ; i+64 <= len(data); i += 64 {
		v := archsimd.LoadUint32x16((*[16]uint32)(unsafe.Pointer((*[64]byte)(data[i:]))))
		if v.And(exponent).Equal(exponent).ToBits() != 0 {
			break
		}
	}
	return i
}
