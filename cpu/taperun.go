package cpu

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/float16"
)

// registers are the memory of a goroutine that runs a tape. A register is its own memory or, after a load or a store of
// consecutive f32 elements, the memory of the storage itself.
type registers struct {
	own, now [2][][]float32 // by valueKind and number
	scalars  []float32
	from, to int // the current rows; storages in scratch begin with the first of them

	stripe []float32 // for column sums

	col, cols int       // the current columns, from col on
	tile      []float32 // these rows and columns of a product, in the layout of a register
}

// floats is the number of floats of the tape's registers.
func (t *tape) floats() int { return t.fulls*t.block*t.pitch + t.perRs*roundUp(t.block, 16) + t.stripe }

// registers takes the registers of the tape from a toolbox.
func (t *tape) registers(x *execution, b *toolbox) *registers {
	r := &b.registers
	r.from, r.to, r.col, r.cols, r.tile = 0, t.rows, 0, t.cols, nil
	for k, size := range []int{t.block * t.pitch, roundUp(t.block, 16)} {
		r.own[k] = r.own[k][:0]
		for range []int{t.fulls, t.perRs}[k] {
			r.own[k] = append(r.own[k], b.take(size))
		}
		r.now[k] = append(r.now[k][:0], r.own[k]...)
	}
	r.stripe = b.take(t.stripe)
	r.scalars = slices.Grow(r.scalars[:0], len(t.scalars))[:len(t.scalars)]
	for i := range t.scalars {
		loadRun(x, t.scalars[i].s, r.scalars[i:i+1], t.scalars[i].off, 1)
	}
	return r
}

// forget drops the references to storages.
func (r *registers) forget() {
	for k := range r.now {
		clear(r.now[k])
	}
	r.tile = nil
}

// run executes the tape.
func (t *tape) run(x *execution) error {
	blocks := ceilDiv(t.rows, t.block)
	m := x.program.backend.memory
	x.parallel(ceilDiv(blocks, t.blocksPer), func(item int) {
		tools := m.toolbox(t.floats())
		r := t.registers(x, tools)
		for b := item * t.blocksPer; b < min((item+1)*t.blocksPer, blocks); b++ {
			t.runBlock(x, r, b*t.block)
		}
		r.forget()
		m.release(tools)
	})
	return nil
}

// span is the part of a register that a block uses.
type span struct {
	row0, rows int
	start, n   int // elements of the domain
	first      int // the element that storages in scratch begin with
	cols       int // elements of a row
	length     int // elements of a register
	contiguous bool
	tile       []float32 // of the registers, from the first row on
}

func (t *tape) span(r *registers, row0 int) span {
	s := span{row0: row0, rows: min(t.block, r.to-row0), start: row0*t.cols + r.col, first: r.from * t.cols, cols: r.cols}
	s.n = min(s.rows*s.cols, t.domain-s.start)
	s.contiguous = t.pitch == t.cols && s.cols == t.cols || s.rows == 1
	if r.tile != nil {
		s.tile = r.tile[(row0-r.from)*t.pitch:]
	}
	s.length = s.rows * t.pitch
	if s.rows == 1 {
		s.length = roundUp(s.n, 16)
	}
	return s
}

// at returns the element of a storage that the block begins with.
func (s *span) at(o *storage) int {
	if o.kind == inScratch {
		return s.start - s.first
	}
	return s.start
}

func (t *tape) runBlock(x *execution, r *registers, row0 int) {
	s := t.span(r, row0)
	for i := range t.ins {
		in := &t.ins[i]
		kind := in.dst.kind
		if in.do == doLoad {
			r.now[kind][in.dst.id] = t.load(x, r.own[kind][in.dst.id], in, &s)
			continue
		}
		length := s.length
		if kind == inRow {
			length = roundUp(s.rows, 16)
		}
		dst, direct := r.own[kind][in.dst.id][:length], false
		if in.store != nil {
			if d := t.target(x, in, &s); d != nil {
				dst, direct = d, true
			}
		}
		t.execute(r, in, dst, &s)
		r.now[kind][in.dst.id] = dst
		if in.store != nil && !direct {
			t.store(x, in, dst, &s)
		}
		if in.sums != nil {
			t.columns(x, in.sums, dst, r.stripe, &s)
		}
	}
}

