package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// indexTable is the operand of Gather and Scatter with the starts of the windows: an array of vectors of indices.
type indexTable struct {
	t       *tensor
	batch   axisList // all axes but that of the vectors
	vector  int      // length of a vector
	step    int      // from one index of a vector to the next
	axes    []int    // the axis of the operand that each index is for
	count   int      // number of vectors
	limits  []int    // by index of a vector: the largest start at which a window is within the operand
	strides []int    // by index of a vector: of the operand
}

func (l *lowering) indices(o *node, vectorAxis int, axes []int) indexTable {
	t := l.tensorOf(o)
	k := indexTable{t: t, vector: 1, axes: axes}
	for i := range t.dims {
		if i == vectorAxis {
			k.vector, k.step = t.dims[i], t.strides[i]
			continue
		}
		k.batch.dims, k.batch.strides = append(k.batch.dims, t.dims[i]), append(k.batch.strides, t.strides[i])
	}
	k.count = product(k.batch.dims)
	return k
}

// reach sets how far windows of the given sizes may begin in the operand x.
func (k *indexTable) reach(x *tensor, sizes []int) {
	for _, axis := range k.axes {
		k.limits = append(k.limits, max(0, x.dims[axis]-sizes[axis]))
		k.strides = append(k.strides, x.strides[axis])
	}
}

// readIndices returns a function that reads elements of a storage of integers as int, or nil for other dtypes.
func readIndices(x *execution, s *storage) func(i int) int {
	switch s.dtype {
	case dtypes.Int8:
		return indexReader(slice[int8](x, s, 0))
	case dtypes.Int16:
		return indexReader(slice[int16](x, s, 0))
	case dtypes.Int32:
		return indexReader(slice[int32](x, s, 0))
	case dtypes.Int64:
		return indexReader(slice[int64](x, s, 0))
	case dtypes.Uint8:
		return indexReader(slice[uint8](x, s, 0))
	case dtypes.Uint16:
		return indexReader(slice[uint16](x, s, 0))
	case dtypes.Uint32:
		return indexReader(slice[uint32](x, s, 0))
	case dtypes.Uint64:
		return indexReader(slice[uint64](x, s, 0))
	}
	return nil
}

func indexReader[T integer](v []T) func(i int) int { return func(i int) int { return int(v[i]) } }

// gathering copies one window of the operand for every vector of indices. A window that would reach beyond the operand
// is moved back inside.
type gathering struct {
	index     indexTable
	x, y      *tensor
	batch     axisList // of the result: the axes of the vectors of indices
	window    *tensor  // a window in the result, at its beginning
	from      *tensor  // a window in the operand
	perWindow int
}

// gather lowers Gather of any unpacked dtype.
func (l *lowering) gather(n *node) bool {
	x := n.operand[0]
	if x.shape.DType.IsPacked() || !n.operand[1].shape.DType.IsInt() || x.shape.Size() == 0 ||
		max(x.shape.Rank(), n.shape.Rank(), n.operand[1].shape.Rank()) > 16 {
		return false
	}
	a := n.attr.(gatherAttr)
	g := &gathering{index: l.indices(n.operand[1], a.indexVectorAxis, a.startMap), x: l.tensorOf(x)}
	g.index.reach(g.x, a.sliceSizes)
	g.y = l.define(n)
	if g.y.size() == 0 {
		l.nothing(g.y.s)
		return true
	}
	g.window, g.from = &tensor{s: g.y.s}, &tensor{s: g.x.s, off: g.x.off}
	for i, o := 0, 0; i < len(a.sliceSizes); i++ {
		if slices.Contains(a.collapsedAxes, i) {
			continue
		}
		axis := a.offsetAxes[o]
		o++
		g.window.dims, g.window.strides = append(g.window.dims, a.sliceSizes[i]), append(g.window.strides, g.y.strides[axis])
		g.from.dims, g.from.strides = append(g.from.dims, a.sliceSizes[i]), append(g.from.strides, g.x.strides[i])
	}
	for i, d := range g.y.dims {
		if !slices.Contains(a.offsetAxes, i) {
			g.batch.dims, g.batch.strides = append(g.batch.dims, d), append(g.batch.strides, g.y.strides[i])
		}
	}
	g.perWindow = g.window.size()
	l.emit("Gather", []*storage{g.x.s, g.index.t.s}, []*storage{g.y.s}, g.run)
	if g.wholeRows() {
		l.steps[len(l.steps)-1].byRows = g.x.s
	}
	return true
}

