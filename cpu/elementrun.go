package cpu

import (
	"unsafe"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// accessOf returns how the elements of t are read in row-major order of the dimensions, to which t is broadcast.
func accessOf(t *tensor, dims []int) access {
	t = t.implicit(dims)
	a := access{s: t.s, off: t.off}
	a.dims, a.strides = mergeAxes(t.dims, t.strides)
	a.flat = len(a.dims) == 1 && a.strides[0] == 1
	return a
}

// viewRun returns the elements from..to of the view: in place, or copied to memory that the caller releases.
func viewRun[T any](x *execution, a *access, from, to int) (v []T, raw []byte) {
	src := slice[T](x, a.s, 0)
	if a.flat {
		return src[a.off+from : a.off+to], nil
	}
	raw = x.program.backend.memory.get((to - from) * int(unsafe.Sizeof(*new(T))))
	v = unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), to-from)
	if len(a.dims) == 0 {
		fillWith(v, src[a.off])
		return v, raw
	}
	var w walker
	last := len(a.dims) - 1
	n, step := a.dims[last], a.strides[last]
	w.start(a.dims[:last], from/n)
	o, i := a.off+w.offset(a.strides[:last]), from%n
	for dst := v; len(dst) > 0; {
		m := min(n-i, len(dst))
		moveRun(dst, src, o+i*step, m, 1, step)
		dst, i = dst[m:], 0
		o, _ = w.next(a.dims[:last], a.strides, a.strides, o, 0)
	}
	return v, raw
}

// lowerElements emits the kernel on the operands of n, or returns false if there is no kernel.
func lowerElements[T, U any](l *lowering, n *node, kernel elementKernel[T, U]) bool {
	if kernel == nil {
		return false
	}
	var operands []access
	var reads []*storage
	for _, o := range n.operand {
		operands = append(operands, accessOf(l.tensorOf(o), n.shape.Dimensions))
		reads = append(reads, operands[len(operands)-1].s)
	}
	dst := l.define(n)
	size := dst.size()
	l.emit(n.op.String(), reads, []*storage{dst.s}, func(x *execution) error {
		out := slice[U](x, dst.s, 0)
		x.parallel(ceilDiv(size, elementChunk), func(item int) {
			from, to := item*elementChunk, min((item+1)*elementChunk, size)
			var in [2][]T
			var raw [2][]byte
			for i := range operands {
				in[i], raw[i] = viewRun[T](x, &operands[i], from, to)
			}
			kernel(out[from:to], in[0], in[1])
			x.program.backend.memory.put(raw[0])
			x.program.backend.memory.put(raw[1])
		})
		return nil
	})
	return true
}

// choose lowers Where on values of any dtype. It returns false for packed ones.
func (l *lowering) choose(n *node) bool {
	if n.shape.DType.IsPacked() {
		return false
	}
	switch n.shape.DType.Size() {
	case 1:
		lowerChoose[uint8](l, n)
	case 2:
		lowerChoose[uint16](l, n)
	case 4:
		lowerChoose[uint32](l, n)
	case 8:
		lowerChoose[uint64](l, n)
	default:
		lowerChoose[[2]uint64](l, n)
	}
	return true
}

func lowerChoose[T any](l *lowering, n *node) {
	condition := accessOf(l.tensorOf(n.operand[0]), n.shape.Dimensions)
	yes := accessOf(l.tensorOf(n.operand[1]), n.shape.Dimensions)
	no := accessOf(l.tensorOf(n.operand[2]), n.shape.Dimensions)
	dst := l.define(n)
	size := dst.size()
	l.emit("Where", []*storage{condition.s, yes.s, no.s}, []*storage{dst.s}, func(x *execution) error {
		out := slice[T](x, dst.s, 0)
		x.parallel(ceilDiv(size, elementChunk), func(item int) {
			from, to := item*elementChunk, min((item+1)*elementChunk, size)
			c, rawC := viewRun[bool](x, &condition, from, to)
			a, rawA := viewRun[T](x, &yes, from, to)
			b, rawB := viewRun[T](x, &no, from, to)
			for i := range out[from:to] {
				if c[i] {
					out[from+i] = a[i]
				} else {
					out[from+i] = b[i]
				}
			}
			for _, raw := range [][]byte{rawA, rawB, rawC} {
				x.program.backend.memory.put(raw)
			}
		})
		return nil
	})
}

