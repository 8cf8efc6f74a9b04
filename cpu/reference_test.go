package cpu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
)

// The reference of random graphs. It repeats the captured operations of a graph on the Go backend with every float in f64
// and maintains, for every element, a bound on the rounding error of a correct computation in the graph's own dtypes
// (running error analysis: Higham, Accuracy and Stability of Numerical Algorithms, chapter 3). A comparison of values
// closer together than their bounds may have either result, which enters the bounds of what depends on it. So a
// difference beyond the bound is a fault and never chance.

// bounded is a value of the reference: floats in f64, the others as they are. off bounds the error of every element, and
// is nil where there is none: integers, truth values that rounding cannot turn, and floats that were only moved.
type bounded struct {
	v, off compute.Value
	dims   []int
	dtype  dtypes.DType // of the value in the graph
}

type referee struct {
	t  testing.TB
	f  compute.Function
	of map[*node]bounded
}

// rounding is half the distance from 1 to the next number of the dtype; least is the smallest number that counts as normal,
// and largest the largest.
func rounding(d dtypes.DType) (unit, least, largest float64) {
	switch d {
	case dtypes.Float16:
		return 1.0 / (1 << 11), 1.0 / (1 << 24), 65504
	case dtypes.BFloat16:
		return 1.0 / (1 << 8), math.SmallestNonzeroFloat32 * (1 << 23), 3.3895e38
	case dtypes.Float32:
		return 1.0 / (1 << 24), math.SmallestNonzeroFloat32 * (1 << 23), math.MaxFloat32
	}
	return 4.0 / (1 << 53), math.SmallestNonzeroFloat64 * (1 << 52), math.MaxFloat64 / 4 // of the reference too
}

// accumulating is the rounding of sums: f32 for what is narrower.
func accumulating(d dtypes.DType) float64 {
	if d == dtypes.Float64 {
		unit, _, _ := rounding(d)
		return unit
	}
	return 1.0 / (1 << 24)
}

func (r *referee) must(v compute.Value, err error) compute.Value { return must(r.t)(v, err) }

func isFloat(d dtypes.DType) bool {
	return d == dtypes.Float64 || d == dtypes.Float32 || d == dtypes.BFloat16 || d == dtypes.Float16
}

// number is c in every place.
func (r *referee) number(c float64, dims []int) compute.Value {
	return r.must(r.f.BroadcastInDim(r.must(r.f.Constant([]float64{c})), shapes.Make(dtypes.Float64, dims...), nil))
}

func (r *referee) add(x, y compute.Value) compute.Value { return r.must(r.f.Add(x, y)) }
func (r *referee) sub(x, y compute.Value) compute.Value { return r.must(r.f.Sub(x, y)) }
func (r *referee) mul(x, y compute.Value) compute.Value { return r.must(r.f.Mul(x, y)) }
func (r *referee) abs(x compute.Value) compute.Value    { return r.must(r.f.Abs(x)) }
func (r *referee) scale(x compute.Value, c float64) compute.Value {
	return r.mul(x, r.must(r.f.Constant([]float64{c})))
}

// error returns the bound of x as numbers.
func (r *referee) error(x bounded) compute.Value {
	if x.off == nil {
		return r.number(0, x.dims)
	}
	return x.off
}

// replay repeats the operation of n on other operands.
func (r *referee) replay(n *node, in ...compute.Value) compute.Value {
	out, err := n.replay(r.f, in)
	if err != nil {
		r.t.Fatalf("reference: node %d, %s: %v", n.id, describe(n.op, n.operand), err)
	}
	return out[0]
}

// capped replaces bounds that are not numbers, or so large that the dtype overflows, by infinity.
func (r *referee) capped(n *node, v, off compute.Value) bounded {
	dims, d := n.shape.Dimensions, n.shape.DType
	_, _, largest := rounding(d)
	fits := r.must(r.f.LessOrEqual(r.add(r.abs(v), off), r.number(largest, dims)))
	return bounded{v, r.must(r.f.Where(fits, off, r.number(math.Inf(1), dims))), dims, d}
}

