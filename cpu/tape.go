package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// valueKind is the location of an operand of a tape instruction.
type valueKind uint8

const (
	inFull   valueKind = iota // a register with every element of the block
	inRow                     // a register with one number per row of the block
	inScalar                  // one number for all
)

// value is an operand: a register or a scalar by number.
type value struct {
	kind valueKind
	id   int
}

// insKind is the kind of an instruction.
type insKind uint8

const (
	doLoad   insKind = iota // dst = part of a storage
	doExpand                // dst (all elements) = a, which is one number per row or one for all
	doUnary                 // dst = op a
	doBinary                // dst = a op b, register by register
	doScalar                // dst = a op scalar b
	doPerRow                // dst (all elements) = a op b of the row
	doWhere                 // dst = a != 0 ? b : c
	doReduce                // dst (per row) = op over the row of a

	// Joined instructions: see join.
	doSilu   // dst = a·logistic a
	doGelu   // dst = GELU of a, by tanh and the four numbers in more
	doRotate // dst = a·b + (a with neighbours exchanged)·c
	doMulAdd // dst = a·b + c
	doScale  // dst = (a op b of the row)·c + more[0], if there is one
	doExpSum // dst = e^(a - b of the row), and more[0] (per row) its sums
)

type instruction struct {
	do      insKind
	op      opcode
	dst     value
	a, b, c value
	more    []value
	load    *access    // for doLoad
	store   *storage   // where dst is kept, or nil
	sums    *columnSum // of dst, or nil
}

// access describes how a tape reads a storage: the merged axes of a view over the domain (or over the rows).
type access struct {
	s             *storage
	off           int
	dims, strides []int
	flat          bool // one run of consecutive elements
	periodic      periodic
}

// tape is a program of vector instructions that runs block by block over rows of elements.
type tape struct {
	vectors      *vectors
	domain       int // elements
	rows, cols   int // the domain as rows; without reductions the last row may be shorter
	pitch        int // elements between rows in a register, a multiple of 16
	block        int // rows per block
	blocksPer    int // blocks per item of the pool
	ins          []instruction
	recorded     int      // instructions before some were joined
	scalars      []access // dims unused
	fulls, perRs int      // number of registers
	stripe       int      // elements of the stripes of column sums
}

// blockElements is the intended number of elements of a register: all registers of a tape should fit the caches near the
// processor.
const blockElements = 1024

// recorder makes the tape of a unit.
type recorder struct {
	*tape
	l      *lowering
	unit   *unit
	values map[*node]value
	loads  map[string]value
}

// tapeFor lowers a fused unit. outside holds its nodes that other units need.
func (l *lowering) tapeFor(u *unit, outside func(*node) bool) {
	sums, block := l.columnSums(u, outside)
	t, reads, writes := l.tapeWith(u, outside, sums, block)
	l.emit("tape", reads, writes, t.run)
	l.steps[len(l.steps)-1].tape = t
}

// tapeOf returns the tape of a fused unit, and the storages that it reads and writes.
func (l *lowering) tapeOf(u *unit, outside func(*node) bool) (t *tape, reads, writes []*storage) {
	return l.tapeWith(u, outside, nil, 0)
}

// tapeWith is tapeOf for a tape that begins column sums in blocks of so many elements.
func (l *lowering) tapeWith(u *unit, outside func(*node) bool, sums map[*node]*columnSum, block int) (t *tape, reads, writes []*storage) {
	t = &tape{vectors: l.backend.vectors, domain: u.domain}
	if u.row > 0 {
		t.cols, t.rows = u.row, u.domain/u.row
	} else {
		t.cols = min(u.domain, blockElements)
		if block > 0 {
			t.cols = block
		}
		t.rows = ceilDiv(u.domain, t.cols)
	}
	t.pitch = roundUp(t.cols, 16)
	t.block = 1
	if u.row > 0 {
		t.block = min(t.rows, max(1, blockElements/t.pitch))
	}
	r := &recorder{tape: t, l: l, unit: u, values: make(map[*node]value), loads: make(map[string]value)}
	for _, n := range u.recomputed {
		r.values[n] = r.record(n)
	}
	for _, n := range u.nodes {
		v := r.record(n)
		r.values[n] = v
		c := sums[n]
		if c != nil {
			l.begin(c, t.domain)
			r.addUp(v, c)
			t.stripe = c.stripe()
			writes = append(writes, c.s)
		}
		if outside(n) && (c == nil || l.readers[n] > 1) {
			s := l.defineOnce(n).s
			r.keep(v, n, s)
			writes = append(writes, s)
		}
	}
	for _, i := range t.ins {
		if i.load != nil {
			reads = append(reads, i.load.s)
		}
	}
	for _, a := range t.scalars {
		reads = append(reads, a.s)
	}
	work := t.block * t.pitch * max(1, len(t.ins))
	t.recorded = len(t.ins)
	t.join()
	t.allocate()
	t.blocksPer = max(1, 100_000/work)
	return t, reads, writes
}