// target returns the memory of the storage of the instruction if the instruction can write to it directly.
func (t *tape) target(x *execution, in *instruction, s *span) []float32 {
	if in.store.dtype != dtypes.Float32 || in.dst.kind != inFull || !s.contiguous || s.n != s.length {
		return nil
	}
	return slice[float32](x, in.store, s.at(in.store))[:s.n]
}

// operand returns a register as the instruction reads it.
func (r *registers) operand(v value, n int) []float32 { return r.now[v.kind][v.id][:n] }

func (t *tape) execute(r *registers, in *instruction, dst []float32, s *span) {
	n := len(dst)
	switch in.do {
	case doUnary:
		t.vectors.unary[in.op](dst, r.operand(in.a, n))
	case doBinary:
		t.vectors.binary[in.op](dst, r.operand(in.a, n), r.operand(in.b, n))
	case doScalar:
		t.vectors.scalar[in.op](dst, r.operand(in.a, n), r.scalars[in.b.id])
	case doPerRow:
		a, b := r.operand(in.a, n), r.operand(in.b, s.rows)
		if f := t.vectors.fast; f != nil && f.rows[in.op] != nil {
			f.rows[in.op](&dst[0], &a[0], &b[0], s.rows, n/s.rows/16)
			return
		}
		if s.rows == 1 {
			t.vectors.scalar[in.op](dst, a, b[0])
			return
		}
		for i := range s.rows {
			t.vectors.scalar[in.op](dst[i*t.pitch:(i+1)*t.pitch], a[i*t.pitch:], b[i])
		}
	case doWhere:
		t.vectors.where(dst, r.operand(in.a, n), r.operand(in.b, n), r.operand(in.c, n))
	case doExpand:
		t.expandTo(r, in, dst, s)
	case doReduce:
		t.reduceRows(in.op, dst, r.operand(in.a, s.length), s)
	default:
		t.executeJoined(r, in, dst, s)
	}
}

func (t *tape) expandTo(r *registers, in *instruction, dst []float32, s *span) {
	if in.a.kind == inScalar {
		fillWith(dst, r.scalars[in.a.id])
		return
	}
	b := r.operand(in.a, s.rows)
	per := len(dst) / s.rows
	for i := range s.rows {
		fillWith(dst[i*per:(i+1)*per], b[i])
	}
}

func fillWith[T any](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}

func (t *tape) reduceRows(op opcode, dst, a []float32, s *span) {
	over, neutral := t.vectors.reducer(op)
	per := len(a) / s.rows
	if t.cols < per {
		for i := range s.rows {
			fillWith(a[i*per+t.cols:(i+1)*per], neutral)
		}
	}
	if t.vectors.fast != nil && t.vectors.fast.reduce(op, dst, a, s.rows) {
		return
	}
	for i := range s.rows {
		dst[i] = over(a[i*per : (i+1)*per])
	}
}

// reducer returns the kernel of a reduction and its neutral element.
func (v *vectors) reducer(op opcode) (over func([]float32) float32, neutral float32) {
	switch op {
	case opSum, opSquares:
		return v.sum, 0
	case opLargest:
		return v.largest, float32(math.Inf(-1))
	}
	return v.smallest, float32(math.Inf(1))
}

// load returns the elements of the block: copied to own, or in place.
func (t *tape) load(x *execution, own []float32, in *instruction, s *span) []float32 {
	a := in.load
	if s.tile != nil && a.s.kind == inScratch {
		return s.tile[:s.length]
	}
	if in.dst.kind == inRow {
		a.read(x, own[:s.rows], s.row0)
		return own
	}
	start := s.at(a.s)
	if s.contiguous {
		if a.flat && a.s.dtype == dtypes.Float32 && s.n == s.length {
			return slice[float32](x, a.s, a.off+start)[:s.n]
		}
		if a.periodic.period > 0 {
			if e := a.periodic.elements(slice[float32](x, a.s, 0), start, s.length); e != nil {
				return e
			}
		}
		a.read(x, own[:s.n], start)
		return own
	}
	for i := range s.rows {
		a.read(x, own[i*t.pitch:][:s.cols], start+i*t.cols)
	}
	return own
}

