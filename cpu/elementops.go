package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// The operations without attributes: one line each, the operation itself is its replay.

func (f *function) single(op compute.OpType, attr any, replayed replay, values ...compute.Value) (compute.Value, error) {
	nodes, err := f.apply(op, attr, replayed, values)
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

func (f *function) unary(op compute.OpType, method func(compute.Function, compute.Value) (compute.Value, error), x compute.Value) (compute.Value, error) {
	return f.single(op, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(method(fn, in[0]))
	}, x)
}

// binary rejects an axis of 0 elements paired with one of 1, which GoMLX's rules for shapes broadcast to 1.
func (f *function) binary(op compute.OpType, method func(compute.Function, compute.Value, compute.Value) (compute.Value, error), x, y compute.Value) (compute.Value, error) {
	result, err := f.single(op, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(method(fn, in[0], in[1]))
	}, x, y)
	if err != nil {
		return nil, err
	}
	nothing := func(n *node) bool { return slices.Contains(n.shape.Dimensions, 0) }
	if n := result.(*node); !nothing(n) && slices.ContainsFunc(n.operand, nothing) {
		return nil, fmt.Errorf("cpu: %s: an axis of no elements cannot be broadcast", describe(n.op, n.operand))
	}
	return result, nil
}

// Abs is the operation of [compute.StandardOps].
func (f *function) Abs(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeAbs, compute.Function.Abs, x)
}

// BitCount is the operation of [compute.StandardOps].
func (f *function) BitCount(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeBitCount, compute.Function.BitCount, x)
}

// BitwiseNot is the operation of [compute.StandardOps].
func (f *function) BitwiseNot(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeBitwiseNot, compute.Function.BitwiseNot, x)
}

// Ceil is the operation of [compute.StandardOps].
func (f *function) Ceil(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeCeil, compute.Function.Ceil, x)
}

// Clz is the operation of [compute.StandardOps].
func (f *function) Clz(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeClz, compute.Function.Clz, x)
}

// Conj is the operation of [compute.StandardOps].
func (f *function) Conj(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeConj, compute.Function.Conj, x)
}

// Cos is the operation of [compute.StandardOps].
func (f *function) Cos(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeCos, compute.Function.Cos, x)
}

// Erf is the operation of [compute.StandardOps].
func (f *function) Erf(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeErf, compute.Function.Erf, x)
}

// Exp is the operation of [compute.StandardOps].
func (f *function) Exp(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeExp, compute.Function.Exp, x)
}

// Expm1 is the operation of [compute.StandardOps].
func (f *function) Expm1(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeExpm1, compute.Function.Expm1, x)
}

// Floor is the operation of [compute.StandardOps].
func (f *function) Floor(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeFloor, compute.Function.Floor, x)
}

// Identity is the operation of [compute.StandardOps].
func (f *function) Identity(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeIdentity, compute.Function.Identity, x)
}

// Imag is the operation of [compute.StandardOps].
func (f *function) Imag(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeImag, compute.Function.Imag, x)
}

// IsFinite is the operation of [compute.StandardOps].
func (f *function) IsFinite(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeIsFinite, compute.Function.IsFinite, x)
}

// IsNaN is the operation of [compute.StandardOps].
func (f *function) IsNaN(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeIsNaN, compute.Function.IsNaN, x)
}

// Log is the operation of [compute.StandardOps].
func (f *function) Log(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLog, compute.Function.Log, x)
}

// Log1p is the operation of [compute.StandardOps].
func (f *function) Log1p(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLog1p, compute.Function.Log1p, x)
}

// LogicalNot is the operation of [compute.StandardOps].
func (f *function) LogicalNot(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLogicalNot, compute.Function.LogicalNot, x)
}

// Logistic is the operation of [compute.StandardOps].
func (f *function) Logistic(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeLogistic, compute.Function.Logistic, x)
}

// Neg is the operation of [compute.StandardOps].
func (f *function) Neg(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeNeg, compute.Function.Neg, x)
}

// Real is the operation of [compute.StandardOps].
func (f *function) Real(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeReal, compute.Function.Real, x)
}

// Round is the operation of [compute.StandardOps].
func (f *function) Round(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeRound, compute.Function.Round, x)
}

// Rsqrt is the operation of [compute.StandardOps].
func (f *function) Rsqrt(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeRsqrt, compute.Function.Rsqrt, x)
}

// Sign is the operation of [compute.StandardOps].
func (f *function) Sign(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeSign, compute.Function.Sign, x)
}

// Sin is the operation of [compute.StandardOps].
func (f *function) Sin(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeSin, compute.Function.Sin, x)
}

// Sqrt is the operation of [compute.StandardOps].
func (f *function) Sqrt(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeSqrt, compute.Function.Sqrt, x)
}

// Tanh is the operation of [compute.StandardOps].
func (f *function) Tanh(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeTanh, compute.Function.Tanh, x)
}

// DynamicShape is the operation of [compute.StandardOps].
func (f *function) DynamicShape(x compute.Value) (compute.Value, error) {
	return f.unary(compute.OpTypeDynamicShape, compute.Function.DynamicShape, x)
}

// Add is the operation of [compute.StandardOps].
func (f *function) Add(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeAdd, compute.Function.Add, x, y)
}

// Atan2 is the operation of [compute.StandardOps].
func (f *function) Atan2(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeAtan2, compute.Function.Atan2, x, y)
}

// BitwiseAnd is the operation of [compute.StandardOps].
func (f *function) BitwiseAnd(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeBitwiseAnd, compute.Function.BitwiseAnd, x, y)
}