func (r *recorder) newRegister(k valueKind) value {
	if k == inRow {
		r.perRs++
		return value{inRow, r.perRs - 1}
	}
	r.fulls++
	return value{inFull, r.fulls - 1}
}

func (r *recorder) append(i instruction) value {
	r.ins = append(r.ins, i)
	return i.dst
}

// kindOf returns the kind of register that a node of the unit lives in.
func (r *recorder) kindOf(n *node) valueKind {
	if r.unit.rowed[n] {
		return inRow
	}
	return inFull
}

// record appends the instructions of a node and returns where its value is.
func (r *recorder) record(n *node) value {
	code, _ := r.l.views.fusible(n)
	kind := r.kindOf(n)
	switch code {
	case opSum, opLargest, opSmallest:
		a := r.expand(r.operand(n, 0, inFull), inFull)
		return r.append(instruction{do: doReduce, op: code, dst: r.newRegister(inRow), a: a})
	case opWhere:
		a, b, c := r.expand(r.operand(n, 0, kind), kind), r.expand(r.operand(n, 1, kind), kind), r.expand(r.operand(n, 2, kind), kind)
		return r.append(instruction{do: doWhere, op: opWhere, dst: r.newRegister(kind), a: a, b: b, c: c})
	case opCopy: // ConvertDType: registers are f32 already
		a := r.operand(n, 0, kind)
		if n.shape.DType == n.operand[0].shape.DType {
			return a
		}
		return r.round(a, n.shape.DType, kind)
	}
	var v value
	if len(n.operand) == 1 {
		a := r.expand(r.operand(n, 0, kind), kind)
		v = r.append(instruction{do: doUnary, op: code, dst: r.newRegister(kind), a: a})
	} else {
		v = r.binary(n, code, kind)
	}
	return r.round(v, n.shape.DType, kind)
}

// round rounds a value to the numbers of a dtype with fewer than f32.
func (r *recorder) round(v value, d dtypes.DType, kind valueKind) value {
	op := opBF16
	switch d {
	case dtypes.BFloat16:
	case dtypes.Float16:
		op = opF16
	default:
		return v
	}
	return r.append(instruction{do: doUnary, op: op, dst: r.newRegister(kind), a: r.expand(v, kind)})
}

func commutes(op opcode) bool {
	return op == opAdd || op == opMul || op == opMax || op == opMin || op == opEq || op == opNe || op == opAnd || op == opOr || op == opXor
}

func (r *recorder) binary(n *node, code opcode, kind valueKind) value {
	a, b := r.operand(n, 0, kind), r.operand(n, 1, kind)
	if _, swap, _ := opcodeOf(n.op); swap {
		a, b = b, a
	}
	if a.kind != kind && b.kind == kind && commutes(code) {
		a, b = b, a
	}
	a = r.expand(a, kind)
	do := doBinary
	switch {
	case b.kind == inScalar:
		do = doScalar
	case b.kind == inRow && kind == inFull:
		do = doPerRow
	}
	return r.append(instruction{do: do, op: code, dst: r.newRegister(kind), a: a, b: b})
}

// expand returns the value in a register of the kind.
func (r *recorder) expand(v value, kind valueKind) value {
	if v.kind == kind {
		return v
	}
	return r.append(instruction{do: doExpand, dst: r.newRegister(kind), a: v})
}

// keep stores a value.
func (r *recorder) keep(v value, n *node, s *storage) {
	kind := r.kindOf(n)
	last := len(r.ins) - 1
	if v.kind == kind && last >= 0 && r.ins[last].dst == v && r.ins[last].store == nil && r.ins[last].do != doLoad {
		r.ins[last].store = s
		return
	}
	v = r.expand(v, kind)
	r.append(instruction{do: doUnary, op: opCopy, dst: r.newRegister(kind), a: v, store: s})
}

// operand returns operand i of n for a consumer of the kind, loading it if it is from outside.
func (r *recorder) operand(n *node, i int, kind valueKind) value {
	o := n.operand[i]
	src := r.l.views.source[o]
	if v, ok := r.values[src]; ok {
		return v
	}
	t := r.l.narrowTensorOf(o)
	if n.op != compute.OpTypeReduceSum && n.op != compute.OpTypeReduceMax && n.op != compute.OpTypeReduceMin {
		t = t.implicit(n.shape.Dimensions)
	}
	a := access{s: t.s, off: t.off}
	a.dims, a.strides = mergeAxes(t.dims, t.strides)
	if len(a.dims) == 0 || len(a.dims) == 1 && a.strides[0] == 0 {
		return r.scalar(a)
	}
	a.flat = len(a.dims) == 1 && a.strides[0] == 1
	if last := a.strides[len(a.strides)-1]; last != 0 && last != 1 {
		// Columns: cheaper to copy once than to gather in every block.
		t = r.l.denseFor(t)
		a = access{s: t.s, off: t.off}
		a.dims, a.strides = mergeAxes(t.dims, t.strides)
		a.flat = len(a.dims) == 1 && a.strides[0] == 1
	}
	if rows, ok := a.perRow(r.unit.row); ok && kind == inFull {
		a, kind = rows, inRow
	} else if kind == inFull && !a.flat {
		a = r.l.periodicOf(a, r.tape)
	}
	key := a.key(kind)
	if v, ok := r.loads[key]; ok {
		return v
	}
	v := r.append(instruction{do: doLoad, dst: r.newRegister(kind), load: &a})
	r.loads[key] = v
	return v
}

