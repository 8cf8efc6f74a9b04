package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// optional collects operands of which some may be nil, and restores their positions for the replay.
type optional struct {
	values  []compute.Value
	present []bool
}

func (o *optional) add(vs ...compute.Value) {
	for _, v := range vs {
		o.present = append(o.present, v != nil)
		if v != nil {
			o.values = append(o.values, v)
		}
	}
}

func (o *optional) spread(in []compute.Value) []compute.Value {
	all := make([]compute.Value, len(o.present))
	for i, p := range o.present {
		if p {
			all[i], in = in[0], in[1:]
		}
	}
	return all
}

// FusedSoftmax is the operation of [compute.FusedOps].
func (f *function) FusedSoftmax(x compute.Value, axis int) (compute.Value, error) {
	return f.single(compute.OpTypeFusedSoftmax, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.FusedSoftmax(in[0], axis))
	}, x)
}

// FusedGelu is the operation of [compute.FusedOps].
func (f *function) FusedGelu(x compute.Value, exact bool) (compute.Value, error) {
	return f.single(compute.OpTypeFusedGelu, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.FusedGelu(in[0], exact))
	}, x)
}

// FusedLayerNorm is the operation of [compute.FusedOps].
func (f *function) FusedLayerNorm(x compute.Value, axes []int, epsilon float64, gamma, beta compute.Value) (compute.Value, error) {
	axes = slices.Clone(axes)
	var o optional
	o.add(x, gamma, beta)
	return f.single(compute.OpTypeFusedLayerNorm, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		return one(fn.FusedLayerNorm(v[0], axes, epsilon, v[1], v[2]))
	}, o.values...)
}

// FusedDense is the operation of [compute.FusedOps].
func (f *function) FusedDense(x, weight, bias compute.Value, options compute.DenseConfig) (compute.Value, error) {
	var o optional
	o.add(x, weight, bias)
	return f.single(compute.OpTypeFusedDense, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		return one(fn.FusedDense(v[0], v[1], v[2], options))
	}, o.values...)
}

// FusedScaledDotProductAttention is not implemented: GoMLX then builds attention from its parts, which are fused when
// the graph is compiled, forward and backward.
func (f *function) FusedScaledDotProductAttention(_, _, _ compute.Value, _ compute.AttentionAxesLayout,
	_ *compute.ScaledDotProductAttentionConfig,
) (output compute.Value, states []compute.Value, err error) {
	return nil, nil, fmt.Errorf("cpu: FusedScaledDotProductAttention: %w", compute.ErrNotImplemented)
}

// FusedScaledDotProductAttentionVJP is not implemented, like the forward operation.
func (f *function) FusedScaledDotProductAttentionVJP(_, _, _ compute.Value, _ compute.AttentionAxesLayout,
	_ *compute.ScaledDotProductAttentionConfig, _ compute.Value, _ []compute.Value, _ compute.Value,
) (dq, dk, dv compute.Value, err error) {
	return nil, nil, nil, fmt.Errorf("cpu: FusedScaledDotProductAttentionVJP: %w", compute.ErrNotImplemented)
}

// FusedAttentionQKVProjection is the operation of [compute.FusedOps].
func (f *function) FusedAttentionQKVProjection(x, w, biasQ, biasK, biasV compute.Value, queryDim, keyValueDim int) (q, k, v compute.Value, err error) {
	var o optional
	o.add(x, w, biasQ, biasK, biasV)
	return f.three(compute.OpTypeFusedAttentionQKVProjection, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		a := o.spread(in)
		return list3(fn.FusedAttentionQKVProjection(a[0], a[1], a[2], a[3], a[4], queryDim, keyValueDim))
	}, o.values...)
}

// QuantizedEmbeddingLookup is the operation of [compute.FusedOps].
func (f *function) QuantizedEmbeddingLookup(data, indices compute.Value, q *compute.Quantization) (compute.Value, error) {
	var o optional
	o.add(data, indices)
	config := quantizationOperands(&o, q)
	return f.single(compute.OpTypeQuantizedEmbeddingLookup, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		return one(fn.QuantizedEmbeddingLookup(v[0], v[1], config(v[2:])))
	}, o.values...)
}

