package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// Further operations, most of which only the fallback backend executes.

// ArgMinMax is the operation of [compute.StandardOps].
func (f *function) ArgMinMax(x compute.Value, axis int, dtype dtypes.DType, isMin bool) (compute.Value, error) {
	return f.single(compute.OpTypeArgMinMax, argAttr{axis, isMin}, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.ArgMinMax(in[0], axis, dtype, isMin))
	}, x)
}

// BatchNormForInference is the operation of [compute.StandardOps].
func (f *function) BatchNormForInference(x, scale, offset, mean, variance compute.Value, epsilon float32, axis int) (compute.Value, error) {
	return f.single(compute.OpTypeBatchNormForInference, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.BatchNormForInference(in[0], in[1], in[2], in[3], in[4], epsilon, axis))
	}, x, scale, offset, mean, variance)
}

func (f *function) three(op compute.OpType, replayed replay, values ...compute.Value) (a, b, c compute.Value, err error) {
	nodes, err := f.apply(op, nil, replayed, values)
	if err != nil {
		return nil, nil, nil, err
	}
	return nodes[0], nodes[1], nodes[2], nil
}

func list3(a, b, c compute.Value, err error) ([]compute.Value, error) {
	if err != nil {
		return nil, err
	}
	return []compute.Value{a, b, c}, nil
}

// BatchNormForTraining is the operation of [compute.StandardOps].
func (f *function) BatchNormForTraining(x, scale, offset compute.Value, epsilon float32, axis int) (normalized, mean, variance compute.Value, err error) {
	return f.three(compute.OpTypeBatchNormForTraining, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return list3(fn.BatchNormForTraining(in[0], in[1], in[2], epsilon, axis))
	}, x, scale, offset)
}

// BatchNormGradient is the operation of [compute.StandardOps].
func (f *function) BatchNormGradient(x, scale, mean, variance, grad compute.Value, epsilon float32, axis int) (dx, dscale, doffset compute.Value, err error) {
	return f.three(compute.OpTypeBatchNormGradient, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return list3(fn.BatchNormGradient(in[0], in[1], in[2], in[3], in[4], epsilon, axis))
	}, x, scale, mean, variance, grad)
}

// CumSum is the operation of [compute.StandardOps].
func (f *function) CumSum(x compute.Value, axis int, options compute.CumSumOptions) (compute.Value, error) {
	return f.single(compute.OpTypeCumSum, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.CumSum(in[0], axis, options))
	}, x)
}

// DynamicSlice is the operation of [compute.StandardOps].
func (f *function) DynamicSlice(x compute.Value, starts []compute.Value, sizes []int) (compute.Value, error) {
	sizes = slices.Clone(sizes)
	return f.single(compute.OpTypeDynamicSlice, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.DynamicSlice(in[0], in[1:], sizes))
	}, append([]compute.Value{x}, starts...)...)
}

// DynamicUpdateSlice is the operation of [compute.StandardOps].
func (f *function) DynamicUpdateSlice(x, update compute.Value, starts []compute.Value) (compute.Value, error) {
	return f.single(compute.OpTypeDynamicUpdateSlice, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.DynamicUpdateSlice(in[0], in[1], in[2:]))
	}, append([]compute.Value{x, update}, starts...)...)
}

// FFT is the operation of [compute.StandardOps].
func (f *function) FFT(x compute.Value, kind compute.FFTType, length []int) (compute.Value, error) {
	length = slices.Clone(length)
	return f.single(compute.OpTypeFFT, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.FFT(in[0], kind, length))
	}, x)
}

// ReduceWindow is the operation of [compute.StandardOps].
func (f *function) ReduceWindow(x compute.Value, kind compute.ReduceOpType, window, strides, inputDilations, windowDilations []int,
	paddings [][2]int,
) (compute.Value, error) {
	window, strides, paddings = slices.Clone(window), slices.Clone(strides), slices.Clone(paddings)
	inputDilations, windowDilations = slices.Clone(inputDilations), slices.Clone(windowDilations)
	return f.single(compute.OpTypeReduceWindow, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.ReduceWindow(in[0], kind, window, strides, inputDilations, windowDilations, paddings))
	}, x)
}

// RNGBitGenerator is the operation of [compute.StandardOps].
func (f *function) RNGBitGenerator(state compute.Value, shape shapes.Shape) (newState, values compute.Value, err error) {
	shape = shape.Clone()
	nodes, err := f.apply(compute.OpTypeRNGBitGenerator, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		s, v, err := fn.RNGBitGenerator(in[0], shape)
		if err != nil {
			return nil, err
		}
		return []compute.Value{s, v}, nil
	}, []compute.Value{state})
	if err != nil {
		return nil, nil, err
	}
	return nodes[0], nodes[1], nil
}

type selectMethod func(fn compute.Function, x, source compute.Value, window, strides []int, paddings [][2]int) (compute.Value, error)

func (f *function) selectAndScatter(op compute.OpType, method selectMethod, values []compute.Value, window, strides []int, paddings [][2]int) (compute.Value, error) {
	window, strides, paddings = slices.Clone(window), slices.Clone(strides), slices.Clone(paddings)
	return f.single(op, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(method(fn, in[0], in[1], window, strides, paddings))
	}, values...)
}

// SelectAndScatterMax is the operation of [compute.StandardOps].
func (f *function) SelectAndScatterMax(x, source compute.Value, window, strides []int, paddings [][2]int) (compute.Value, error) {
	return f.selectAndScatter(compute.OpTypeSelectAndScatterMax, compute.Function.SelectAndScatterMax,
		[]compute.Value{x, source}, window, strides, paddings)
}

// SelectAndScatterMin is the operation of [compute.StandardOps].
func (f *function) SelectAndScatterMin(x, source compute.Value, window, strides []int, paddings [][2]int) (compute.Value, error) {
	return f.selectAndScatter(compute.OpTypeSelectAndScatterMin, compute.Function.SelectAndScatterMin,
		[]compute.Value{x, source}, window, strides, paddings)
}

// OptimizationBarrier is the operation of [compute.StandardOps].
func (f *function) OptimizationBarrier(xs ...compute.Value) ([]compute.Value, error) {
	nodes, err := f.apply(compute.OpTypeOptimizationBarrier, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return fn.OptimizationBarrier(in...)
	}, xs)
	if err != nil {
		return nil, err
	}
	return asValues(nodes), nil
}

// SchedulingBarrier is the operation of [compute.StandardOps].
func (f *function) SchedulingBarrier(x compute.Value, dependencies ...compute.Value) (compute.Value, error) {
	return f.single(compute.OpTypeSchedulingBarrier, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.SchedulingBarrier(in[0], in[1:]...))
	}, append([]compute.Value{x}, dependencies...)...)
}

// AllReduce is the operation of [compute.CollectiveOps].
func (f *function) AllReduce(xs []compute.Value, kind compute.ReduceOpType, groups [][]int) ([]compute.Value, error) {
	nodes, err := f.apply(compute.OpTypeAllReduce, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return fn.AllReduce(in, kind, groups)
	}, xs)
	if err != nil {
		return nil, err
	}
	return asValues(nodes), nil
}