// perRow returns the access to the numbers of the rows, if this access reads one number for each row.
func (a *access) perRow(row int) (access, bool) {
	last := len(a.dims) - 1
	if row < 2 || a.strides[last] != 0 || a.dims[last]%row != 0 {
		return access{}, false
	}
	b := access{s: a.s, off: a.off, dims: slices.Clone(a.dims[:last]), strides: slices.Clone(a.strides[:last])}
	if same := a.dims[last] / row; same > 1 {
		b.dims, b.strides = append(b.dims, same), append(b.strides, 0)
	}
	step := b.strides[len(b.strides)-1]
	b.flat = len(b.dims) == 1 && step == 1
	return b, step == 0 || step == 1
}

func (a *access) key(kind valueKind) string {
	b := []byte{byte(kind)}
	for _, n := range append(append([]int{a.s.id, a.off}, a.dims...), a.strides...) {
		for range 8 {
			b = append(b, byte(n))
			n >>= 8
		}
	}
	return string(b)
}

func (r *recorder) scalar(a access) value {
	for i, s := range r.scalars {
		if s.s == a.s && s.off == a.off {
			return value{inScalar, i}
		}
	}
	r.scalars = append(r.scalars, a)
	return value{inScalar, len(r.scalars) - 1}
}

// denseFor returns a dense copy of the elements of t without its broadcast axes, and a view of the copy that has them.
func (l *lowering) denseFor(t *tensor) *tensor {
	small := t.clone()
	for i, s := range t.strides {
		if s == 0 {
			small.dims[i] = 1
		}
	}
	d := l.dense(small)
	all := &tensor{s: d.s, off: d.off, dims: slices.Clone(t.dims), strides: slices.Clone(d.strides)}
	for i, s := range t.strides {
		if s == 0 {
			all.strides[i] = 0
		}
	}
	return all
}

// allocate replaces the registers, which were written once each, by as few as are alive at once.
func (t *tape) allocate() {
	last := map[value]int{}
	for i := range t.ins {
		for _, v := range t.ins[i].reads() {
			last[*v] = i
		}
	}
	place := map[value]value{}
	var free [2][]int
	t.fulls, t.perRs = 0, 0
	for i := range t.ins {
		in := &t.ins[i]
		var ended []value
		for _, v := range in.reads() {
			old := *v
			*v = place[old]
			if last[old] == i && !slices.Contains(ended, *v) {
				ended = append(ended, *v)
			}
		}
		if in.do != doReduce && in.do != doExpand { // these write another layout than they read
			for _, v := range ended {
				free[v.kind] = append(free[v.kind], v.id)
			}
			ended = nil
		}
		for _, v := range in.writes() {
			old := *v
			*v = value{old.kind, t.takeRegister(old.kind, &free)}
			place[old] = *v
			if _, used := last[old]; !used {
				ended = append(ended, *v)
			}
		}
		for _, v := range ended {
			free[v.kind] = append(free[v.kind], v.id)
		}
	}
}

func (t *tape) takeRegister(k valueKind, free *[2][]int) int {
	if n := len(free[k]); n > 0 {
		id := free[k][n-1]
		free[k] = free[k][:n-1]
		return id
	}
	if k == inRow {
		t.perRs++
		return t.perRs - 1
	}
	t.fulls++
	return t.fulls - 1
}

// writes returns the registers that the instruction writes.
func (i *instruction) writes() []*value {
	if i.do == doExpSum {
		return []*value{&i.dst, &i.more[0]}
	}
	return []*value{&i.dst}
}

// reads returns the registers that the instruction reads.
func (i *instruction) reads() []*value {
	var list []*value
	switch i.do {
	case doWhere:
		list = []*value{&i.a, &i.b, &i.c}
	case doBinary, doScalar, doPerRow:
		list = []*value{&i.a, &i.b}
	case doUnary, doExpand, doReduce, doSilu, doGelu:
		list = []*value{&i.a}
	case doRotate, doMulAdd, doScale:
		list = []*value{&i.a, &i.b, &i.c}
		for m := range i.more {
			list = append(list, &i.more[m])
		}
	case doExpSum:
		list = []*value{&i.a, &i.b}
	}
	return slices.DeleteFunc(list, func(v *value) bool { return v.kind == inScalar })
}