// rounded adds the rounding of the result. It is known where the operands are exact and the operation is correctly
// rounded, which ulps = 0 means; else it is at most ulps units.
func (r *referee) rounded(n *node, v, off compute.Value, ulps float64) bounded {
	dims, d := n.shape.Dimensions, n.shape.DType
	unit, least, _ := rounding(d)
	size := r.abs(v)
	some := r.add(r.scale(size, (ulps+1)*unit), r.number(least, dims))
	sure := some
	if ulps == 0 && d != dtypes.Float64 {
		narrow := r.must(r.f.ConvertDType(r.must(r.f.ConvertDType(v, d)), dtypes.Float64))
		sure = r.abs(r.sub(v, narrow))
	} else {
		isZero := r.must(r.f.Equal(v, r.number(0, dims)))
		sure = r.must(r.f.Where(isZero, r.number(0, dims), sure))
	}
	exact := r.must(r.f.Equal(off, r.number(0, dims)))
	return r.capped(n, v, r.add(off, r.must(r.f.Where(exact, sure, some))))
}

// node computes a node whose operands are known.
func (r *referee) node(n *node) {
	if n.of != nil || !n.shape.Ok() {
		r.t.Fatalf("reference: %s has several results", n.op)
	}
	x := make([]bounded, len(n.operand))
	in := make([]compute.Value, len(n.operand))
	for i, o := range n.operand {
		x[i] = r.of[o]
		in[i] = x[i].v
	}
	switch {
	case n.shape.Size() == 0: // the Go backend fails on some of these
		r.of[n] = r.nothing(n)
	case isFloat(n.shape.DType):
		r.of[n] = r.float(n, x, in)
	case n.shape.DType == dtypes.Bool:
		r.of[n] = r.truth(n, x, in)
	default:
		out := bounded{v: r.replay(n, in...), dims: n.shape.Dimensions, dtype: n.shape.DType}
		for _, o := range x {
			if o.off != nil { // the place of an extreme, say
				out.off = r.number(math.Inf(1), out.dims)
			}
		}
		r.of[n] = out
	}
}

func (r *referee) nothing(n *node) bounded {
	d := n.shape.DType
	if isFloat(d) {
		d = dtypes.Float64
	}
	v := r.must(r.f.BroadcastInDim(r.must(r.f.ConvertDType(r.must(r.f.Constant([]float64{0})), d)), shapes.Make(d, n.shape.Dimensions...), nil))
	return bounded{v: v, dims: n.shape.Dimensions, dtype: n.shape.DType}
}

// truth computes a value of bool. Its bound is 1 where rounding may turn it over.
func (r *referee) truth(n *node, x []bounded, in []compute.Value) bounded {
	out := bounded{dims: n.shape.Dimensions, dtype: n.shape.DType}
	if n.op == compute.OpTypeBroadcastInDim {
		out.v = r.broadcast(n, in[0], dtypes.Bool)
	} else {
		out.v = r.replay(n, in...)
	}
	inexact := false
	for _, o := range x {
		inexact = inexact || o.off != nil
	}
	if !inexact {
		return out
	}
	if len(x) > 0 && x[0].dtype.IsInt() {
		out.off = r.number(1, out.dims)
		return out
	}
	switch n.op {
	case compute.OpTypeEqual, compute.OpTypeNotEqual, compute.OpTypeLessThan, compute.OpTypeLessOrEqual,
		compute.OpTypeGreaterThan, compute.OpTypeGreaterOrEqual:
		off := r.add(r.error(x[0]), r.error(x[1]))
		off = r.add(off, r.number(0, out.dims))
		apart := r.must(r.f.GreaterThan(r.add(r.abs(r.sub(in[0], in[1])), r.number(0, out.dims)), off))
		exact := r.must(r.f.Equal(off, r.number(0, out.dims)))
		out.off = r.must(r.f.Where(r.must(r.f.LogicalOr(apart, exact)), r.number(0, out.dims), r.number(1, out.dims)))
	case compute.OpTypeLogicalAnd, compute.OpTypeLogicalOr, compute.OpTypeLogicalXor:
		out.off = r.must(r.f.Min(r.add(r.add(r.error(x[0]), r.error(x[1])), r.number(0, out.dims)), r.number(1, out.dims)))
	case compute.OpTypeLogicalNot:
		out.off = x[0].off
	case compute.OpTypeReduceLogicalAnd, compute.OpTypeReduceLogicalOr, compute.OpTypeReduceLogicalXor:
		out.off = r.must(r.f.ReduceMax(x[0].off, n.attr.(axesAttr).axes...))
	case compute.OpTypeIsFinite, compute.OpTypeIsNaN:
	case compute.OpTypeWhere:
		out.off = r.number(1, out.dims)
	default:
		out.off = r.moved(n, x)
	}
	return out
}

