package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// The operations that move data or reduce it. Method names and parameters are those of [compute.StandardOps].

// BroadcastInDim is the operation of [compute.StandardOps].
func (f *function) BroadcastInDim(x compute.Value, shape shapes.Shape, axes []int) (compute.Value, error) {
	shape, axes = shape.Clone(), slices.Clone(axes)
	return f.single(compute.OpTypeBroadcastInDim, axesAttr{axes}, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.BroadcastInDim(in[0], shape, axes))
	}, x)
}

// Concatenate is the operation of [compute.StandardOps].
func (f *function) Concatenate(axis int, xs ...compute.Value) (compute.Value, error) {
	return f.single(compute.OpTypeConcatenate, axesAttr{[]int{axis}}, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Concatenate(axis, in...))
	}, xs...)
}

// Iota is the operation of [compute.StandardOps]. It is one axis of numbers, broadcast along the others.
func (f *function) Iota(shape shapes.Shape, axis int) (compute.Value, error) {
	shape = shape.Clone()
	if shape.Rank() > 1 && axis >= 0 && axis < shape.Rank() && !shape.IsDynamic() {
		numbers, err := f.Iota(shapes.Make(shape.DType, shape.Dimensions[axis]), 0)
		if err != nil {
			return nil, err
		}
		return f.BroadcastInDim(numbers, shape, []int{axis})
	}
	return f.single(compute.OpTypeIota, axesAttr{[]int{axis}}, func(fn compute.Function, _ []compute.Value) ([]compute.Value, error) {
		return one(fn.Iota(shape, axis))
	})
}

// Reshape is the operation of [compute.StandardOps].
func (f *function) Reshape(x compute.Value, dims ...int) (compute.Value, error) {
	dims = slices.Clone(dims)
	return f.single(compute.OpTypeReshape, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Reshape(in[0], dims...))
	}, x)
}

type axesMethod func(fn compute.Function, x compute.Value, axes ...int) (compute.Value, error)

func (f *function) alongAxes(op compute.OpType, method axesMethod, x compute.Value, axes []int) (compute.Value, error) {
	axes = slices.Clone(axes)
	return f.single(op, axesAttr{axes}, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(method(fn, in[0], axes...))
	}, x)
}

// overAxes records a reduction. Reductions of bf16 and f16 are computed in f32, and rounded once.
func (f *function) overAxes(op compute.OpType, method axesMethod, x compute.Value, axes []int) (compute.Value, error) {
	n, err := f.builder.node(op.String(), x)
	if err != nil {
		return nil, err
	}
	if d := n.shape.DType; d == dtypes.BFloat16 || d == dtypes.Float16 {
		if x, err = f.ConvertDType(x, dtypes.Float32); err != nil {
			return nil, err
		}
		if x, err = f.alongAxes(op, method, x, axes); err != nil {
			return nil, err
		}
		return f.ConvertDType(x, d)
	}
	return f.alongAxes(op, method, x, axes)
}

// Transpose is the operation of [compute.StandardOps].
func (f *function) Transpose(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeTranspose, compute.Function.Transpose, x, axes)
}

// Reverse is the operation of [compute.StandardOps].
func (f *function) Reverse(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReverse, compute.Function.Reverse, x, axes)
}

// ReduceBitwiseAnd is the operation of [compute.StandardOps].
func (f *function) ReduceBitwiseAnd(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReduceBitwiseAnd, compute.Function.ReduceBitwiseAnd, x, axes)
}

// ReduceBitwiseOr is the operation of [compute.StandardOps].
func (f *function) ReduceBitwiseOr(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReduceBitwiseOr, compute.Function.ReduceBitwiseOr, x, axes)
}

// ReduceBitwiseXor is the operation of [compute.StandardOps].
func (f *function) ReduceBitwiseXor(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReduceBitwiseXor, compute.Function.ReduceBitwiseXor, x, axes)
}

// ReduceLogicalAnd is the operation of [compute.StandardOps].
func (f *function) ReduceLogicalAnd(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReduceLogicalAnd, compute.Function.ReduceLogicalAnd, x, axes)
}

// ReduceLogicalOr is the operation of [compute.StandardOps].
func (f *function) ReduceLogicalOr(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReduceLogicalOr, compute.Function.ReduceLogicalOr, x, axes)
}

