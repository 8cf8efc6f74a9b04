package cpu

import (
	"github.com/gomlx/compute/dtypes"
)

// dot lowers DotGeneral on f32. It returns false for other dtypes.
func (l *lowering) dot(n *node) bool {
	if n.operand[0].shape.Size() == 0 { // empty sums
		c := l.define(n)
		l.emit("zeros", nil, []*storage{c.s}, func(x *execution) error {
			clear(x.bytesOf(c.s))
			return nil
		})
		return true
	}
	for _, d := range []dtypes.DType{n.operand[0].shape.DType, n.operand[1].shape.DType, n.shape.DType} {
		if d != dtypes.Float32 {
			return false
		}
	}
	l.emitGemm("DotGeneral", l.gemmOf(n))
	return true
}

// gemmOf makes the product of a DotGeneral, and defines its result.
func (l *lowering) gemmOf(n *node) *gemm {
	lhs, rhs := n.operand[0], n.operand[1]
	a := n.attr.(dotAttr)
	x, y := l.forward(l.tensorOf(lhs)), l.forward(l.narrowTensorOf(rhs)) // weights stay bf16 until they are packed
	c := l.defineOnce(n)
	g := &gemm{kernel: l.backend.level.kernel(), a: x.s, b: y.s, c: c.s, widen: l.backend.vectors.widen}
	xFree, yFree := restOf(len(x.dims), a.lhsBatch, a.lhsContract), restOf(len(y.dims), a.rhsBatch, a.rhsContract)
	g.aBatch, g.bBatch = x.offsets(a.lhsBatch), y.offsets(a.rhsBatch)
	for i := range g.aBatch {
		g.aBatch[i] += x.off
		g.bBatch[i] += y.off
	}
	g.aRow, g.bCol = x.offsets(xFree), y.offsets(yFree)
	g.aDepth, g.bDepth = x.offsets(a.lhsContract), y.offsets(a.rhsContract)
	g.m, g.n, g.k = len(g.aRow), len(g.bCol), len(g.aDepth)
	g.cBatch = make([]int, len(g.aBatch))
	for i := range g.cBatch {
		g.cBatch[i] = i * g.m * g.n
	}
	g.cRow = make([]int, g.m)
	for i := range g.cRow {
		g.cRow[i] = i * g.n
	}
	return g
}

func (l *lowering) emitGemm(name string, g *gemm) {
	l.emit(name, []*storage{g.a, g.b}, l.prepare(g), g.run)
	l.readsRows(g)
}

// prepare plans a product and returns the storages that it writes.
func (l *lowering) prepare(g *gemm) []*storage {
	writes := []*storage{g.c}
	if len(g.aBatch)*g.m*g.n > 0 {
		g.choosePrecision(l.backend)
		g.plan()
		g.few = g.fewRows()
		if g.few {
			g.parts = 1
		}
		if g.packsWhole() {
			g.whole = l.rawStorage(dtypes.Float32, len(g.bBatch)*g.packedFloats())
			writes = append(writes, g.whole)
		}
		if g.parts > 1 {
			g.splitScratch = l.rawStorage(dtypes.Float32, len(g.aBatch)*g.parts*g.m*g.n)
			writes = append(writes, g.splitScratch)
			for i := range g.m {
				g.partRow = append(g.partRow, i*g.n)
			}
		}
		writes = append(writes, g.planAhead(l)...)
	}
	return writes
}

// restOf returns the axes below rank that are in neither list.
func restOf(rank int, a, b []int) []int {
	used := make([]bool, rank)
	for _, list := range [][]int{a, b} {
		for _, i := range list {
			used[i] = true
		}
	}
	var rest []int
	for i, u := range used {
		if !u {
			rest = append(rest, i)
		}
	}
	return rest
}

// offsets returns the offset of every index of the given axes in row-major order, relative to the tensor's own.
func (t *tensor) offsets(axes []int) []int {
	list := []int{0}
	for _, a := range axes {
		next := make([]int, 0, len(list)*t.dims[a])
		for _, o := range list {
			for i := range t.dims[a] {
				next = append(next, o+i*t.strides[a])
			}
		}
		list = next
	}
	return list
}