func (r *referee) broadcast(n *node, x compute.Value, d dtypes.DType) compute.Value {
	return r.must(r.f.BroadcastInDim(x, shapes.Make(d, n.shape.Dimensions...), n.attr.(axesAttr).axes))
}

// moved repeats an operation that only moves elements on their bounds; it returns nil if all are exact.
func (r *referee) moved(n *node, x []bounded) compute.Value {
	off, exact := make([]compute.Value, len(x)), true
	for i, o := range x {
		off[i] = o.v // indices
		if isFloat(o.dtype) || o.dtype == dtypes.Bool {
			exact = exact && o.off == nil
			off[i] = r.error(o)
		}
	}
	if exact {
		return nil
	}
	if n.op == compute.OpTypeBroadcastInDim {
		return r.broadcast(n, off[0], dtypes.Float64)
	}
	return r.replay(n, off...)
}

// float computes a value of floats.
func (r *referee) float(n *node, x []bounded, in []compute.Value) bounded {
	switch n.op {
	case compute.OpTypeParameter, compute.OpTypeConstant, compute.OpTypeIota:
		v := r.replay(n)
		return bounded{v: r.must(r.f.ConvertDType(v, dtypes.Float64)), dims: n.shape.Dimensions, dtype: n.shape.DType}
	case compute.OpTypeConvertDType:
		v := r.must(r.f.ConvertDType(in[0], dtypes.Float64))
		return r.rounded(n, v, r.error(x[0]), 0)
	case compute.OpTypeIdentity, compute.OpTypeReshape, compute.OpTypeTranspose, compute.OpTypeSlice, compute.OpTypeReverse,
		compute.OpTypeConcatenate, compute.OpTypePad, compute.OpTypeGather:
		return bounded{r.replay(n, in...), r.moved(n, x), n.shape.Dimensions, n.shape.DType}
	case compute.OpTypeBroadcastInDim:
		return bounded{r.broadcast(n, in[0], dtypes.Float64), r.moved(n, x), n.shape.Dimensions, n.shape.DType}
	case compute.OpTypeNeg, compute.OpTypeAbs:
		return bounded{r.replay(n, in...), x[0].off, n.shape.Dimensions, n.shape.DType}
	case compute.OpTypeWhere:
		return r.choice(n, x, in)
	case compute.OpTypeDotGeneral, compute.OpTypeConvGeneral:
		return r.products(n, x, in)
	case compute.OpTypeScatterSum:
		v := r.replay(n, in...)
		off := r.replay(n, r.error(x[0]), in[1], r.error(x[2]))
		size := r.replay(n, r.abs(in[0]), in[1], r.abs(in[2]))
		return r.rounded(n, v, r.add(off, r.scale(size, float64(1+product(x[2].dims))*r.ownUnit(n))), 0)
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin, compute.OpTypeReduceProduct:
		return r.reduction(n, x[0], in[0])
	}
	if len(in) == 1 {
		return r.unary(n, x[0], in[0])
	}
	return r.binary(n, x, in)
}

func (r *referee) ownUnit(n *node) float64 {
	unit, _, _ := rounding(n.shape.DType)
	return unit
}

func (r *referee) choice(n *node, x []bounded, in []compute.Value) bounded {
	dims := n.shape.Dimensions
	v := r.replay(n, in...)
	off := r.replay(n, in[0], r.error(x[1]), r.error(x[2]))
	if x[0].off == nil {
		return bounded{v, off, dims, n.shape.DType}
	}
	// Either may be chosen: the bound covers both.
	uncertain := r.must(r.f.GreaterThan(x[0].off, r.number(0, x[0].dims)))
	gap := r.add(r.abs(r.sub(in[1], in[2])), r.add(r.error(x[1]), r.error(x[2])))
	gap = r.add(gap, r.number(0, dims))
	return r.capped(n, v, r.replay(n, uncertain, gap, off))
}

