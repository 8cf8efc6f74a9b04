package cpu

import (
	"maps"
	"slices"

	"github.com/gomlx/compute"
)

// Operations that assemble a new array from parts: each part is a strided copy to its position.

// part returns the part of a dense tensor that begins at the indices and advances by the steps.
func (t *tensor) part(starts, steps, dims []int) *tensor {
	c := t.clone()
	for i := range c.dims {
		c.off += starts[i] * t.strides[i]
		c.strides[i] *= steps[i]
		c.dims[i] = dims[i]
	}
	return c
}

// concatenate lowers Concatenate. It returns false for packed dtypes.
func (l *lowering) concatenate(n *node) bool {
	if n.shape.DType.IsPacked() || n.shape.Rank() > 16 {
		return false
	}
	j := l.joins[n]
	if j == nil {
		j = l.join(n)
	}
	for i := range n.operand {
		l.copyPart(j, i)
	}
	dst := j.dst
	l.value[n] = dst
	if dst.size() == 0 {
		l.nothing(dst.s)
	}
	return true
}

// joining is a Concatenate whose operands are copied one by one.
type joining struct {
	n    *node
	dst  *tensor
	done []bool // by operand
}

func (l *lowering) join(n *node) *joining {
	return &joining{n: n, dst: denseTensor(l.storage(n.shape), dimsOf(n.shape)), done: make([]bool, len(n.operand))}
}

// copyPart emits the copy of an operand to its place.
func (l *lowering) copyPart(j *joining, i int) {
	if j.done[i] {
		return
	}
	j.done[i] = true
	axis := j.n.attr.(axesAttr).axes[0]
	starts := make([]int, len(j.dst.dims))
	for _, o := range j.n.operand[:i] {
		starts[axis] += o.shape.Dimensions[axis]
	}
	if p := l.tensorOf(j.n.operand[i]); p.size() > 0 {
		l.copyInto(j.dst.part(starts, ones(len(starts)), p.dims), p)
	}
}

// Bounds from which on the parts of a Concatenate are copied as soon as they are computed, so that not all of them are in
// memory beside the result, as with an image that is computed in bands.
const (
	earlyParts    = 4
	earlyElements = 1 << 20
)

// joinEarly finds such concatenations, and returns by value which of their operands it is.
func (l *lowering) joinEarly(nodes []*node, home map[*node]*unit) map[*node]map[*joining]int {
	l.joins = make(map[*node]*joining)
	parts := make(map[*node]map[*joining]int)
	for _, n := range nodes {
		if n.op != compute.OpTypeConcatenate || len(n.operand) < earlyParts || n.shape.Size() < earlyElements || n.shape.DType.IsPacked() || n.shape.Rank() > 16 {
			continue
		}
		j := l.join(n)
		l.joins[n] = j
		for i, o := range n.operand {
			if home[o] == nil || l.sourceOf(o) != o {
				continue
			}
			if parts[o] == nil {
				parts[o] = make(map[*joining]int)
			}
			parts[o][j] = i
		}
	}
	return parts
}

// copyEarly emits the copies of what a unit has computed.
func (l *lowering) copyEarly(u *unit, parts map[*node]map[*joining]int) {
	for _, n := range u.nodes {
		for _, j := range l.inOrder(parts[n]) {
			l.copyPart(j, parts[n][j])
		}
	}
}

// inOrder returns concatenations in the order of the graph.
func (l *lowering) inOrder(list map[*joining]int) []*joining {
	return slices.SortedFunc(maps.Keys(list), func(a, b *joining) int { return a.n.id - b.n.id })
}

// nothing emits a step that defines an empty storage.
func (l *lowering) nothing(s *storage) {
	l.emit("nothing", nil, []*storage{s}, func(*execution) error { return nil })
}

func ones(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = 1
	}
	return list
}

// pad lowers Pad. It returns false for packed dtypes and for padding that removes elements.
func (l *lowering) pad(n *node) bool {
	if n.shape.DType.IsPacked() || n.shape.Rank() > 16 {
		return false
	}
	axes := n.attr.(padAttr).axes
	starts, steps := make([]int, n.shape.Rank()), ones(n.shape.Rank())
	for i, a := range axes {
		if a.Start < 0 || a.End < 0 || a.Interior < 0 {
			return false
		}
		starts[i], steps[i] = a.Start, a.Interior+1
	}
	x, value := l.tensorOf(n.operand[0]), l.tensorOf(n.operand[1])
	dst := l.define(n)
	if dst.size() == 0 {
		l.nothing(dst.s)
		return true
	}
	if dst.size() > x.size() {
		l.fill(dst, value)
	}
	if x.size() > 0 {
		l.copyInto(dst.part(starts, steps, x.dims), x)
	}
	return true
}

// fill emits the filling of a dense tensor with a scalar.
func (l *lowering) fill(dst, value *tensor) {
	size := dst.s.dtype.Size()
	chunk := 4 * bytesPerItem / size * size
	l.emit("fill", []*storage{value.s}, []*storage{dst.s}, func(x *execution) error {
		to, from := x.bytesOf(dst.s), x.bytesOf(value.s)[value.off*size:][:size]
		x.parallel(ceilDiv(len(to), chunk), func(item int) {
			part := to[item*chunk : min((item+1)*chunk, len(to))]
			if allZero(from) {
				clear(part)
				return
			}
			for done := copy(part, from); done < len(part); {
				done += copy(part[done:], part[:done])
			}
		})
		return nil
	})
}

func allZero(raw []byte) bool {
	for _, b := range raw {
		if b != 0 {
			return false
		}
	}
	return true
}