// read converts len(dst) elements of the view from position p on.
func (a *access) read(x *execution, dst []float32, p int) {
	if a.flat {
		loadRun(x, a.s, dst, a.off+p, 1)
		return
	}
	if a.periodic.period > 0 {
		a.periodic.read(slice[float32](x, a.s, 0), dst, p)
		return
	}
	last := len(a.dims) - 1
	n, step := a.dims[last], a.strides[last]
	var w walker
	w.start(a.dims[:last], p/n)
	o := a.off + w.offset(a.strides[:last])
	i := p % n
	if a.s.dtype == dtypes.Float32 {
		a.readFloats(slice[float32](x, a.s, 0), dst, &w, o, i)
		return
	}
	for {
		m := min(n-i, len(dst))
		loadRun(x, a.s, dst[:m], o+i*step, step)
		if dst = dst[m:]; len(dst) == 0 {
			return
		}
		i = 0
		o, _ = w.next(a.dims[:last], a.strides, a.strides, o, 0)
	}
}

// readFloats is read for f32, from the position of the walker and index i of the last axis.
func (a *access) readFloats(src, dst []float32, w *walker, o, i int) {
	last := len(a.dims) - 1
	n, step := a.dims[last], a.strides[last]
	for {
		m := min(n-i, len(dst))
		if step == 0 {
			fillWith(dst[:m], src[o])
		} else {
			copy(dst[:m], src[o+i:])
		}
		if dst = dst[m:]; len(dst) == 0 {
			return
		}
		i = 0
		o, _ = w.next(a.dims[:last], a.strides, a.strides, o, 0)
	}
}

// loadRun converts elements of a storage to f32: dst[i] from element off + i·step, step being 0 or 1.
func loadRun(x *execution, s *storage, dst []float32, off, step int) {
	switch s.dtype {
	case dtypes.Float32:
		src := slice[float32](x, s, off)
		if step == 1 {
			copy(dst, src)
			return
		}
		fillWith(dst, src[0])
	case dtypes.Bool:
		convertRun(slice[uint8](x, s, off), dst, step, func(v uint8) float32 { return truth(v != 0) })
	case dtypes.BFloat16:
		if src := slice[uint16](x, s, off); step == 1 {
			x.program.backend.vectors.widen(dst, src)
		} else {
			fillWith(dst, widen(src[0]))
		}
	case dtypes.Float16:
		convertRun(slice[float16.Float16](x, s, off), dst, step, float16.Float16.Float32)
	case dtypes.Int32:
		convertRun(slice[int32](x, s, off), dst, step, func(v int32) float32 { return float32(v) })
	}
}

func convertRun[T any](src []T, dst []float32, step int, convert func(T) float32) {
	if step == 0 {
		fillWith(dst, convert(src[0]))
		return
	}
	for i := range dst {
		dst[i] = convert(src[i])
	}
}

// store converts a register and writes it to the storage of the instruction.
func (t *tape) store(x *execution, in *instruction, v []float32, s *span) {
	switch {
	case in.dst.kind == inRow:
		storeRun(x, in.store, v[:s.rows], s.row0)
	case s.contiguous:
		storeRun(x, in.store, v[:s.n], s.at(in.store))
	default:
		for i := range s.rows {
			storeRun(x, in.store, v[i*t.pitch:][:s.cols], s.at(in.store)+i*t.cols)
		}
	}
}

func storeRun(x *execution, s *storage, v []float32, off int) {
	switch s.dtype {
	case dtypes.Float32:
		copy(slice[float32](x, s, off), v)
	case dtypes.Bool:
		dst := slice[uint8](x, s, off)
		for i, f := range v {
			dst[i] = uint8(truth(f != 0))
		}
	case dtypes.BFloat16:
		dst := slice[uint16](x, s, off)
		for i, f := range v {
			b := math.Float32bits(f)
			if f != f {
				b |= 1 << 22 // keeps NaN without the low bits
			}
			dst[i] = uint16(b >> 16)
		}
	case dtypes.Float16:
		dst := slice[float16.Float16](x, s, off)
		for i, f := range v {
			dst[i] = halfOf(f)
		}
	}
}
