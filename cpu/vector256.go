// Code generated from vector512.go by go generate. DO NOT EDIT.

//go:build amd64 && goexperiment.simd

package cpu

import (
	"unsafe"

	"simd/archsimd"
)

// Kernels for vectors of 256 bits, from which the files for 256 bits are generated. Every slice has the length of dst, a multiple of 16; slices are the same or do not overlap.
// x.Merge(y, m) is x where m holds and y elsewhere. Max and Min of the processor return their second operand if either
// is NaN, hence the extra comparisons.

func load256(s []float32, i int) archsimd.Float32x8 {
	return archsimd.LoadFloat32x8((*[8]float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i)))
}

func store256(v archsimd.Float32x8, s []float32, i int) {
	v.Store((*[8]float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i)))
}

// vectors256 is the table of the kernels.
func vectors256() *vectors {
	v := plainVectors()
	v.binary[opAdd], v.scalar[opAdd] = add256, addScalar256
	v.binary[opSub], v.scalar[opSub] = sub256, subScalar256
	v.binary[opMul], v.scalar[opMul] = mul256, mulScalar256
	v.binary[opDiv], v.scalar[opDiv] = div256, divScalar256
	v.binary[opMax], v.scalar[opMax] = max256, maxScalar256
	v.binary[opMin], v.scalar[opMin] = min256, minScalar256
	v.binary[opEq], v.scalar[opEq] = eq256, eqScalar256
	v.binary[opNe], v.scalar[opNe] = ne256, neScalar256
	v.binary[opLt], v.scalar[opLt] = lt256, ltScalar256
	v.binary[opLe], v.scalar[opLe] = le256, leScalar256
	v.unary[opNeg] = neg256
	v.unary[opAbs] = abs256
	v.unary[opSqrt] = sqrt256
	v.unary[opRsqrt] = rsqrt256
	v.unary[opExp] = exp256
	v.unary[opTanh] = tanh256
	v.unary[opLogistic] = logistic256
	v.unary[opErf] = erf256
	v.unary[opLog] = log256
	v.where, v.sum, v.largest, v.smallest = where256, sum256, largest256, smallest256
	v.stripes = stripes256()
	return v
}

func add256(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(x.Add(y), dst, i)
	}
}

func addScalar256(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(x.Add(y), dst, i)
	}
}

func sub256(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(x.Sub(y), dst, i)
	}
}

func subScalar256(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(x.Sub(y), dst, i)
	}
}

func mul256(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(x.Mul(y), dst, i)
	}
}

func mulScalar256(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(x.Mul(y), dst, i)
	}
}

func div256(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(x.Div(y), dst, i)
	}
}

func divScalar256(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(x.Div(y), dst, i)
	}
}

func max256(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(x.Merge(x.Max(y), x.NotEqual(x)), dst, i)
	}
}

func maxScalar256(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(x.Merge(x.Max(y), x.NotEqual(x)), dst, i)
	}
}

func min256(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(x.Merge(x.Min(y), x.NotEqual(x)), dst, i)
	}
}

func minScalar256(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(x.Merge(x.Min(y), x.NotEqual(x)), dst, i)
	}
}

func eq256(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(one.Merge(zero, x.Equal(y)), dst, i)
	}
}

func eqScalar256(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(one.Merge(zero, x.Equal(y)), dst, i)
	}
}

func ne256(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(one.Merge(zero, x.NotEqual(y)), dst, i)
	}
}

func neScalar256(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(one.Merge(zero, x.NotEqual(y)), dst, i)
	}
}

func lt256(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(one.Merge(zero, x.Less(y)), dst, i)
	}
}

func ltScalar256(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(one.Merge(zero, x.Less(y)), dst, i)
	}
}

func le256(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	for i := 0; i < len(dst); i += 8 {
		x, y := load256(a, i), load256(b, i)
		store256(one.Merge(zero, x.LessEqual(y)), dst, i)
	}
}

func leScalar256(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x8(1), archsimd.BroadcastFloat32x8(0)
	y := archsimd.BroadcastFloat32x8(b)
	for i := 0; i < len(dst); i += 8 {
		x := load256(a, i)
		store256(one.Merge(zero, x.LessEqual(y)), dst, i)
	}
}
