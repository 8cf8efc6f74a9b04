package cpu

import (
	"unsafe"
)

// mover copies a strided tensor to another of the same dimensions. It makes values dense, and computes Concatenate and
// Pad, which are copies into parts of a result.
type mover struct {
	dims, to, from []int // merged axes: dimensions and strides in dst and src, in elements; the last is the run
	dst, src       *tensor
	outer          int // product of all dims but the last (or the last two for a transpose)
	per            int // outer indices that one item does
	flip           bool
	strips         bool // the processor transposes squares of 8
}

// bytesPerItem is the least amount of data that is worth handing to another worker.
const bytesPerItem = 64 << 10

// mergePair drops axes of dimension 1 and joins axes that are contiguous in both lists of strides.
func mergePair(dims, a, b []int) (d, s, t []int) {
	for i, n := range dims {
		if n == 1 {
			continue
		}
		if k := len(d) - 1; k >= 0 && s[k] == n*a[i] && t[k] == n*b[i] {
			d[k] *= n
			s[k], t[k] = a[i], b[i]
			continue
		}
		d, s, t = append(d, n), append(s, a[i]), append(t, b[i])
	}
	if len(d) == 0 {
		return []int{1}, []int{1}, []int{1}
	}
	return d, s, t
}

func newMover(dst, src *tensor) *mover {
	m := &mover{dst: dst, src: src}
	m.dims, m.to, m.from = mergePair(dst.dims, dst.strides, src.strides)
	last := len(m.dims) - 1
	if last > 0 && m.from[last] != 1 && m.from[last] != 0 && m.to[last] == 1 {
		for i := last - 1; i >= 0; i-- {
			if m.from[i] == 1 { // a transpose: put that axis next to the last
				rotate(m.dims[i:last])
				rotate(m.to[i:last])
				rotate(m.from[i:last])
				m.flip = true
				break
			}
		}
	}
	inner := m.dims[last]
	m.outer = product(m.dims[:last])
	if m.flip {
		inner *= m.dims[last-1]
		m.outer = product(m.dims[:last-1])
	}
	m.per = max(1, bytesPerItem/max(1, inner*src.s.dtype.Size()))
	return m
}

// rotate moves the first entry behind the others.
func rotate(s []int) {
	first := s[0]
	copy(s, s[1:])
	s[len(s)-1] = first
}

// copyInto emits the copy of a tensor to another of the same dimensions and dtype, or from f32 to bf16 where both are
// contiguous along the last axis.
func (l *lowering) copyInto(dst, src *tensor) {
	if src.size() == 0 {
		l.emit("copy", []*storage{src.s}, []*storage{dst.s}, func(*execution) error { return nil })
		return
	}
	if src.s.dtype.IsPacked() {
		l.emit("copy", []*storage{src.s}, []*storage{dst.s}, func(x *execution) error {
			copy(x.bytesOf(dst.s), x.bytesOf(src.s))
			return nil
		})
		return
	}
	m := newMover(dst, src)
	m.strips = l.backend.level >= avx2
	run := m.run
	if dst.s.dtype != src.s.dtype {
		run = m.round
	}
	l.emit("copy", []*storage{src.s}, []*storage{dst.s}, run)
}

// round copies f32 to bf16, run by run.
func (m *mover) round(x *execution) error {
	dst, src := slice[uint16](x, m.dst.s, m.dst.off), slice[float32](x, m.src.s, m.src.off)
	last := len(m.dims) - 1
	n := m.dims[last]
	x.parallel(ceilDiv(m.outer, m.per), func(item int) {
		var it walker
		it.start(m.dims[:last], item*m.per)
		d, s := it.offset(m.to), it.offset(m.from)
		for range min(m.per, m.outer-item*m.per) {
			roundTo(dst[d:][:n], src[s:])
			d, s = it.next(m.dims[:last], m.to, m.from, d, s)
		}
	})
	return nil
}

