//go:build amd64 && goexperiment.simd

package cpu

import (
	"unsafe"

	"simd/archsimd"
)

//go:generate go test -run TestVectors256 -update

// Kernels for vectors of 512 bits, from which the files for 256 bits are generated. Every slice has the length of dst, a multiple of 16; slices are the same or do not overlap.
// x.Merge(y, m) is x where m holds and y elsewhere. Max and Min of the processor return their second operand if either
// is NaN, hence the extra comparisons.

func load512(s []float32, i int) archsimd.Float32x16 {
	return archsimd.LoadFloat32x16((*[16]float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i)))
}

func store512(v archsimd.Float32x16, s []float32, i int) {
	v.Store((*[16]float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), 4*i)))
}

// vectors512 is the table of the kernels.
func vectors512() *vectors {
	v := plainVectors()
	v.binary[opAdd], v.scalar[opAdd] = add512, addScalar512
	v.binary[opSub], v.scalar[opSub] = sub512, subScalar512
	v.binary[opMul], v.scalar[opMul] = mul512, mulScalar512
	v.binary[opDiv], v.scalar[opDiv] = div512, divScalar512
	v.binary[opMax], v.scalar[opMax] = max512, maxScalar512
	v.binary[opMin], v.scalar[opMin] = min512, minScalar512
	v.binary[opEq], v.scalar[opEq] = eq512, eqScalar512
	v.binary[opNe], v.scalar[opNe] = ne512, neScalar512
	v.binary[opLt], v.scalar[opLt] = lt512, ltScalar512
	v.binary[opLe], v.scalar[opLe] = le512, leScalar512
	v.unary[opNeg] = neg512
	v.unary[opAbs] = abs512
	v.unary[opSqrt] = sqrt512
	v.unary[opRsqrt] = rsqrt512
	v.unary[opExp] = exp512
	v.unary[opTanh] = tanh512
	v.unary[opLogistic] = logistic512
	v.unary[opErf] = erf512
	v.unary[opLog] = log512
	v.where, v.sum, v.largest, v.smallest = where512, sum512, largest512, smallest512
	v.stripes = stripes512()
	return v
}

func add512(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(x.Add(y), dst, i)
	}
}

func addScalar512(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(x.Add(y), dst, i)
	}
}

func sub512(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(x.Sub(y), dst, i)
	}
}

func subScalar512(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(x.Sub(y), dst, i)
	}
}

func mul512(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(x.Mul(y), dst, i)
	}
}

func mulScalar512(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(x.Mul(y), dst, i)
	}
}

func div512(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(x.Div(y), dst, i)
	}
}

func divScalar512(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(x.Div(y), dst, i)
	}
}

func max512(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(x.Merge(x.Max(y), x.NotEqual(x)), dst, i)
	}
}

func maxScalar512(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(x.Merge(x.Max(y), x.NotEqual(x)), dst, i)
	}
}

func min512(dst, a, b []float32) {
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(x.Merge(x.Min(y), x.NotEqual(x)), dst, i)
	}
}

func minScalar512(dst, a []float32, b float32) {
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(x.Merge(x.Min(y), x.NotEqual(x)), dst, i)
	}
}

func eq512(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(one.Merge(zero, x.Equal(y)), dst, i)
	}
}

func eqScalar512(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(one.Merge(zero, x.Equal(y)), dst, i)
	}
}

func ne512(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(one.Merge(zero, x.NotEqual(y)), dst, i)
	}
}

func neScalar512(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(one.Merge(zero, x.NotEqual(y)), dst, i)
	}
}

func lt512(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(one.Merge(zero, x.Less(y)), dst, i)
	}
}

func ltScalar512(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(one.Merge(zero, x.Less(y)), dst, i)
	}
}

func le512(dst, a, b []float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	for i := 0; i < len(dst); i += 16 {
		x, y := load512(a, i), load512(b, i)
		store512(one.Merge(zero, x.LessEqual(y)), dst, i)
	}
}

func leScalar512(dst, a []float32, b float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	y := archsimd.BroadcastFloat32x16(b)
	for i := 0; i < len(dst); i += 16 {
		x := load512(a, i)
		store512(one.Merge(zero, x.LessEqual(y)), dst, i)
	}
}