// bitcast lowers Bitcast: the bytes do not change.
func (l *lowering) bitcast(n *node) bool {
	if n.operand[0].shape.DType.IsPacked() || n.shape.DType.IsPacked() {
		return false
	}
	t := l.dense(l.tensorOf(n.operand[0]))
	dst := l.define(n)
	l.emit("Bitcast", []*storage{t.s}, []*storage{dst.s}, func(x *execution) error {
		copy(x.bytesOf(dst.s), x.bytesOf(t.s)[t.off*t.s.dtype.Size():])
		return nil
	})
	return true
}

// convert lowers ConvertDType between numbers and truth values. Numbers go through the widest one of their kind, so that
// the result is that of one conversion; those beyond the range of the result are as in Go.
func (l *lowering) convert(n *node) bool {
	switch n.operand[0].shape.DType {
	case dtypes.Int8:
		return convertFrom(l, n, func(v int8) int64 { return int64(v) })
	case dtypes.Int16:
		return convertFrom(l, n, func(v int16) int64 { return int64(v) })
	case dtypes.Int32:
		return convertFrom(l, n, func(v int32) int64 { return int64(v) })
	case dtypes.Int64:
		return convertFrom(l, n, func(v int64) int64 { return v })
	case dtypes.Uint8:
		return convertFrom(l, n, func(v uint8) int64 { return int64(v) })
	case dtypes.Uint16:
		return convertFrom(l, n, func(v uint16) int64 { return int64(v) })
	case dtypes.Uint32:
		return convertFrom(l, n, func(v uint32) int64 { return int64(v) })
	case dtypes.Uint64:
		return convertFrom(l, n, func(v uint64) uint64 { return v })
	case dtypes.Bool:
		return convertFrom(l, n, func(v bool) int64 { return int64(truth(v)) })
	case dtypes.Float32:
		return convertFrom(l, n, func(v float32) float64 { return float64(v) })
	case dtypes.Float64:
		return convertFrom(l, n, func(v float64) float64 { return v })
	case dtypes.BFloat16:
		return convertFrom(l, n, bfloat16.BFloat16.Float64)
	case dtypes.Float16:
		return convertFrom(l, n, float16.Float16.Float64)
	}
	return false
}

func convertFrom[T any, W int64 | uint64 | float64](l *lowering, n *node, wide func(T) W) bool {
	switch n.shape.DType {
	case dtypes.Int8:
		return lowerElements(l, n, each(func(v T) int8 { return int8(wide(v)) }))
	case dtypes.Int16:
		return lowerElements(l, n, each(func(v T) int16 { return int16(wide(v)) }))
	case dtypes.Int32:
		return lowerElements(l, n, each(func(v T) int32 { return int32(wide(v)) }))
	case dtypes.Int64:
		return lowerElements(l, n, each(func(v T) int64 { return int64(wide(v)) }))
	case dtypes.Uint8:
		return lowerElements(l, n, each(func(v T) uint8 { return uint8(wide(v)) }))
	case dtypes.Uint16:
		return lowerElements(l, n, each(func(v T) uint16 { return uint16(wide(v)) }))
	case dtypes.Uint32:
		return lowerElements(l, n, each(func(v T) uint32 { return uint32(wide(v)) }))
	case dtypes.Uint64:
		return lowerElements(l, n, each(func(v T) uint64 { return uint64(wide(v)) }))
	case dtypes.Bool:
		return lowerElements(l, n, each(func(v T) bool { return wide(v) != 0 }))
	case dtypes.Float32:
		return lowerElements(l, n, each(func(v T) float32 { return float32(wide(v)) }))
	case dtypes.Float64:
		return lowerElements(l, n, each(func(v T) float64 { return float64(wide(v)) }))
	case dtypes.BFloat16:
		return lowerElements(l, n, each(func(v T) bfloat16.BFloat16 { return bfloatOf(float32(wide(v))) }))
	case dtypes.Float16:
		return lowerElements(l, n, each(func(v T) float16.Float16 { return halfOf(float32(wide(v))) }))
	}
	return false
}
