//go:build amd64 && goexperiment.simd

package gguf

import "simd/archsimd"

// vectorBytes is set where the processor has vectors of bytes.
var vectorBytes = archsimd.X86.AVX2()

func takeBits(dst, src []uint8, shift int, mask uint8) {
	switch {
	case vectorBytes && len(dst) == 32:
		bits32(src, shift, mask).Store((*[32]uint8)(dst))
	case vectorBytes && len(dst) == 16:
		q := archsimd.LoadUint8x16((*[16]uint8)(src)).AsUint16x8().ShiftAllRight(uint64(shift)).AsUint8x16()
		q.And(archsimd.BroadcastUint8x16(mask)).Store((*[16]uint8)(dst))
	default:
		takeBitsPlain(dst, src, shift, mask)
	}
}

func takeNibbles(dst, src []uint8) {
	switch {
	case vectorBytes && len(dst) == 64:
		bytes, mask := archsimd.LoadUint8x32((*[32]uint8)(src)), archsimd.BroadcastUint8x32(15)
		bytes.And(mask).Store((*[32]uint8)(dst))
		bytes.AsUint16x16().ShiftAllRight(4).AsUint8x32().And(mask).Store((*[32]uint8)(dst[32:]))
	case vectorBytes && len(dst) == 32:
		bytes, mask := archsimd.LoadUint8x16((*[16]uint8)(src)), archsimd.BroadcastUint8x16(15)
		bytes.And(mask).Store((*[16]uint8)(dst))
		bytes.AsUint16x8().ShiftAllRight(4).AsUint8x16().And(mask).Store((*[16]uint8)(dst[16:]))
	default:
		takeNibblesPlain(dst, src)
	}
}

func scaleBytes(dst []float32, bytes uint64, scale float32) {
	if !vectorBytes {
		scaleBytesPlain(dst, bytes, scale)
		return
	}
	numbers := archsimd.BroadcastUint64x2(bytes).AsUint8x16().ExtendLo8ToUint32().AsInt32x8().ConvertToFloat32()
	numbers.Mul(archsimd.BroadcastFloat32x8(scale)).Store((*[8]float32)(dst))
}

// bits32 returns 32 bytes shifted and masked. The bits that a shift moves from one byte into another are not in the mask.
func bits32(src []uint8, shift int, mask uint8) archsimd.Uint8x32 {
	return archsimd.LoadUint8x32((*[32]uint8)(src)).AsUint16x16().ShiftAllRight(uint64(shift)).AsUint8x32().And(archsimd.BroadcastUint8x32(mask))
}

func addBits(dst, src []uint8, shift int, mask uint8, left int) {
	if !vectorBytes || len(dst) != 32 {
		addBitsPlain(dst, src, shift, mask, left)
		return
	}
	bits := bits32(src, shift, mask).AsUint16x16().ShiftAllLeft(uint64(left)).AsUint8x32()
	to := (*[32]uint8)(dst)
	archsimd.LoadUint8x32(to).Or(bits).Store(to)
}

func fromSigned(dst, src []uint8) {
	if !vectorBytes || len(dst) != 32 {
		fromSignedPlain(dst, src)
		return
	}
	archsimd.LoadUint8x32((*[32]uint8)(src)).Xor(archsimd.BroadcastUint8x32(128)).Store((*[32]uint8)(dst))
}

func takeLevels(dst, nibbles []uint8) {
	if !vectorBytes {
		takeLevelsPlain(dst, nibbles)
		return
	}
	takeNibbles(dst[:32], nibbles)
	table := archsimd.LoadUint8x16(&iq4Bytes)
	for i := 0; i < 32; i += 16 {
		to := (*[16]uint8)(dst[i:])
		table.PermuteOrZero(archsimd.LoadUint8x16(to).AsInt8x16()).Store(to)
	}
}
