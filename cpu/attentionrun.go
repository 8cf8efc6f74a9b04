package cpu

import (
	"runtime"
	"slices"
	"unsafe"
)

// attentionStep is the kernel of an attention.
type attentionStep struct {
	tape          *tape
	made          []*gemm // into scratch
	across, along []*gemm // from scratch
	scratch       []*storage
	heads         int // batch entries of the products
	queries, keys int
	block         int // queries at a time
	parts         int // items of a head: blocks are divided among them
	online        bool
	scoreRow      []int // for online softmax: places of the rows of scores

	aFloats, bFloats, cFloats, floats int // room for tiles, and all that a worker needs
}

// scratchFloats is the number of scores of a block that fit into a worker's caches.
const scratchFloats = 128 << 10

// attend lowers an attention. outside holds the values that other units need.
func (l *lowering) attend(a *attention, outside map[*node]bool) {
	s := &attentionStep{queries: a.queries(), keys: a.tape.row}
	s.heads = a.tape.domain / s.queries / s.keys
	inScratchOnly := func(n *node) {
		s.scratch = addOnce(s.scratch, l.defineScratch(n))
	}
	var reads, writes []*storage
	made := slices.Concat(a.recomputed, a.made)
	for _, n := range made {
		inScratchOnly(n)
	}
	products := slices.Concat(a.across, a.along)
	kept := make(map[*node]bool)
	for _, n := range products {
		v := l.valueOf(n, a.tape)
		if kept[v] = true; !outside[v] {
			inScratchOnly(v)
		}
	}
	t, tapeReads, tapeWrites := l.tapeOf(a.tape, func(n *node) bool { return kept[n] || outside[n] && slices.Contains(a.group.nodes, n) })
	s.tape = t
	reads, writes = append(reads, tapeReads...), append(writes, tapeWrites...)
	for _, n := range made {
		g := l.gemmOf(n)
		g.planPacked(l.backend)
		reads = append(reads, g.a, g.b)
		s.made = append(s.made, g)
	}
	for i, n := range products {
		g := l.gemmOf(n)
		if i < len(a.across) {
			g.planPacked(l.backend)
			s.across = append(s.across, g)
		} else {
			g.plan()
			s.along = append(s.along, g)
		}
		reads, writes = append(reads, g.a, g.b), append(writes, g.c)
	}
	s.goOnline(l.backend, writes)
	s.divide()
	s.measure()
	local := func(o *storage) bool { return o.kind == inScratch }
	name := "attention"
	if s.online {
		name = "online attention"
	}
	l.emit(name, slices.DeleteFunc(reads, local), slices.DeleteFunc(writes, local), s.run)
}

// defineScratch makes the storage of a value that workers have in their own memory.
func (l *lowering) defineScratch(n *node) *storage {
	s := l.defineOnce(n).s
	s.kind = inScratch
	return s
}

// valueOf returns the value of the tape that a product reads.
func (l *lowering) valueOf(n *node, u *unit) *node {
	for _, o := range n.operand {
		if src := l.sourceOf(o); slices.Contains(u.nodes, src) {
			return src
		}
	}
	return nil
}

// planPacked plans a product whose B is packed as a whole.
func (g *gemm) planPacked(b *Backend) {
	g.choosePrecision(b)
	g.plan()
	g.parts, g.rows, g.cols, g.bPacked = 1, g.m, g.n, true
	if g.runs = []run{{0, g.k, 0, 0}}; !g.aPacked {
		g.runs, _ = runsOf(g.aDepth, nil)
	}
}

// divide chooses blocks and parts, which results do not depend on. A block is a multiple of the rows of every kernel. Every
// part packs the keys and values of its head again, so that there are no more than the processors need. Sums over queries go
// through all blocks of a head in order, so that one worker computes them.
func (s *attentionStep) divide() {
	multiple := tileRows
	for _, g := range slices.Concat(s.made, s.across) {
		multiple = max(multiple, g.kernel.multiple())
	}
	s.block = max(multiple, 2*scratchFloats/s.keys/len(s.scratch)/multiple*multiple)
	if s.online {
		s.block = onlineQueries
	}
	s.parts = 1
	if len(s.along) == 0 {
		s.parts = min(ceilDiv(2*runtime.GOMAXPROCS(0), s.heads), ceilDiv(s.queries, multiple))
		s.block = min(s.block, roundUp(ceilDiv(s.queries, s.parts), multiple))
		s.parts = min(s.parts, ceilDiv(s.queries, s.block))
	}
	s.block = min(s.block, roundUp(s.queries, multiple))
}

// attentionWorker is the state of a goroutine that runs items of an attention.
type attentionWorker struct {
	*attentionStep
	tools   *toolbox
	x       execution // with the rows in scratch
	head    int
	packed  [][]float32 // B of made, then of across
	a, b, c []float32   // room for tiles
	block   block       // the product at hand
	part    gemm        // a range of the terms of a product
	online  onlineState
}

// forget drops the references to what the worker was used on.
func (w *attentionWorker) forget() {
	w.tools.registers.forget()
	clear(w.packed)
	clear(w.x.scratch)
	*w = attentionWorker{packed: w.packed[:0], x: execution{scratch: w.x.scratch[:0]}}
}

// packedFloats is the number of floats, or words, of a product's packed B.
func (g *gemm) packedFloats() int { return ceilDiv(g.k, g.chunk) * g.chunkFloats() }

// chunkFloats is the number of floats, or words, of a chunk of terms of a product's packed B.
func (g *gemm) chunkFloats() int { return g.terms * roundUp(g.n, g.kernel.cols) }