// products computes sums of products: |x|·off(y) + off(x)·|y| + off(x)·off(y) + (k+2)·unit·|x|·|y|.
func (r *referee) products(n *node, x []bounded, in []compute.Value) bounded {
	k := 1
	if a, ok := n.attr.(dotAttr); ok {
		for _, axis := range a.lhsContract {
			k *= x[0].dims[axis]
		}
		if k == 0 { // the Go backend divides by zero
			return bounded{r.number(0, n.shape.Dimensions), nil, n.shape.Dimensions, n.shape.DType}
		}
	} else {
		a := n.attr.(convAttr)
		k = product(x[1].dims) / max(1, x[1].dims[a.axes.KernelOutputChannels])
	}
	sizeX, sizeY := r.abs(in[0]), r.abs(in[1])
	both := r.replay(n, sizeX, sizeY)
	withErrors := r.replay(n, r.add(sizeX, r.error(x[0])), r.add(sizeY, r.error(x[1])))
	off := r.add(r.sub(withErrors, both), r.scale(withErrors, float64(k+2)*accumulating(n.shape.DType)))
	return r.rounded(n, r.replay(n, in...), off, 0)
}

func (r *referee) reduction(n *node, x bounded, in compute.Value) bounded {
	v := r.replay(n, in)
	count := float64(product(x.dims) / max(1, product(n.shape.Dimensions)))
	switch n.op {
	case compute.OpTypeReduceSum:
		size := r.replay(n, r.abs(in))
		return r.rounded(n, v, r.add(r.replay(n, r.error(x)), r.scale(size, count*accumulating(n.shape.DType))), 0)
	case compute.OpTypeReduceProduct:
		size := r.abs(in)
		large := r.scale(r.replay(n, r.add(size, r.error(x))), 1+2*count*accumulating(n.shape.DType))
		return r.rounded(n, v, r.sub(large, r.replay(n, size)), 1)
	}
	if x.off == nil {
		return bounded{v, nil, n.shape.Dimensions, n.shape.DType}
	}
	return bounded{v, r.must(r.f.ReduceMax(x.off, n.attr.(axesAttr).axes...)), n.shape.Dimensions, n.shape.DType}
}

// unary computes a function of one number. For monotone ones the error is what they do to both ends of the interval.
func (r *referee) unary(n *node, x bounded, in compute.Value) bounded {
	v, off, ulps := r.replay(n, in), r.error(x), 4.0
	switch n.op {
	case compute.OpTypeSin, compute.OpTypeCos:
		unit, _, _ := rounding(n.shape.DType)
		return r.rounded(n, v, r.add(off, r.number(4*unit, x.dims)), ulps)
	case compute.OpTypeSqrt, compute.OpTypeSign, compute.OpTypeFloor, compute.OpTypeCeil, compute.OpTypeRound:
		ulps = 0
	case compute.OpTypeTanh, compute.OpTypeErf, compute.OpTypeLogistic, compute.OpTypeExp, compute.OpTypeExpm1,
		compute.OpTypeLog, compute.OpTypeLog1p, compute.OpTypeRsqrt:
	default:
		r.t.Fatalf("reference: no error bound of %s", n.op)
	}
	if x.off == nil {
		return r.rounded(n, v, off, ulps)
	}
	above := r.abs(r.sub(r.replay(n, r.add(in, off)), v))
	below := r.abs(r.sub(r.replay(n, r.sub(in, off)), v))
	// What may be anything may be NaN, and then a function that is bounded is NaN too.
	known := r.must(r.f.LessOrEqual(off, r.number(math.MaxFloat64, x.dims)))
	off = r.must(r.f.Where(known, r.must(r.f.Max(above, below)), off))
	return r.rounded(n, v, off, ulps)
}