// BitwiseOr is the operation of [compute.StandardOps].
func (f *function) BitwiseOr(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeBitwiseOr, compute.Function.BitwiseOr, x, y)
}

// BitwiseXor is the operation of [compute.StandardOps].
func (f *function) BitwiseXor(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeBitwiseXor, compute.Function.BitwiseXor, x, y)
}

// Complex is the operation of [compute.StandardOps].
func (f *function) Complex(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeComplex, compute.Function.Complex, x, y)
}

// Div is the operation of [compute.StandardOps].
func (f *function) Div(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeDiv, compute.Function.Div, x, y)
}

// Equal is the operation of [compute.StandardOps].
func (f *function) Equal(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeEqual, compute.Function.Equal, x, y)
}

// EqualTotalOrder is the operation of [compute.StandardOps].
func (f *function) EqualTotalOrder(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeEqualTotalOrder, compute.Function.EqualTotalOrder, x, y)
}

// GreaterOrEqual is the operation of [compute.StandardOps].
func (f *function) GreaterOrEqual(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeGreaterOrEqual, compute.Function.GreaterOrEqual, x, y)
}

// GreaterOrEqualTotalOrder is the operation of [compute.StandardOps].
func (f *function) GreaterOrEqualTotalOrder(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeGreaterOrEqualTotalOrder, compute.Function.GreaterOrEqualTotalOrder, x, y)
}

// GreaterThan is the operation of [compute.StandardOps].
func (f *function) GreaterThan(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeGreaterThan, compute.Function.GreaterThan, x, y)
}

// GreaterThanTotalOrder is the operation of [compute.StandardOps].
func (f *function) GreaterThanTotalOrder(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeGreaterThanTotalOrder, compute.Function.GreaterThanTotalOrder, x, y)
}

// LessOrEqual is the operation of [compute.StandardOps].
func (f *function) LessOrEqual(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLessOrEqual, compute.Function.LessOrEqual, x, y)
}

// LessOrEqualTotalOrder is the operation of [compute.StandardOps].
func (f *function) LessOrEqualTotalOrder(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLessOrEqualTotalOrder, compute.Function.LessOrEqualTotalOrder, x, y)
}

// LessThan is the operation of [compute.StandardOps].
func (f *function) LessThan(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLessThan, compute.Function.LessThan, x, y)
}

// LessThanTotalOrder is the operation of [compute.StandardOps].
func (f *function) LessThanTotalOrder(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLessThanTotalOrder, compute.Function.LessThanTotalOrder, x, y)
}

// LogicalAnd is the operation of [compute.StandardOps].
func (f *function) LogicalAnd(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLogicalAnd, compute.Function.LogicalAnd, x, y)
}

// LogicalOr is the operation of [compute.StandardOps].
func (f *function) LogicalOr(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLogicalOr, compute.Function.LogicalOr, x, y)
}

// LogicalXor is the operation of [compute.StandardOps].
func (f *function) LogicalXor(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeLogicalXor, compute.Function.LogicalXor, x, y)
}

// Max is the operation of [compute.StandardOps].
func (f *function) Max(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeMax, compute.Function.Max, x, y)
}

// Min is the operation of [compute.StandardOps].
func (f *function) Min(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeMin, compute.Function.Min, x, y)
}

// Mul is the operation of [compute.StandardOps].
func (f *function) Mul(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeMul, compute.Function.Mul, x, y)
}

// NotEqual is the operation of [compute.StandardOps].
func (f *function) NotEqual(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeNotEqual, compute.Function.NotEqual, x, y)
}

// NotEqualTotalOrder is the operation of [compute.StandardOps].
func (f *function) NotEqualTotalOrder(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeNotEqualTotalOrder, compute.Function.NotEqualTotalOrder, x, y)
}

// Pow is the operation of [compute.StandardOps].
func (f *function) Pow(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypePow, compute.Function.Pow, x, y)
}

// Rem is the operation of [compute.StandardOps].
func (f *function) Rem(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeRem, compute.Function.Rem, x, y)
}

// ShiftLeft is the operation of [compute.StandardOps].
func (f *function) ShiftLeft(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeShiftLeft, compute.Function.ShiftLeft, x, y)
}

// ShiftRightArithmetic is the operation of [compute.StandardOps].
func (f *function) ShiftRightArithmetic(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeShiftRightArithmetic, compute.Function.ShiftRightArithmetic, x, y)
}

// ShiftRightLogical is the operation of [compute.StandardOps].
func (f *function) ShiftRightLogical(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeShiftRightLogical, compute.Function.ShiftRightLogical, x, y)
}

// Sub is the operation of [compute.StandardOps].
func (f *function) Sub(x, y compute.Value) (compute.Value, error) {
	return f.binary(compute.OpTypeSub, compute.Function.Sub, x, y)
}

// Clamp is the operation of [compute.StandardOps].
func (f *function) Clamp(low, x, high compute.Value) (compute.Value, error) {
	v, err := f.Max(low, x)
	if err != nil {
		return nil, err
	}
	return f.Min(v, high)
}

// Where is the operation of [compute.StandardOps].
func (f *function) Where(condition, yes, no compute.Value) (compute.Value, error) {
	return f.single(compute.OpTypeWhere, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Where(in[0], in[1], in[2]))
	}, condition, yes, no)
}

// ConvertDType is the operation of [compute.StandardOps].
func (f *function) ConvertDType(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	return f.single(compute.OpTypeConvertDType, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.ConvertDType(in[0], dtype))
	}, x)
}

// Bitcast is the operation of [compute.StandardOps].
func (f *function) Bitcast(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	return f.single(compute.OpTypeBitcast, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Bitcast(in[0], dtype))
	}, x)
}
