package cpu

import (
	"math"
	"math/bits"
	"unsafe"
)

// opcode is an operation of a tape on f32 registers. Truth values are 1 and 0.
type opcode uint8

const (
	opAdd opcode = iota
	opSub
	opMul
	opDiv
	opMax
	opMin
	opPow
	opRem
	opAtan2
	opEq
	opNe
	opLt
	opLe
	opAnd
	opOr
	opXor
	opNeg
	opAbs
	opSqrt
	opRsqrt
	opExp
	opExpm1
	opLog
	opLog1p
	opSin
	opCos
	opTanh
	opLogistic
	opErf
	opSign
	opFloor
	opCeil
	opRound
	opNot
	opIsNaN
	opIsFinite
	opBF16
	opF16
	opCopy
	opSwap // exchanges neighbours 2i and 2i+1
	opWhere
	opSum
	opLargest
	opSmallest
	opSquares // the sum of the squares: see join
	opcodes   // the number of opcodes
)

// Constants of the vector kernels; see expOf512, tanh512, erf512 and log512 for the origin of the polynomials.
const (
	log2E     = 1.44269504088896340736
	ln2High   = 0x1.62e4p-1 // 15 bits, so that its product with n is exact
	ln2Low    = 0x1.62e42fefa39efp-1 - ln2High
	expHigh   = 89   // e^89 is infinite in f32
	expLow    = -104 // e^-104 is 0
	exp0      = 0.5
	exp1      = 0.166665766661
	exp2      = 0.041666554213
	exp3      = 0.00836323288368
	exp4      = 0.00139262508315
	tanh0     = -0.333333278387
	tanh1     = 0.133326610804
	tanh2     = -0.053834794739
	tanh3     = 0.0209225834393
	tanh4     = -0.00599079292737
	tanhSmall = 0.64
	erf0      = 0.1283791667892
	erf1      = -0.3761263519397
	erf2      = 0.1128371804959
	erf3      = -0.02686066479113
	erf4      = 0.005204226693752
	erf5      = -0.0008179632180888
	erf6      = 8.529401322837e-5
	erfSmall  = 0.9
	erfc0     = 0.1286782097506
	erfc1     = 0.6349844619772
	erfc2     = 0.1065846982488
	erfc3     = -0.02411654353257
	erfc4     = 0.003831624440392
	erfc5     = -0.0003734478020241
	erfc6     = 1.658868446064e-5
	erfLarge  = 4 // from here on erf is 1 in f32
	log0      = 0.3333333116065
	log1      = -0.2499999693163
	log2      = 0.2000072074386
	log3      = -0.1666780977128
	log4      = 0.14248876978
	log5      = -0.1242535982201
	log6      = 0.1168702488254
	log7      = -0.1148308133025
	log8      = 0.06971346319412
	rootHalf  = 0x1.6a09e6p-1

	smallestNormal = 0x1p-126
	roundNumber    = 0x1.8p23 // x+roundNumber-roundNumber is x rounded to an integer
)

// vectors are the kernels of a tape. All slices have the length of dst, which is a multiple of 16.
//
// Errors against the exact result, in ulp: exp ≤ 1.25, tanh and erf ≤ 1.5, logistic ≤ 2.5, rsqrt ≤ 1.5, all others, and
// all plain kernels but rsqrt, ≤ 1, for every operand. Results that are not normal numbers are as exact; infinities and
// NaN occur exactly where they should. TestMathErrors checks this.
type vectors struct {
	binary   [opcodes]func(dst, a, b []float32)
	scalar   [opcodes]func(dst, a []float32, b float32) // the second operand is one number
	unary    [opcodes]func(dst, a []float32)
	where    func(dst, c, a, b []float32)
	widen    func(dst []float32, a []uint16) // bf16 to f32; any length
	sum      func(a []float32) float32
	largest  func(a []float32) float32
	smallest func(a []float32) float32
	stripes  stripeKernels
	fast     *fastKernels // or nil
}

// fastKernels are kernels of several operations or of many rows at once. They give the same bits as the others one after
// another. Vectors have 16 elements.
type fastKernels struct {
	silu           func(dst, a *float32, vectors int)
	gelu           func(dst, a *float32, vectors int, cubic, inner, half, one float32)
	rotate, mulAdd func(dst, a, b, c *float32, vectors int)
	rows           [opcodes]func(dst, a, r *float32, rows, vectors int) // r is one number a row
	scale          [opcodes]func(dst, a, r *float32, rows, vectors int, m, s *float32)
	sums           [opcodes]func(sums, a *float32, rows, vectors int)
	expSum         func(dst, a, r *float32, rows, vectors int, sums *float32)
	largest        func(largest, a *float32, rows, vectors int) (nan int)
}

func vectorsFor(l level) *vectors {
	switch l {
	case avx512, amx:
		v := vectors512()
		v.widen = widenFast
		v.quicken()
		return v
	case avx2:
		v := vectors256()
		v.widen = widenFast
		return v
	}
	return plainVectors()
}

// widen returns the f32 of a bf16.
func widen(v uint16) float32 { return math.Float32frombits(uint32(v) << 16) }

func widenPlain(dst []float32, a []uint16) {
	a = a[:len(dst)]
	for i := range dst {
		dst[i] = widen(a[i])
	}
}

