package cpu

import (
	"cmp"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// folding reduces any axes of values other than f32, and by operations other than sum, largest and smallest: for every
// index of the kept axes, the elements in row-major order. The accumulator is an A, which is f32 for dtypes of 16 bits.
type folding[T, A any] struct {
	x, y       *tensor
	kept, over axisList
	first      A
	combine    func(a A, element T) A
	result     func(a A) T
}

// reduceAny lowers the reductions that [lowering.reduce] does not. It returns false for packed and complex dtypes.
func (l *lowering) reduceAny(n *node) bool {
	if n.operand[0].shape.Rank() > 16 {
		return false
	}
	switch n.shape.DType {
	case dtypes.Int8:
		return foldIntegers[int8](l, n)
	case dtypes.Int16:
		return foldIntegers[int16](l, n)
	case dtypes.Int32:
		return foldIntegers[int32](l, n)
	case dtypes.Int64:
		return foldIntegers[int64](l, n)
	case dtypes.Uint8:
		return foldIntegers[uint8](l, n)
	case dtypes.Uint16:
		return foldIntegers[uint16](l, n)
	case dtypes.Uint32:
		return foldIntegers[uint32](l, n)
	case dtypes.Uint64:
		return foldIntegers[uint64](l, n)
	case dtypes.Float32:
		return foldOrdered[float32](l, n)
	case dtypes.Float64:
		return foldOrdered[float64](l, n)
	case dtypes.BFloat16:
		return foldHalf(l, n, bfloat16.BFloat16.Float32, bfloatOf)
	case dtypes.Float16:
		return foldHalf(l, n, float16.Float16.Float32, halfOf)
	case dtypes.Bool:
		return foldTruth(l, n)
	}
	return false
}

func foldIntegers[T integer](l *lowering, n *node) bool {
	switch n.op {
	case compute.OpTypeReduceBitwiseAnd:
		return fold(l, n, ^T(0), func(a, b T) T { return a & b })
	case compute.OpTypeReduceBitwiseOr:
		return fold(l, n, 0, func(a, b T) T { return a | b })
	case compute.OpTypeReduceBitwiseXor:
		return fold(l, n, 0, func(a, b T) T { return a ^ b })
	}
	return foldOrdered[T](l, n)
}

func foldOrdered[T integer | float32 | float64](l *lowering, n *node) bool {
	first, ok := firstOf[T](n.op, n.shape.DType)
	return ok && fold(l, n, first, ordered[T](n.op))
}

// firstOf is the initial value of an operation on numbers of the dtype.
func firstOf[T integer | float32 | float64](op compute.OpType, d dtypes.DType) (first T, ok bool) {
	switch op {
	case compute.OpTypeReduceSum:
		return 0, true
	case compute.OpTypeReduceProduct:
		return 1, true
	case compute.OpTypeReduceMax:
		return d.LowestValue().(T), true
	case compute.OpTypeReduceMin:
		return d.HighestValue().(T), true
	}
	return 0, false
}

func foldHalf[T any](l *lowering, n *node, wide func(T) float32, narrow func(float32) T) bool {
	first, ok := firstOf[float32](n.op, dtypes.Float32)
	if !ok {
		return false
	}
	combine := ordered[float32](n.op)
	return foldAs(l, n, first, func(a float32, element T) float32 { return combine(a, wide(element)) }, narrow)
}

func foldTruth(l *lowering, n *node) bool {
	switch n.op {
	case compute.OpTypeReduceLogicalAnd:
		return fold(l, n, true, func(a, b bool) bool { return a && b })
	case compute.OpTypeReduceLogicalOr:
		return fold(l, n, false, func(a, b bool) bool { return a || b })
	case compute.OpTypeReduceLogicalXor:
		return fold(l, n, false, func(a, b bool) bool { return a != b })
	}
	return false
}

func fold[T any](l *lowering, n *node, first T, combine func(a, b T) T) bool {
	return foldAs(l, n, first, combine, func(a T) T { return a })
}

func foldAs[T, A any](l *lowering, n *node, first A, combine func(a A, element T) A, result func(a A) T) bool {
	f := &folding[T, A]{x: l.tensorOf(n.operand[0]), first: first, combine: combine, result: result}
	for i, reduced := range reducedAxes(n) {
		to := &f.kept
		if reduced {
			to = &f.over
		}
		to.dims, to.strides = append(to.dims, f.x.dims[i]), append(to.strides, f.x.strides[i])
	}
	f.y = l.define(n)
	l.emit(n.op.String(), []*storage{f.x.s}, []*storage{f.y.s}, f.run)
	return true
}

func (f *folding[T, A]) run(x *execution) error {
	src, dst := slice[T](x, f.x.s, 0), slice[T](x, f.y.s, 0)
	count := product(f.over.dims)
	per := max(1, elementChunk/max(1, count))
	x.parallel(ceilDiv(len(dst), per), func(item int) {
		var at, w walker
		at.start(f.kept.dims, item*per)
		o := f.x.off + at.offset(f.kept.strides)
		for i := item * per; i < min((item+1)*per, len(dst)); i++ {
			w.start(f.over.dims, 0)
			v, e := f.first, o
			for range count {
				v = f.combine(v, src[e])
				e, _ = w.next(f.over.dims, f.over.strides, f.over.strides, e, 0)
			}
			dst[i] = f.result(v)
			o, _ = at.next(f.kept.dims, f.kept.strides, f.kept.strides, o, 0)
		}
	})
	return nil
}

// argMinMax lowers ArgMinMax: the first position of the extreme value, or the last NaN.
func (l *lowering) argMinMax(n *node) bool {
	o := n.operand[0]
	if o.shape.Size() == 0 || o.shape.Rank() > 16 {
		return false
	}
	var where func(x *execution, t *tensor, set func(i, place int), axis int, least bool)
	switch o.shape.DType {
	case dtypes.Int8:
		where = places(func(v int8) int8 { return v })
	case dtypes.Int16:
		where = places(func(v int16) int16 { return v })
	case dtypes.Int32:
		where = places(func(v int32) int32 { return v })
	case dtypes.Int64:
		where = places(func(v int64) int64 { return v })
	case dtypes.Uint8:
		where = places(func(v uint8) uint8 { return v })
	case dtypes.Uint16:
		where = places(func(v uint16) uint16 { return v })
	case dtypes.Uint32:
		where = places(func(v uint32) uint32 { return v })
	case dtypes.Uint64:
		where = places(func(v uint64) uint64 { return v })
	case dtypes.Float32:
		where = places(func(v float32) float32 { return v })
	case dtypes.Float64:
		where = places(func(v float64) float64 { return v })
	case dtypes.BFloat16:
		where = places(bfloat16.BFloat16.Float32)
	case dtypes.Float16:
		where = places(float16.Float16.Float32)
	default:
		return false
	}
	a := n.attr.(argAttr)
	t, y := l.tensorOf(o), l.define(n)
	l.emit("ArgMinMax", []*storage{t.s}, []*storage{y.s}, func(x *execution) error {
		where(x, t, writeIndices(x, y.s), a.axis, a.least)
		return nil
	})
	return true
}

// places returns the kernel of ArgMinMax for values of type T, which are compared as U.
func places[T any, U cmp.Ordered](read func(T) U) func(x *execution, t *tensor, set func(i, place int), axis int, least bool) {
	return func(x *execution, t *tensor, set func(i, place int), axis int, least bool) {
		src, n, step := slice[T](x, t.s, 0), t.dims[axis], t.strides[axis]
		dims, strides := without(t.dims, axis), without(t.strides, axis)
		count := product(dims)
		per := max(1, elementChunk/n)
		x.parallel(ceilDiv(count, per), func(item int) {
			var at walker
			at.start(dims, item*per)
			o := t.off + at.offset(strides)
			for i := item * per; i < min((item+1)*per, count); i++ {
				best, place := read(src[o]), 0
				for j := 1; j < n; j++ {
					if v := read(src[o+j*step]); v != v || least && v < best || !least && v > best {
						best, place = v, j
					}
				}
				set(i, place)
				o, _ = at.next(dims, strides, strides, o, 0)
			}
		})
	}
}

func without(list []int, i int) []int { return append(append([]int(nil), list[:i]...), list[i+1:]...) }

// writeIndices returns a function that sets elements of a storage of integers.
func writeIndices(x *execution, s *storage) func(i, v int) {
	switch s.dtype {
	case dtypes.Int8:
		return indexWriter(slice[int8](x, s, 0))
	case dtypes.Int16:
		return indexWriter(slice[int16](x, s, 0))
	case dtypes.Int32:
		return indexWriter(slice[int32](x, s, 0))
	case dtypes.Int64:
		return indexWriter(slice[int64](x, s, 0))
	case dtypes.Uint8:
		return indexWriter(slice[uint8](x, s, 0))
	case dtypes.Uint16:
		return indexWriter(slice[uint16](x, s, 0))
	case dtypes.Uint32:
		return indexWriter(slice[uint32](x, s, 0))
	}
	return indexWriter(slice[uint64](x, s, 0))
}

func indexWriter[T integer](v []T) func(i, place int) { return func(i, place int) { v[i] = T(place) } }