// FusedQuantizedDense is the operation of [compute.FusedOps].
func (f *function) FusedQuantizedDense(x, weights, bias compute.Value, q *compute.Quantization, activation compute.ActivationType) (compute.Value, error) {
	var o optional
	o.add(x, weights, bias)
	config := quantizationOperands(&o, q)
	return f.single(compute.OpTypeFusedQuantizedDense, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		return one(fn.FusedQuantizedDense(v[0], v[1], v[2], config(v[3:]), activation))
	}, o.values...)
}

// quantizationOperands adds the values inside q to the operands and returns a function that copies q with other values.
func quantizationOperands(o *optional, q *compute.Quantization) func(v []compute.Value) *compute.Quantization {
	if q == nil {
		return func([]compute.Value) *compute.Quantization { return nil }
	}
	o.add(q.Scale, q.ZeroPoint)
	again := *q
	return func(v []compute.Value) *compute.Quantization {
		c := again
		c.Scale, c.ZeroPoint = v[0], v[1]
		return &c
	}
}

// dimensionOperands does for dimensions what quantizationOperands does for quantization.
func dimensionOperands(o *optional, dims []compute.DynamicDimensionSpec) func(v []compute.Value) []compute.DynamicDimensionSpec {
	dims = slices.Clone(dims)
	for _, d := range dims {
		o.add(d.Value)
	}
	return func(v []compute.Value) []compute.DynamicDimensionSpec {
		c := slices.Clone(dims)
		for i := range c {
			c[i].Value = v[i]
		}
		return c
	}
}

// DynamicDimensionSize is the operation of [compute.DynamicOps].
func (f *function) DynamicDimensionSize(x compute.Value, axis int) (compute.Value, error) {
	return f.single(compute.OpTypeDynamicDimensionSize, nil, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.DynamicDimensionSize(in[0], axis))
	}, x)
}

// DynamicReshape is the operation of [compute.DynamicOps].
func (f *function) DynamicReshape(x compute.Value, dims ...compute.DynamicDimensionSpec) (compute.Value, error) {
	var o optional
	o.add(x)
	again := dimensionOperands(&o, dims)
	return f.dynamic(compute.OpTypeDynamicReshape, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		return one(fn.DynamicReshape(v[0], again(v[1:])...))
	}, o.values...)
}

// DynamicBroadcastInDim is the operation of [compute.DynamicOps].
func (f *function) DynamicBroadcastInDim(x compute.Value, axes []int, dims ...compute.DynamicDimensionSpec) (compute.Value, error) {
	var o optional
	o.add(x)
	axes = slices.Clone(axes)
	again := dimensionOperands(&o, dims)
	return f.dynamic(compute.OpTypeDynamicBroadcastInDim, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		return one(fn.DynamicBroadcastInDim(v[0], axes, again(v[1:])...))
	}, o.values...)
}

// DynamicIota is the operation of [compute.DynamicOps].
func (f *function) DynamicIota(dtype dtypes.DType, axis int, dims ...compute.DynamicDimensionSpec) (compute.Value, error) {
	var o optional
	again := dimensionOperands(&o, dims)
	return f.dynamic(compute.OpTypeDynamicIota, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		return one(fn.DynamicIota(dtype, axis, again(o.spread(in))...))
	}, o.values...)
}

// DynamicPad is the operation of [compute.DynamicOps].
func (f *function) DynamicPad(x, fill compute.Value, axes ...compute.DynamicPadAxis) (compute.Value, error) {
	var o optional
	o.add(x, fill)
	axes = slices.Clone(axes)
	for _, a := range axes {
		o.add(a.StartValue, a.EndValue, a.InteriorValue)
	}
	return f.dynamic(compute.OpTypePad, func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		v := o.spread(in)
		again := slices.Clone(axes)
		for i := range again {
			again[i].StartValue, again[i].EndValue, again[i].InteriorValue = v[2+3*i], v[3+3*i], v[4+3*i]
		}
		return one(fn.DynamicPad(v[0], v[1], again...))
	}, o.values...)
}

// dynamic records an operation that makes the fallback backend run the whole computation.
func (f *function) dynamic(op compute.OpType, replayed replay, values ...compute.Value) (compute.Value, error) {
	f.builder.dynamic = true
	return f.single(op, nil, replayed, values...)
}