// measure adds up the memory of a worker.
func (s *attentionStep) measure() {
	for _, g := range slices.Concat(s.made, s.across, s.along) {
		s.aFloats = max(s.aFloats, g.kernel.rows*g.terms)
		s.cFloats = max(s.cFloats, g.kernel.rows*g.kernel.cols)
	}
	for _, g := range slices.Concat(s.made, s.across) {
		s.floats += g.packedFloats()
	}
	for _, g := range s.along {
		s.bFloats = max(s.bFloats, min(depth, g.k)*roundUp(g.n, g.kernel.cols))
	}
	s.bFloats += 8 * depth // columns of bf16
	s.floats += s.aFloats + s.bFloats + s.cFloats + s.tape.floats()
	if s.online {
		s.floats += s.onlineFloats()
	} else {
		s.floats += len(s.scratch) * s.block * s.keys
	}
}

// run executes the step: an item is a part of the queries of a head.
func (s *attentionStep) run(x *execution) error {
	blocks := ceilDiv(s.queries, s.block)
	m := x.program.backend.memory
	x.parallel(s.heads*s.parts, func(item int) {
		tools := m.toolbox(s.floats)
		w := s.worker(x, tools, item/s.parts)
		part := item % s.parts
		for i := part * blocks / s.parts; i < (part+1)*blocks/s.parts; i++ {
			from, to := i*s.block, min((i+1)*s.block, s.queries)
			if s.online {
				w.runOnline(from, to)
			} else {
				w.runBlock(from, to)
			}
		}
		w.forget()
		m.release(tools)
	})
	return nil
}

// worker prepares a toolbox for a head.
func (s *attentionStep) worker(x *execution, tools *toolbox, head int) *attentionWorker {
	w := &tools.attention
	w.attentionStep, w.tools, w.head = s, tools, head
	w.x.program, w.x.base = x.program, x.base
	if s.online {
		w.takeOnline()
	}
	for _, o := range s.scratch {
		rows := w.online.scores
		if !s.online {
			rows = tools.take(s.block * s.keys)
		}
		w.x.scratch = append(w.x.scratch, scratchRows{o, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(rows))), 4*len(rows))})
	}
	w.a, w.b, w.c = tools.take(s.aFloats), tools.take(s.bFloats), tools.take(s.cFloats)
	s.tape.registers(&w.x, tools)
	for _, list := range [][]*gemm{s.made, s.across} {
		for _, g := range list {
			w.pack(g)
		}
	}
	return w
}

// product prepares a product of the head.
func (w *attentionWorker) product(g *gemm) *block {
	t := &w.block
	*t = block{gemm: g, a: slice[float32](&w.x, g.a, 0), c: slice[float32](&w.x, g.c, 0), cRow: g.cRow, k1: g.k, m1: g.m, n1: g.n}
	t.s = scratch{a: w.a, c: w.c, b: w.b, wide: w.b[len(w.b)-8*depth:]}
	t.readB(&w.x)
	t.batch = w.head
	t.aOff, t.bOff, t.cOff = g.aBatch[w.head], g.bBatch[w.head], g.cBatch[w.head]
	return t
}

// pack packs B of a product for the head.
func (w *attentionWorker) pack(g *gemm) {
	t := w.product(g)
	all := w.tools.take(g.packedFloats())
	w.packed = append(w.packed, all)
	for t.first = 0; t.first < g.k; t.first += g.chunk {
		t.length = min(g.chunk, g.k-t.first)
		t.s.b = all[t.first/g.chunk*g.chunkFloats():]
		t.packPanels()
	}
}

// runBlock computes the queries from … to of the head.
func (w *attentionWorker) runBlock(from, to int) {
	first := (w.head*w.queries + from) * w.keys // the element that scratch begins with
	for i, g := range w.made {
		t := w.product(g)
		t.cOff -= first
		w.rows(t, w.packed[i], from, to)
	}
	r := &w.tools.registers
	r.from, r.to = w.head*w.queries+from, w.head*w.queries+to
	for row := r.from; row < r.to; row += w.tape.block {
		w.tape.runBlock(&w.x, r, row)
	}
	for i, g := range w.across {
		t := w.product(g)
		if g.a.kind == inScratch {
			t.aOff -= first
		}
		w.rows(t, w.packed[len(w.made)+i], from, to)
	}
	for _, g := range w.along {
		w.terms(g, from, to)
	}
}

// rows computes rows from … to of a product with its packed B.
func (w *attentionWorker) rows(t *block, packed []float32, from, to int) {
	t.m1 = to
	for t.first = 0; t.first < t.k; t.first += t.chunk {
		t.length = min(t.chunk, t.k-t.first)
		t.s.b = packed[t.first/t.chunk*t.chunkFloats():]
		for i := from; i < to; i += t.kernel.rows {
			t.rowTile(i)
		}
	}
}

// terms adds a range of terms to all elements of a product, or begins with them. The operand in scratch begins with
// the first of these terms.
func (w *attentionWorker) terms(g *gemm, from, to int) {
	t, n := w.product(g), to-from
	part := &w.part
	*part = *g
	part.aDepth, part.bDepth = g.aDepth[from:to], g.bDepth[from:to]
	if g.a.kind == inScratch {
		t.aOff, part.aDepth = 0, g.aDepth[:n]
	}
	if g.b.kind == inScratch {
		t.bOff, part.bDepth = 0, g.bDepth[:n]
	}
	part.k, part.aPacked, part.bPacked, part.runs = n, true, true, []run{{0, n, 0, 0}}
	t.gemm = part
	if from > 0 {
		t.k0 = -1 // accumulate
	}
	for t.first = 0; t.first < n; t.first += depth {
		t.length = min(depth, n-t.first)
		t.packPanels()
		for i := 0; i < t.m; i += t.kernel.rows {
			t.rowTile(i)
		}
	}
}