func (g *gathering) run(x *execution) error {
	if source := x.rows(g.x.s); source != nil {
		g.readRows(x, source)
		return nil
	}
	switch g.x.s.dtype.Size() {
	case 1:
		gatherAll[uint8](x, g)
	case 2:
		gatherAll[uint16](x, g)
	case 4:
		gatherAll[uint32](x, g)
	case 8:
		gatherAll[uint64](x, g)
	default:
		gatherAll[[2]uint64](x, g)
	}
	return nil
}

func gatherAll[T any](x *execution, g *gathering) {
	src, dst, index := slice[T](x, g.x.s, 0), slice[T](x, g.y.s, 0), readIndices(x, g.index.t.s)
	dims, to, from := mergePair(g.window.dims, g.window.strides, g.from.strides)
	last := len(dims) - 1
	outer := product(dims[:last])
	per := max(1, elementChunk/g.perWindow)
	k := &g.index
	x.parallel(ceilDiv(k.count, per), func(item int) {
		var at, out, w walker
		at.start(k.batch.dims, item*per)
		out.start(g.batch.dims, item*per)
		i, d := k.t.off+at.offset(k.batch.strides), out.offset(g.batch.strides)
		for range min(per, k.count-item*per) {
			s := g.from.off
			for j := range k.vector {
				s += min(max(index(i+j*k.step), 0), k.limits[j]) * k.strides[j]
			}
			w.start(dims[:last], 0)
			p, q := d, s
			for range outer {
				moveRun(dst[p:], src, q, dims[last], to[last], from[last])
				p, q = w.next(dims[:last], to, from, p, q)
			}
			i, _ = at.next(k.batch.dims, k.batch.strides, k.batch.strides, i, 0)
			d, _ = out.next(g.batch.dims, g.batch.strides, g.batch.strides, d, 0)
		}
	})
}

// scattering combines windows of updates into a copy of the operand, in the order of the indices. The workers share the
// elements of a window and not the windows, so that every element is combined in that order for any number of workers.
// Windows that reach beyond the operand are left out.
type scattering struct {
	index      indexTable
	y, updates *tensor
	batch      axisList // of the updates
	dims       []int    // of a window, merged
	to, from   []int    // its strides in the result and the updates
	cut        int      // the axis of a window that the workers share
}

// scatter lowers ScatterSum, ScatterMax and ScatterMin.
func (l *lowering) scatter(n *node) bool {
	update := scatterKernel(n)
	index := n.operand[1].shape.DType
	if update == nil || !index.IsInt() ||
		max(n.shape.Rank(), n.operand[1].shape.Rank(), n.operand[2].shape.Rank()) > 16 {
		return false
	}
	a := n.attr.(scatterAttr)
	x := l.tensorOf(n.operand[0])
	s := &scattering{index: l.indices(n.operand[1], a.indexVectorAxis, a.startMap), updates: l.tensorOf(n.operand[2])}
	s.y = l.define(n)
	if s.y.size() == 0 {
		l.nothing(s.y.s)
		return true
	}
	l.copyInto(s.y, x)
	if s.updates.size() == 0 {
		return true
	}
	var dims, to, from []int
	sizes := ones(len(s.y.dims))
	for i, w := 0, 0; i < len(s.y.dims); i++ {
		if slices.Contains(a.insertedAxes, i) {
			continue
		}
		axis := a.windowAxes[w]
		w++
		sizes[i] = s.updates.dims[axis]
		dims, to, from = append(dims, sizes[i]), append(to, s.y.strides[i]), append(from, s.updates.strides[axis])
	}
	s.index.reach(s.y, sizes)
	s.dims, s.to, s.from = mergePair(dims, to, from)
	for i, d := range s.dims {
		if d > s.dims[s.cut] {
			s.cut = i
		}
	}
	for i, d := range s.updates.dims {
		if !slices.Contains(a.windowAxes, i) {
			s.batch.dims, s.batch.strides = append(s.batch.dims, d), append(s.batch.strides, s.updates.strides[i])
		}
	}
	l.emit(n.op.String(), []*storage{s.index.t.s, s.updates.s}, []*storage{s.y.s}, func(x *execution) error {
		update(x, s)
		return nil
	})
	return true
}