func widenFast(dst []float32, a []uint16) {
	n := len(dst) / 8 * 8
	if n > 0 {
		_ = a[n-1]
		widen8(&dst[0], &a[0], n/8)
	}
	widenPlain(dst[n:], a[n:])
}

func truth(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// two returns the kernels of a binary operation.
func (v *vectors) two(op opcode, f func(x, y float32) float32) {
	v.binary[op] = func(dst, a, b []float32) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i := range dst {
			dst[i] = f(a[i], b[i])
		}
	}
	v.scalar[op] = func(dst, a []float32, b float32) {
		a = a[:len(dst)]
		for i := range dst {
			dst[i] = f(a[i], b)
		}
	}
}

// one returns the kernel of a unary operation.
func (v *vectors) one(op opcode, f func(x float32) float32) {
	v.unary[op] = func(dst, a []float32) {
		a = a[:len(dst)]
		for i := range dst {
			dst[i] = f(a[i])
		}
	}
}

// wide returns the kernel of a unary operation that is computed in f64.
func (v *vectors) wide(op opcode, f func(x float64) float64) {
	v.one(op, func(x float32) float32 { return float32(f(float64(x))) })
}

// plainVectors returns the portable kernels.
func plainVectors() *vectors {
	v := new(vectors)
	v.plainBinary()
	v.plainArithmetic()
	v.two(opMax, func(x, y float32) float32 { return max(x, y) })
	v.two(opMin, func(x, y float32) float32 { return min(x, y) })
	v.two(opPow, pow)
	v.two(opRem, func(x, y float32) float32 { return float32(math.Mod(float64(x), float64(y))) })
	v.two(opAtan2, func(x, y float32) float32 { return float32(math.Atan2(float64(x), float64(y))) })
	v.two(opEq, func(x, y float32) float32 { return truth(x == y) })
	v.two(opNe, func(x, y float32) float32 { return truth(x != y) })
	v.two(opLt, func(x, y float32) float32 { return truth(x < y) })
	v.two(opLe, func(x, y float32) float32 { return truth(x <= y) })
	v.two(opAnd, func(x, y float32) float32 { return x * y })
	v.two(opOr, func(x, y float32) float32 { return max(x, y) })
	v.two(opXor, func(x, y float32) float32 { return truth(x != y) })
	v.one(opNeg, func(x float32) float32 { return -x })
	v.one(opAbs, func(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) })
	v.wide(opSqrt, math.Sqrt)
	v.wide(opRsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) })
	v.wide(opExp, math.Exp)
	v.wide(opExpm1, math.Expm1)
	v.wide(opLog, math.Log)
	v.wide(opLog1p, math.Log1p)
	v.wide(opSin, math.Sin)
	v.wide(opCos, math.Cos)
	v.wide(opTanh, math.Tanh)
	v.wide(opLogistic, logistic)
	v.wide(opErf, math.Erf)
	v.wide(opFloor, math.Floor)
	v.wide(opCeil, math.Ceil)
	v.wide(opRound, math.RoundToEven)
	v.one(opSign, func(x float32) float32 { return truth(x > 0) - truth(x < 0) })
	v.one(opNot, func(x float32) float32 { return 1 - x })
	v.one(opIsNaN, func(x float32) float32 { return truth(x != x) })
	v.one(opIsFinite, func(x float32) float32 { return truth(x-x == 0) })
	v.one(opBF16, roundBF16)
	v.unary[opSwap] = swapPairs
	v.one(opF16, roundF16)
	v.unary[opCopy] = func(dst, a []float32) { copy(dst, a) }
	v.widen = widenPlain
	v.stripes = stripesPlain()
	v.plainReductions()
	return v
}

// pow is x^y; it multiplies for the exponents that are frequent in graphs.
func pow(x, y float32) float32 {
	switch y {
	case 2:
		return x * x
	case 1:
		return x
	}
	return float32(math.Pow(float64(x), float64(y)))
}

// swapPairs exchanges neighbours, as a rotation of 64 bits by half. dst may be a.
func swapPairs(dst, a []float32) {
	d := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst)/2)
	s := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(a))), len(dst)/2)
	for i, v := range s {
		d[i] = bits.RotateLeft64(v, 32)
	}
}

// roundBF16 rounds to the nearest bf16, ties to even; NaN stays NaN.
func roundBF16(x float32) float32 {
	if x != x {
		return x
	}
	b := math.Float32bits(x)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

func (v *vectors) plainReductions() {
	v.where = func(dst, c, a, b []float32) {
		c, a, b = c[:len(dst)], a[:len(dst)], b[:len(dst)]
		for i := range dst {
			if c[i] != 0 {
				dst[i] = a[i]
			} else {
				dst[i] = b[i]
			}
		}
	}
	v.sum = func(a []float32) float32 {
		var s0, s1, s2, s3 float32
		for ; len(a) >= 4; a = a[4:] {
			s0, s1, s2, s3 = s0+a[0], s1+a[1], s2+a[2], s3+a[3]
		}
		for _, x := range a {
			s0 += x
		}
		return (s0 + s1) + (s2 + s3)
	}
	v.largest = func(a []float32) float32 {
		m := a[0]
		for _, x := range a {
			m = max(m, x)
		}
		return m
	}
	v.smallest = func(a []float32) float32 {
		m := a[0]
		for _, x := range a {
			m = min(m, x)
		}
		return m
	}
}