// ReduceLogicalXor is the operation of [compute.StandardOps].
func (f *function) ReduceLogicalXor(x compute.Value, axes ...int) (compute.Value, error) {
	return f.alongAxes(compute.OpTypeReduceLogicalXor, compute.Function.ReduceLogicalXor, x, axes)
}

// ReduceMax is the operation of [compute.StandardOps].
func (f *function) ReduceMax(x compute.Value, axes ...int) (compute.Value, error) {
	return f.overAxes(compute.OpTypeReduceMax, compute.Function.ReduceMax, x, axes)
}

// ReduceMin is the operation of [compute.StandardOps].
func (f *function) ReduceMin(x compute.Value, axes ...int) (compute.Value, error) {
	return f.overAxes(compute.OpTypeReduceMin, compute.Function.ReduceMin, x, axes)
}

// ReduceProduct is the operation of [compute.StandardOps].
func (f *function) ReduceProduct(x compute.Value, axes ...int) (compute.Value, error) {
	return f.overAxes(compute.OpTypeReduceProduct, compute.Function.ReduceProduct, x, axes)
}

// ReduceSum is the operation of [compute.StandardOps].
func (f *function) ReduceSum(x compute.Value, axes ...int) (compute.Value, error) {
	return f.overAxes(compute.OpTypeReduceSum, compute.Function.ReduceSum, x, axes)
}

// Slice is the operation of [compute.StandardOps].
func (f *function) Slice(x compute.Value, starts, limits, strides []int) (compute.Value, error) {
	a := sliceAttr{slices.Clone(starts), slices.Clone(limits), slices.Clone(strides)}
	return f.single(compute.OpTypeSlice, a, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Slice(in[0], a.starts, a.limits, a.strides))
	}, x)
}

// Pad is the operation of [compute.StandardOps].
func (f *function) Pad(x, fill compute.Value, axes ...compute.PadAxis) (compute.Value, error) {
	axes = slices.Clone(axes)
	return f.single(compute.OpTypePad, padAttr{axes}, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Pad(in[0], in[1], axes...))
	}, x, fill)
}

// summedIn computes an operation on two values of one dtype in the dtype sum, and rounds the result once to the dtype out.
// An invalid dtype means the operands' own, except that 16 bits are summed in f32, so as not to lose their last bits. It
// returns nil where there is nothing to convert.
func (f *function) summedIn(sum, out dtypes.DType, x, y compute.Value, op func(x, y compute.Value) (compute.Value, error)) (compute.Value, error) {
	nodes, _, err := f.operands("DotGeneral", []compute.Value{x, y})
	if err != nil {
		return nil, err
	}
	d := nodes[0].shape.DType
	if out == dtypes.InvalidDType {
		out = d
	}
	if sum == dtypes.InvalidDType {
		sum = d
	}
	if sum == dtypes.BFloat16 || sum == dtypes.Float16 {
		sum = dtypes.Float32
	}
	if sum == d && out == d || nodes[1].shape.DType != d {
		return nil, nil
	}
	if x, err = f.ConvertDType(x, sum); err != nil {
		return nil, err
	}
	if y, err = f.ConvertDType(y, sum); err != nil {
		return nil, err
	}
	v, err := op(x, y)
	if err != nil {
		return nil, err
	}
	return f.ConvertDType(v, out)
}

// DotGeneral is the operation of [compute.StandardOps].
func (f *function) DotGeneral(lhs compute.Value, lhsContract, lhsBatch []int, rhs compute.Value, rhsContract, rhsBatch []int,
	config compute.DotGeneralConfig,
) (compute.Value, error) {
	v, err := f.summedIn(config.AccumulatorDType, config.OutputDType, lhs, rhs, func(x, y compute.Value) (compute.Value, error) {
		return f.DotGeneral(x, lhsContract, lhsBatch, y, rhsContract, rhsBatch, compute.DotGeneralConfig{})
	})
	if v != nil || err != nil {
		return v, err
	}
	a := dotAttr{slices.Clone(lhsContract), slices.Clone(lhsBatch), slices.Clone(rhsContract), slices.Clone(rhsBatch)}
	return f.single(compute.OpTypeDotGeneral, a, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.DotGeneral(in[0], a.lhsContract, a.lhsBatch, in[1], a.rhsContract, a.rhsBatch, compute.DotGeneralConfig{}))
	}, lhs, rhs)
}

