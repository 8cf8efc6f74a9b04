package cpu

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
	axis := n.attr.(axesAttr).axes[0]
	var parts []*tensor
	for _, o := range n.operand {
		parts = append(parts, l.tensorOf(o))
	}
	dst := l.define(n)
	starts, steps := make([]int, len(dst.dims)), ones(len(dst.dims))
	for _, p := range parts {
		if p.size() > 0 {
			l.copyInto(dst.part(starts, steps, p.dims), p)
		}
		starts[axis] += p.dims[axis]
	}
	if dst.size() == 0 {
		l.nothing(dst.s)
	}
	return true
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