// scatterKernel returns the kernel for the operation and dtype of n, or nil.
func scatterKernel(n *node) func(x *execution, s *scattering) {
	switch n.shape.DType {
	case dtypes.Int8:
		return combiner(ordered[int8](n.op))
	case dtypes.Int16:
		return combiner(ordered[int16](n.op))
	case dtypes.Int32:
		return combiner(ordered[int32](n.op))
	case dtypes.Int64:
		return combiner(ordered[int64](n.op))
	case dtypes.Uint8:
		return combiner(ordered[uint8](n.op))
	case dtypes.Uint16:
		return combiner(ordered[uint16](n.op))
	case dtypes.Uint32:
		return combiner(ordered[uint32](n.op))
	case dtypes.Uint64:
		return combiner(ordered[uint64](n.op))
	case dtypes.Float32:
		return combiner(ordered[float32](n.op))
	case dtypes.Float64:
		return combiner(ordered[float64](n.op))
	case dtypes.BFloat16:
		f := ordered[float32](n.op)
		return combiner(func(a, b bfloat16.BFloat16) bfloat16.BFloat16 {
			return bfloatOf(f(a.Float32(), b.Float32()))
		})
	case dtypes.Float16:
		f := ordered[float32](n.op)
		return combiner(func(a, b float16.Float16) float16.Float16 { return halfOf(f(a.Float32(), b.Float32())) })
	}
	return nil
}

// ordered returns how two values of an ordered dtype are combined.
func ordered[T integer | float32 | float64](op compute.OpType) func(a, b T) T {
	switch op {
	case compute.OpTypeScatterSum, compute.OpTypeReduceSum:
		return func(a, b T) T { return a + b }
	case compute.OpTypeScatterMax, compute.OpTypeReduceMax:
		return func(a, b T) T { return max(a, b) }
	case compute.OpTypeScatterMin, compute.OpTypeReduceMin:
		return func(a, b T) T { return min(a, b) }
	case compute.OpTypeReduceProduct:
		return func(a, b T) T { return a * b }
	}
	panic(fmt.Sprintf("%s does not combine two values", op))
}

func combiner[T any](combine func(a, b T) T) func(x *execution, s *scattering) {
	return func(x *execution, s *scattering) {
		n := s.dims[s.cut]
		per := max(1, min(n, 64), ceilDiv(elementChunk, s.index.count*product(s.dims)/n))
		x.parallel(ceilDiv(n, per), func(item int) { scatterPart(x, s, combine, item*per, min((item+1)*per, n)) })
	}
}

// scatterPart combines the indices lo..hi of the axis s.cut of all windows.
func scatterPart[T any](x *execution, s *scattering, combine func(a, b T) T, lo, hi int) {
	src, dst, index := slice[T](x, s.updates.s, 0), slice[T](x, s.y.s, 0), readIndices(x, s.index.t.s)
	k := &s.index
	dims := slices.Clone(s.dims)
	dims[s.cut] = hi - lo
	last := len(dims) - 1
	outer := product(dims[:last])
	var at, in, w walker
	i, u := k.t.off+at.offset(k.batch.strides), s.updates.off+in.offset(s.batch.strides)
	for range k.count {
		p, inside := lo*s.to[s.cut], true
		for j := range k.vector {
			v := index(i + j*k.step)
			inside = inside && v >= 0 && v <= k.limits[j]
			p += v * k.strides[j]
		}
		if inside {
			q := u + lo*s.from[s.cut]
			w.start(dims[:last], 0)
			for range outer {
				for e := range dims[last] {
					t := p + e*s.to[last]
					dst[t] = combine(dst[t], src[q+e*s.from[last]])
				}
				p, q = w.next(dims[:last], s.to, s.from, p, q)
			}
		}
		i, _ = at.next(k.batch.dims, k.batch.strides, k.batch.strides, i, 0)
		u, _ = in.next(s.batch.dims, s.batch.strides, s.batch.strides, u, 0)
	}
}