// ConvGeneral is the operation of [compute.StandardOps].
func (f *function) ConvGeneral(input, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, paddings [][2]int,
	inputDilations, kernelDilations []int, channelGroups, batchGroups int,
) (compute.Value, error) {
	v, err := f.summedIn(dtypes.InvalidDType, dtypes.InvalidDType, input, kernel, func(x, y compute.Value) (compute.Value, error) {
		return f.ConvGeneral(x, y, axes, strides, paddings, inputDilations, kernelDilations, channelGroups, batchGroups)
	})
	if v != nil || err != nil {
		return v, err
	}
	a := convAttr{
		axes.Clone(), slices.Clone(strides), slices.Clone(paddings), slices.Clone(inputDilations),
		slices.Clone(kernelDilations), channelGroups, batchGroups,
	}
	return f.single(compute.OpTypeConvGeneral, a, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.ConvGeneral(in[0], in[1], a.axes, a.strides, a.paddings, a.inputDilations, a.kernelDilations,
			a.channelGroups, a.batchGroups))
	}, input, kernel)
}

// Gather is the operation of [compute.StandardOps].
func (f *function) Gather(x, indices compute.Value, indexVectorAxis int, offsetAxes, collapsedAxes, startMap, sliceSizes []int,
	sorted bool,
) (compute.Value, error) {
	a := gatherAttr{indexVectorAxis, slices.Clone(offsetAxes), slices.Clone(collapsedAxes), slices.Clone(startMap), slices.Clone(sliceSizes)}
	return f.single(compute.OpTypeGather, a, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.Gather(in[0], in[1], a.indexVectorAxis, a.offsetAxes, a.collapsedAxes, a.startMap, a.sliceSizes, sorted))
	}, x, indices)
}

type scatterMethod func(fn compute.Function, x, indices, updates compute.Value, indexVectorAxis int,
	windowAxes, insertedAxes, startMap []int, sorted, unique bool) (compute.Value, error)

type scatterOperands struct{ x, indices, updates compute.Value }

func (f *function) scatter(op compute.OpType, method scatterMethod, v scatterOperands, a scatterAttr, sorted, unique bool) (compute.Value, error) {
	a.windowAxes, a.insertedAxes, a.startMap = slices.Clone(a.windowAxes), slices.Clone(a.insertedAxes), slices.Clone(a.startMap)
	return f.single(op, a, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(method(fn, in[0], in[1], in[2], a.indexVectorAxis, a.windowAxes, a.insertedAxes, a.startMap, sorted, unique))
	}, v.x, v.indices, v.updates)
}

// ScatterMax is the operation of [compute.StandardOps].
func (f *function) ScatterMax(x, indices, updates compute.Value, indexVectorAxis int, windowAxes, insertedAxes, startMap []int,
	sorted, unique bool,
) (compute.Value, error) {
	return f.scatter(compute.OpTypeScatterMax, compute.Function.ScatterMax, scatterOperands{x, indices, updates},
		scatterAttr{indexVectorAxis, windowAxes, insertedAxes, startMap}, sorted, unique)
}

// ScatterMin is the operation of [compute.StandardOps].
func (f *function) ScatterMin(x, indices, updates compute.Value, indexVectorAxis int, windowAxes, insertedAxes, startMap []int,
	sorted, unique bool,
) (compute.Value, error) {
	return f.scatter(compute.OpTypeScatterMin, compute.Function.ScatterMin, scatterOperands{x, indices, updates},
		scatterAttr{indexVectorAxis, windowAxes, insertedAxes, startMap}, sorted, unique)
}

// ScatterSum is the operation of [compute.StandardOps].
func (f *function) ScatterSum(x, indices, updates compute.Value, indexVectorAxis int, windowAxes, insertedAxes, startMap []int,
	sorted, unique bool,
) (compute.Value, error) {
	return f.scatter(compute.OpTypeScatterSum, compute.Function.ScatterSum, scatterOperands{x, indices, updates},
		scatterAttr{indexVectorAxis, windowAxes, insertedAxes, startMap}, sorted, unique)
}