func (r *referee) binary(n *node, x []bounded, in []compute.Value) bounded {
	dims := n.shape.Dimensions
	v := r.replay(n, in...)
	zero := r.number(0, dims)
	offX, offY := r.add(r.error(x[0]), zero), r.add(r.error(x[1]), zero)
	sizeX, sizeY := r.abs(r.add(in[0], zero)), r.abs(r.add(in[1], zero))
	switch n.op {
	case compute.OpTypeAdd, compute.OpTypeSub:
		return r.rounded(n, v, r.add(offX, offY), 0)
	case compute.OpTypeMax, compute.OpTypeMin:
		if x[0].off == nil && x[1].off == nil {
			return bounded{v, nil, dims, n.shape.DType}
		}
		return bounded{v, r.must(r.f.Max(offX, offY)), dims, n.shape.DType}
	case compute.OpTypeMul:
		return r.rounded(n, v, r.add(r.add(r.mul(sizeX, offY), r.mul(sizeY, offX)), r.mul(offX, offY)), 0)
	case compute.OpTypeDiv:
		room := r.must(r.f.Max(r.sub(sizeY, offY), zero)) // 0 makes the bound infinite
		return r.rounded(n, v, r.must(r.f.Div(r.add(offX, r.mul(r.abs(v), offY)), room)), 0)
	case compute.OpTypePow:
		// |x^y|·(|y|·off(x)/(|x|-off(x)) + |log x|·off(y)), twice for the terms of higher order
		room := r.must(r.f.Max(r.sub(sizeX, offX), zero))
		byX := r.must(r.f.Div(r.mul(r.add(sizeY, offY), offX), room))
		byY := r.mul(r.abs(r.must(r.f.Log(sizeX))), offY)
		return r.rounded(n, v, r.scale(r.mul(r.abs(v), r.add(byX, byY)), 2), 4)
	case compute.OpTypeAtan2, compute.OpTypeRem:
		exact := r.must(r.f.Equal(r.add(offX, offY), zero))
		return r.rounded(n, v, r.must(r.f.Where(exact, zero, r.number(math.Inf(1), dims))), 4)
	}
	r.t.Fatalf("reference: no error bound of %s", describe(n.op, n.operand))
	return bounded{}
}

// expected is what a result may be: within off of v, in f64. For dtypes other than floats, flat is the result itself and
// off says where it is uncertain.
type expected struct {
	v, off []float64
	flat   any
	dtype  dtypes.DType
}

// reference computes the values of the nodes for the given inputs, whose flat data are in the dtypes of the parameters.
func reference(t testing.TB, oracle compute.Backend, f *function, inputs []any, want []*node) []expected {
	t.Helper()
	bd := oracle.Builder("reference")
	r := &referee{t: t, f: bd.Main(), of: make(map[*node]bounded)}
	var buffers []compute.Buffer
	for i, n := range f.params {
		p, err := r.f.Parameter(fmt.Sprint("x", i), n.shape, nil)
		if err != nil {
			t.Fatal(err)
		}
		n.replay = func(compute.Function, []compute.Value) ([]compute.Value, error) { return []compute.Value{p}, nil }
		buffer, err := oracle.BufferFromFlatData(0, inputs[i], n.shape)
		if err != nil {
			t.Fatal(err)
		}
		buffers = append(buffers, buffer)
	}
	used := make(map[*node]bool)
	for _, n := range want {
		used[n] = true
	}
	for _, n := range slices.Backward(f.nodes) {
		if used[n] {
			for _, o := range n.operand {
				used[o] = true
			}
		}
	}
	for _, n := range f.nodes {
		if used[n] {
			r.node(n)
		}
	}
	var outputs []compute.Value
	for _, n := range want {
		b := r.of[n]
		outputs = append(outputs, r.must(r.f.Identity(b.v)), r.must(r.f.Identity(r.error(b))))
	}
	if err := r.f.Return(outputs, nil); err != nil {
		t.Fatal(err)
	}
	exe, err := bd.Compile()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exe.Execute(buffers, nil, 0)
	if err != nil {
		t.Fatalf("reference: %v", err)
	}
	results := make([]expected, len(want))
	for i, n := range want {
		results[i] = expected{off: flatData[[]float64](t, out[2*i+1]), dtype: n.shape.DType, flat: flatData[any](t, out[2*i])}
		results[i].v, _ = results[i].flat.([]float64)
	}
	return results
}

func flatData[T any](t testing.TB, b compute.Buffer) T {
	t.Helper()
	flat, err := b.Data()
	if err != nil {
		t.Fatal(err)
	}
	v, ok := flat.(T)
	if !ok {
		t.Fatalf("a result is %T", flat)
	}
	return v
}

func newOracle(t testing.TB) compute.Backend {
	t.Helper()
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	return oracle
}
