package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// An epilogue is a tape, such as bias and activation, that runs on every block of a matrix product while the block is in
// the cache, so that the product is never stored. It reads no other array as large and has no reductions: with a residual,
// a norm or the derivative of an activation, which read more, one step takes longer than two, because a block is not whole
// rows. The results are byte-identical to those of two steps.
type epilogue struct{ *tape }

// epilogues returns the products that units alone read, each element at its own place, by the units.
func epilogues(units []*unit, home map[*node]*unit, k *viewTable, outputs []*node) map[*unit]*node {
	r := &rematerializer{views: k, home: home, users: make(map[*node]int)}
	for _, n := range outputs {
		r.users[r.sourceOf(n)]++
	}
	list := make([]map[*node]bool, len(units))
	for i, u := range units {
		list[i] = r.reads(u, slices.Concat(u.nodes, u.recomputed))
		for src := range list[i] {
			r.users[src]++
		}
	}
	products := make(map[*unit]*node)
	for i, u := range units {
		r.unit = u
		var long []*node
		for src := range list[i] {
			if r.long(src) {
				long = append(long, src)
			}
		}
		if len(long) != 1 || !u.fused || u.row > 0 || u.pairs || !list[i][long[0]] || r.users[long[0]] > 1 {
			continue
		}
		if p := home[long[0]]; p != nil && len(p.nodes) == 1 && isProduct(long[0], u.domain) {
			products[u] = long[0]
		}
	}
	return products
}

// isProduct reports whether n is a product of f32 with the given number of elements.
func isProduct(n *node, size int) bool {
	return n.op == compute.OpTypeDotGeneral && n.shape.DType == dtypes.Float32 && n.shape.Size() == size && n.operand[0].shape.Size() > 0 &&
		n.operand[0].shape.DType == dtypes.Float32 && n.operand[1].shape.DType == dtypes.Float32
}

// emitProduct emits a product and the tape of the unit that reads it, as one step unless the product is summed in parts.
func (l *lowering) emitProduct(n *node, u *unit, outside func(*node) bool) {
	g := l.gemmOf(n)
	g.choosePrecision(l.backend)
	g.plan()
	if g.parts > 1 || g.fewRows() || g.n < 2 {
		l.emitGemm("DotGeneral", g)
		l.tapeFor(u, outside)
		return
	}
	ahead := g.planAhead(l)
	g.c.kind, u.row = inScratch, g.n
	t, reads, writes := l.tapeOf(u, outside)
	writes = append(writes, ahead...)
	t.pitch = g.cols
	t.block = max(1, blockElements/t.pitch)
	g.epilogue = &epilogue{t}
	for i := range g.m { // a block is dense in the memory of the worker
		g.cRow[i] = i * g.cols
	}
	reads = slices.DeleteFunc(reads, func(s *storage) bool { return s == g.c })
	l.emit("DotGeneral+tape", append(reads, g.a, g.b), writes, g.run)
	l.readsRows(g)
	l.steps[len(l.steps)-1].tape = t
}

// floats is the number of floats of a block of the product and of the registers.
func (e *epilogue) floats(g *gemm) int { return g.rows*g.cols + e.tape.floats() }

// begin takes that memory from the toolbox.
func (e *epilogue) begin(x *execution, g *gemm, tools *toolbox) {
	tile := tools.take(g.rows * g.cols)
	e.registers(x, tools).tile = tile
}

// compute computes a block of the product and runs the tape on it.
func (e *epilogue) compute(x *execution, r *registers, t *block) {
	t.c, t.cOff = r.tile, -t.m0*t.cols-t.n0
	t.compute()
	first := t.batch * t.m
	r.from, r.to = first+t.m0, first+t.m1
	r.col, r.cols = t.n0, t.n1-t.n0
	for row := r.from; row < r.to; row += e.block {
		e.runBlock(x, r, row)
	}
}
