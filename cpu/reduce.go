package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// reduction computes ReduceSum, ReduceMax and ReduceMin of f32 over any axes. For every index of the kept axes (all but
// the last axis of the operand, which is read in runs) it goes over pieces: the reduced axes in row-major order, a long
// run cut up. The pieces are divided among parts that depend on the shape alone; each part has partial results, which
// are combined in order.
type reduction struct {
	vectors     *vectors
	op          opcode
	elementwise opcode // of two arrays
	x, y        *tensor
	kept, over  axisList // without the last axis
	run         int      // length of the last axis
	keepRun     bool     // the last axis is kept
	cut         int      // elements of a piece of the last axis, if it is reduced
	cuts        int
	outer       int // product of kept
	pieces      int
	parts, per  int // pieces per part
	width       int // results per index of kept
	partial     *storage
}

// axisList is a list of axes.
type axisList struct{ dims, strides []int }

// longestCut is the longest run that is summed without a partial sum.
const longestCut = 4096

// reduce lowers a reduction of f32. It returns false for other dtypes and for empty operands.
func (l *lowering) reduce(n *node) bool {
	o := n.operand[0]
	if n.shape.DType != dtypes.Float32 || o.shape.DType != dtypes.Float32 || o.shape.Size() == 0 || o.shape.Rank() > 16 {
		return false
	}
	r := &reduction{vectors: l.backend.vectors}
	r.op, r.elementwise = reduceOpcodes(n.op)
	x := l.begun[n]
	if x == nil {
		x = l.tensorOf(o)
	}
	reduced := reducedAxes(n)
	if i := lastAxis(x.dims); i >= 0 && x.strides[i] != 1 {
		x = l.denseFor(x)
		if x.strides[i] != 1 {
			x = l.dense(x)
		}
	}
	r.x = x
	r.axes(reduced)
	r.y = l.define(n)
	r.divide()
	r.partial = l.rawStorage(dtypes.Float32, r.outer*r.parts*r.width)
	l.emit(n.op.String(), []*storage{x.s}, []*storage{r.y.s, r.partial}, r.execute)
	return true
}

func reduceOpcodes(op compute.OpType) (over, elementwise opcode) {
	switch op {
	case compute.OpTypeReduceSum:
		return opSum, opAdd
	case compute.OpTypeReduceMax:
		return opLargest, opMax
	}
	return opSmallest, opMin
}

func reducedAxes(n *node) []bool {
	axes := n.attr.(axesAttr).axes
	reduced := make([]bool, n.operand[0].shape.Rank())
	for i := range reduced {
		reduced[i] = len(axes) == 0
	}
	for _, a := range axes {
		reduced[a] = true
	}
	return reduced
}

// lastAxis returns the last axis that is not of dimension 1, or -1.
func lastAxis(dims []int) int {
	for i, dim := range slices.Backward(dims) {
		if dim != 1 {
			return i
		}
	}
	return -1
}

// axes merges neighbours that are both kept or both reduced, and divides them into kept, over and the run.
func (r *reduction) axes(reduced []bool) {
	var dims, strides []int
	var flags []bool
	for i, n := range r.x.dims {
		if n == 1 {
			continue
		}
		if k := len(dims) - 1; k >= 0 && flags[k] == reduced[i] && strides[k] == n*r.x.strides[i] {
			dims[k] *= n
			strides[k] = r.x.strides[i]
			continue
		}
		dims, strides, flags = append(dims, n), append(strides, r.x.strides[i]), append(flags, reduced[i])
	}
	last := len(dims) - 1
	for i := range last {
		to := &r.kept
		if flags[i] {
			to = &r.over
		}
		to.dims, to.strides = append(to.dims, dims[i]), append(to.strides, strides[i])
	}
	r.run, r.keepRun = 1, false
	if last >= 0 {
		r.run, r.keepRun = dims[last], !flags[last]
	}
}

// divide chooses the parts.
func (r *reduction) divide() {
	r.outer, r.pieces = product(r.kept.dims), product(r.over.dims)
	r.cut, r.cuts, r.width = r.run, 1, r.run
	if !r.keepRun {
		r.width = 1
		r.cut = min(r.run, longestCut)
		r.cuts = ceilDiv(r.run, r.cut)
	}
	r.pieces *= r.cuts
	elements := r.pieces * r.cut
	r.parts = max(1, min(elements/(bytesPerItem/4), 32, r.pieces))
	r.per = ceilDiv(r.pieces, r.parts)
	r.parts = ceilDiv(r.pieces, r.per)
}

func (r *reduction) execute(x *execution) error {
	src, partial, y := slice[float32](x, r.x.s, 0), slice[float32](x, r.partial, 0), slice[float32](x, r.y.s, 0)
	items := r.outer * r.parts
	group := max(1, bytesPerItem/4/max(1, r.per*r.cut))
	x.parallel(ceilDiv(items, group), func(g int) {
		for item := g * group; item < min((g+1)*group, items); item++ {
			r.part(src, partial[item*r.width:][:r.width], item)
		}
	})
	for i := range r.outer {
		out := y[i*r.width:][:r.width]
		copy(out, partial[i*r.parts*r.width:])
		for p := 1; p < r.parts; p++ {
			r.combine(out, partial[(i*r.parts+p)*r.width:][:r.width])
		}
	}
	return nil
}

// part reduces the pieces of one part for one index of the kept axes.
func (r *reduction) part(src, out []float32, item int) {
	var at, w walker
	at.start(r.kept.dims, item/r.parts)
	base := r.x.off + at.offset(r.kept.strides)
	from := item % r.parts * r.per
	to := min(from+r.per, r.pieces)
	w.start(r.over.dims, from/r.cuts)
	o := base + w.offset(r.over.strides)
	c := from % r.cuts
	for p := from; p < to; p++ {
		if r.keepRun {
			if row := src[o : o+r.run]; p == from {
				copy(out, row)
			} else {
				r.combine(out, row)
			}
		} else {
			v := r.overRun(src[o+c*r.cut : o+min((c+1)*r.cut, r.run)])
			if p == from {
				out[0] = v
			} else {
				out[0] = r.two(out[0], v)
			}
		}
		if c++; c == r.cuts {
			c = 0
			o, _ = w.next(r.over.dims, r.over.strides, r.over.strides, o, 0)
		}
	}
}

// overRun reduces consecutive elements.
func (r *reduction) overRun(v []float32) float32 {
	n := len(v) / 16 * 16
	var result float32
	rest := v[n:]
	if n > 0 {
		over, _ := r.vectors.reducer(r.op)
		result = over(v[:n])
	} else {
		result, rest = v[0], v[1:]
	}
	for _, e := range rest {
		result = r.two(result, e)
	}
	return result
}

func (r *reduction) two(a, b float32) float32 {
	switch r.op {
	case opSum:
		return a + b
	case opLargest:
		return max(a, b)
	}
	return min(a, b)
}

// combine reduces b into a, element by element.
func (r *reduction) combine(a, b []float32) {
	n := len(a) / 16 * 16
	if n > 0 {
		r.vectors.binary[r.elementwise](a[:n], a[:n], b[:n])
	}
	for i := n; i < len(a); i++ {
		a[i] = r.two(a[i], b[i])
	}
}
