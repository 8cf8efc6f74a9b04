package cpu

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// Elementwise operations on integers and f64, which the f32 registers of tapes do not hold exactly, one chunk of elements
// at a time.

type signed interface{ int8 | int16 | int32 | int64 }

type unsigned interface {
	uint8 | uint16 | uint32 | uint64
}

type integer interface{ signed | unsigned }

// elementChunk is the number of elements of one item of the pool.
const elementChunk = 4096

// elementKernel computes dst from one or two operands of the same length.
type elementKernel[T, U any] func(dst []U, a, b []T)

// elements lowers an elementwise operation on integers or f64. It returns false for others.
func (l *lowering) elements(n *node) bool {
	switch n.op {
	case compute.OpTypeConvertDType:
		return l.convert(n)
	case compute.OpTypeWhere:
		return l.choose(n)
	case compute.OpTypeBitcast:
		return l.bitcast(n)
	}
	if len(n.operand) == 0 || len(n.operand) > 2 {
		return false
	}
	d := n.operand[0].shape.DType
	if len(n.operand) == 2 && n.operand[1].shape.DType != d {
		return false
	}
	switch d {
	case dtypes.Int8:
		return lowerSigned[int8, uint8](l, n)
	case dtypes.Int16:
		return lowerSigned[int16, uint16](l, n)
	case dtypes.Int32:
		return lowerSigned[int32, uint32](l, n)
	case dtypes.Int64:
		return lowerSigned[int64, uint64](l, n)
	case dtypes.Uint8:
		return lowerUnsigned[uint8](l, n)
	case dtypes.Uint16:
		return lowerUnsigned[uint16](l, n)
	case dtypes.Uint32:
		return lowerUnsigned[uint32](l, n)
	case dtypes.Uint64:
		return lowerUnsigned[uint64](l, n)
	case dtypes.Float64:
		return lowerElements(l, n, doubleKernel(n.op)) || lowerElements(l, n, comparison[float64](n.op)) ||
			lowerElements(l, n, doubleTest(n.op))
	}
	return false
}

func lowerSigned[T signed, U unsigned](l *lowering, n *node) bool {
	switch n.op {
	case compute.OpTypeNeg:
		return lowerElements(l, n, each(func(x T) T { return -x }))
	case compute.OpTypeAbs:
		return lowerElements(l, n, each(func(x T) T { return max(x, -x) }))
	case compute.OpTypeSign:
		return lowerElements(l, n, each(func(x T) T {
			if x < 0 {
				return -1
			}
			return min(x, 1)
		}))
	case compute.OpTypeShiftRightLogical:
		return lowerElements(l, n, pairs(func(x, y T) T { return T(U(x) >> uint(y)) }))
	}
	return lowerElements(l, n, integerKernel[T](n.op)) || lowerElements(l, n, comparison[T](n.op))
}

func lowerUnsigned[T unsigned](l *lowering, n *node) bool {
	switch n.op {
	case compute.OpTypeAbs:
		return lowerElements(l, n, each(func(x T) T { return x }))
	case compute.OpTypeSign:
		return lowerElements(l, n, each(func(x T) T { return min(x, 1) }))
	case compute.OpTypeShiftRightLogical:
		return lowerElements(l, n, pairs(func(x, y T) T { return x >> uint(y) }))
	}
	return lowerElements(l, n, integerKernel[T](n.op)) || lowerElements(l, n, comparison[T](n.op))
}

// each makes the kernel of a unary operation.
func each[T, U any](f func(T) U) elementKernel[T, U] {
	return func(dst []U, a, _ []T) {
		for i, x := range a[:len(dst)] {
			dst[i] = f(x)
		}
	}
}

// pairs makes the kernel of a binary operation.
func pairs[T, U any](f func(x, y T) U) elementKernel[T, U] {
	return func(dst []U, a, b []T) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i := range dst {
			dst[i] = f(a[i], b[i])
		}
	}
}

// integerKernel returns the kernel of an operation from integers to the same integers, or nil. Overflow wraps; division
// by zero fails the execution.
func integerKernel[T integer](op compute.OpType) elementKernel[T, T] {
	switch op {
	case compute.OpTypeAdd:
		return pairs(func(x, y T) T { return x + y })
	case compute.OpTypeSub:
		return pairs(func(x, y T) T { return x - y })
	case compute.OpTypeMul:
		return pairs(func(x, y T) T { return x * y })
	case compute.OpTypeDiv:
		return pairs(func(x, y T) T { return x / y })
	case compute.OpTypeRem:
		return pairs(func(x, y T) T { return x % y })
	case compute.OpTypePow:
		return pairs(integerPow[T])
	case compute.OpTypeMax:
		return pairs(func(x, y T) T { return max(x, y) })
	case compute.OpTypeMin:
		return pairs(func(x, y T) T { return min(x, y) })
	case compute.OpTypeBitwiseAnd:
		return pairs(func(x, y T) T { return x & y })
	case compute.OpTypeBitwiseOr:
		return pairs(func(x, y T) T { return x | y })
	case compute.OpTypeBitwiseXor:
		return pairs(func(x, y T) T { return x ^ y })
	case compute.OpTypeShiftLeft:
		return pairs(func(x, y T) T { return x << uint(y) })
	case compute.OpTypeShiftRightArithmetic:
		return pairs(func(x, y T) T { return x >> uint(y) })
	case compute.OpTypeBitwiseNot:
		return each(func(x T) T { return ^x })
	case compute.OpTypeBitCount:
		return each(func(x T) T { return T(bits.OnesCount64(bitsOf(x))) })
	case compute.OpTypeClz:
		return each(func(x T) T { return T(bits.LeadingZeros64(bitsOf(x)) - 64 + 8*int(unsafe.Sizeof(x))) })
	}
	return nil
}

