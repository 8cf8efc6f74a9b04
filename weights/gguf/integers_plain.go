//go:build !amd64 || !goexperiment.simd

package gguf

func takeBits(dst, src []uint8, shift int, mask uint8) { takeBitsPlain(dst, src, shift, mask) }

func takeNibbles(dst, src []uint8) { takeNibblesPlain(dst, src) }

func scaleBytes(dst []float32, bytes uint64, scale float32) { scaleBytesPlain(dst, bytes, scale) }

func addBits(dst, src []uint8, shift int, mask uint8, left int) {
	addBitsPlain(dst, src, shift, mask, left)
}

func fromSigned(dst, src []uint8) { fromSignedPlain(dst, src) }

func takeLevels(dst, nibbles []uint8) { takeLevelsPlain(dst, nibbles) }