func (m *mover) run(x *execution) error {
	switch m.src.s.dtype.Size() {
	case 1:
		moveAll(x, m, slice[uint8](x, m.dst.s, m.dst.off), slice[uint8](x, m.src.s, 0))
	case 2:
		moveAll(x, m, slice[uint16](x, m.dst.s, m.dst.off), slice[uint16](x, m.src.s, 0))
	case 4:
		moveAll(x, m, slice[uint32](x, m.dst.s, m.dst.off), slice[uint32](x, m.src.s, 0))
	case 8:
		moveAll(x, m, slice[uint64](x, m.dst.s, m.dst.off), slice[uint64](x, m.src.s, 0))
	default:
		moveAll(x, m, slice[[2]uint64](x, m.dst.s, m.dst.off), slice[[2]uint64](x, m.src.s, 0))
	}
	return nil
}

func moveAll[T any](x *execution, m *mover, dst, src []T) {
	last := len(m.dims) - 1
	outer := last
	if m.flip {
		outer--
	}
	if m.outer == 1 && last == 0 && m.to[0] == 1 && m.from[0] == 1 {
		n := m.dims[0]
		chunk := bytesPerItem * 4 / m.src.s.dtype.Size()
		x.parallel(ceilDiv(n, chunk), func(item int) {
			from, to := item*chunk, min((item+1)*chunk, n)
			copy(dst[from:to], src[m.src.off+from:])
		})
		return
	}
	x.parallel(ceilDiv(m.outer, m.per), func(item int) {
		var it walker
		it.start(m.dims[:outer], item*m.per)
		d, s := it.offset(m.to), m.src.off+it.offset(m.from)
		for range min(m.per, m.outer-item*m.per) {
			if m.flip {
				flip(m, dst, src, d, s)
			} else {
				moveRun(dst[d:], src, s, m.dims[last], m.to[last], m.from[last])
			}
			d, s = it.next(m.dims[:outer], m.to, m.from, d, s)
		}
	})
}

// moveRun copies n elements; src may step backwards.
func moveRun[T any](dst, src []T, s, n, to, from int) {
	switch {
	case to == 1 && from == 1:
		copy(dst[:n], src[s:s+n])
	case to == 1 && from == 0:
		v := src[s]
		for i := range dst[:n] {
			dst[i] = v
		}
	default:
		for i := range n {
			dst[i*to] = src[s+i*from]
		}
	}
}

// flip transposes the last two axes: src is contiguous along the first of them, dst along the second.
func flip[T any](m *mover, dst, src []T, d, s int) {
	last := len(m.dims) - 1
	rows, cols := m.dims[last-1], m.dims[last] // dst[r·to + c], src[r + c·from]
	to, from := m.to[last-1], m.from[last]
	r := 0
	if fdst, ok := any(dst).([]uint32); ok && m.strips && to > 0 && from > 0 {
		fsrc := any(src).([]uint32)
		for ; r+8 <= rows; r += 8 {
			for c := 0; c+8 <= cols; c += 8 {
				a := (*float32)(unsafe.Pointer(&fdst[d+r*to+c]))
				b := (*float32)(unsafe.Pointer(&fsrc[s+r+c*from]))
				transpose8(a, 4*to, b, 4*from, 1)
			}
			for c := cols / 8 * 8; c < cols; c++ {
				for q := r; q < r+8; q++ {
					dst[d+q*to+c] = src[s+q+c*from]
				}
			}
		}
	}
	const tile = 16
	for ; r < rows; r += tile {
		for c := 0; c < cols; c += tile {
			for q := r; q < min(r+tile, rows); q++ {
				for e := c; e < min(c+tile, cols); e++ {
					dst[d+q*to+e] = src[s+q+e*from]
				}
			}
		}
	}
}

// walker counts through the indices of some axes in row-major order.
type walker struct{ index [16]int }

// start sets the position number n.
func (w *walker) start(dims []int, n int) {
	for i := len(dims) - 1; i >= 0; i-- {
		w.index[i] = n % dims[i]
		n /= dims[i]
	}
}

func (w *walker) offset(strides []int) int {
	o := 0
	for i, s := range strides[:min(len(strides), len(w.index))] {
		o += w.index[i] * s
	}
	return o
}

// next advances by one and returns the new offsets for two lists of strides.
func (w *walker) next(dims, a, b []int, d, s int) (int, int) {
	for i := len(dims) - 1; i >= 0; i-- {
		w.index[i]++
		d, s = d+a[i], s+b[i]
		if w.index[i] < dims[i] {
			return d, s
		}
		w.index[i] = 0
		d, s = d-dims[i]*a[i], s-dims[i]*b[i]
	}
	return d, s
}