// bitsOf returns the bits of x without the extension of its sign.
func bitsOf[T integer](x T) uint64 { return uint64(x) & (1<<(8*unsafe.Sizeof(x)) - 1) }

// integerPow is x^y by squaring; 1 for y ≤ 0.
func integerPow[T integer](x, y T) T {
	result := T(1)
	for ; y > 0; y >>= 1 {
		if y&1 == 1 {
			result *= x
		}
		x *= x
	}
	return result
}

// comparison returns the kernel of a comparison, or nil.
func comparison[T integer | float64](op compute.OpType) elementKernel[T, bool] {
	switch op {
	case compute.OpTypeEqual:
		return pairs(func(x, y T) bool { return x == y })
	case compute.OpTypeNotEqual:
		return pairs(func(x, y T) bool { return x != y })
	case compute.OpTypeLessThan:
		return pairs(func(x, y T) bool { return x < y })
	case compute.OpTypeLessOrEqual:
		return pairs(func(x, y T) bool { return x <= y })
	case compute.OpTypeGreaterThan:
		return pairs(func(x, y T) bool { return x > y })
	case compute.OpTypeGreaterOrEqual:
		return pairs(func(x, y T) bool { return x >= y })
	}
	return nil
}

// doubleKernel returns the kernel of an operation on f64, or nil.
func doubleKernel(op compute.OpType) elementKernel[float64, float64] {
	if f := doubleBinary(op); f != nil {
		return pairs(f)
	}
	if f := doubleUnary(op); f != nil {
		return each(f)
	}
	return nil
}

func doubleBinary(op compute.OpType) func(x, y float64) float64 {
	switch op {
	case compute.OpTypeAdd:
		return func(x, y float64) float64 { return x + y }
	case compute.OpTypeSub:
		return func(x, y float64) float64 { return x - y }
	case compute.OpTypeMul:
		return func(x, y float64) float64 { return x * y }
	case compute.OpTypeDiv:
		return func(x, y float64) float64 { return x / y }
	case compute.OpTypeMax:
		return func(x, y float64) float64 { return max(x, y) }
	case compute.OpTypeMin:
		return func(x, y float64) float64 { return min(x, y) }
	case compute.OpTypePow:
		return math.Pow
	case compute.OpTypeRem:
		return math.Mod
	case compute.OpTypeAtan2:
		return math.Atan2
	}
	return nil
}

func doubleUnary(op compute.OpType) func(x float64) float64 {
	switch op {
	case compute.OpTypeNeg:
		return func(x float64) float64 { return -x }
	case compute.OpTypeSign:
		return func(x float64) float64 { return float64(truth(x > 0) - truth(x < 0)) }
	case compute.OpTypeRsqrt:
		return func(x float64) float64 { return 1 / math.Sqrt(x) }
	case compute.OpTypeLogistic:
		return logistic
	}
	return map[compute.OpType]func(float64) float64{
		compute.OpTypeAbs: math.Abs, compute.OpTypeSqrt: math.Sqrt, compute.OpTypeExp: math.Exp, compute.OpTypeExpm1: math.Expm1,
		compute.OpTypeLog: math.Log, compute.OpTypeLog1p: math.Log1p, compute.OpTypeSin: math.Sin, compute.OpTypeCos: math.Cos,
		compute.OpTypeTanh: math.Tanh, compute.OpTypeErf: math.Erf, compute.OpTypeFloor: math.Floor, compute.OpTypeCeil: math.Ceil,
		compute.OpTypeRound: math.RoundToEven,
	}[op]
}

// logistic is 1/(1+e^-x), without overflow on the way.
func logistic(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

func doubleTest(op compute.OpType) elementKernel[float64, bool] {
	switch op {
	case compute.OpTypeIsNaN:
		return each(func(x float64) bool { return x != x })
	case compute.OpTypeIsFinite:
		return each(func(x float64) bool { return x-x == 0 })
	}
	return nil
}
