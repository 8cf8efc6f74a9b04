package cpu

import (
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
)

// In bf16, attention to many keys takes the softmax online (arXiv 1805.02867, 2205.14135): it goes through the keys in blocks, and
// keeps for each query the largest score so far, the sum of the exponentials below it and the sum of the values with these
// weights. A larger score scales both sums down. So a worker has the scores of a few queries and one block of keys, which stay in
// the first-level cache, next to the packed keys and values of its head.
//
// Scores, exponentials and sums are f32. Exponentials are rounded to bf16 for the product with the values. Blocks begin at the
// same keys for all queries, so that results depend neither on threads nor on place.

// onlineKeys is the number of keys of a block: attention to more of them is taken online.
const onlineKeys = 512

// onlineQueries is the number of queries that pass by a block of keys before the next.
const onlineQueries = 192

// goOnline makes the softmax online, if the step is nothing but softmax(q·kᵀ)·v in bf16, without a gradient.
func (s *attentionStep) goOnline(b *Backend, writes []*storage) {
	if len(s.made) != 1 || len(s.across) != 1 || len(s.along) > 0 || s.keys <= onlineKeys || b.vectors.fast == nil {
		return
	}
	scores, values := s.made[0], s.across[0]
	if b.level < avx512 || !scores.pairs || !values.pairs || scores.k > scores.chunk || scores.b.dtype != dtypes.Float32 || values.b.dtype != dtypes.Float32 ||
		slices.ContainsFunc(writes, func(o *storage) bool { return o.kind != inScratch && o != values.c }) || !s.tape.isSoftmax(scores.c, values.a) {
		return
	}
	s.online = true
	values.chunk, values.terms = onlineKeys, onlineKeys/2
	for i := range s.queries {
		s.scoreRow = append(s.scoreRow, i*onlineKeys)
	}
}

// isSoftmax reports whether the tape is the softmax of the rows of one storage, into another: with joined exponentials and sums,
// or not.
func (t *tape) isSoftmax(from, to *storage) bool {
	of := func(i int, do insKind, op opcode, a value) bool {
		return t.ins[i].do == do && t.ins[i].op == op && t.ins[i].a == a && (t.ins[i].store == nil || i == len(t.ins)-1)
	}
	if len(t.ins) < 4 || t.ins[0].do != doLoad || t.ins[0].load.s != from || !t.ins[0].load.flat || t.ins[0].load.off != 0 || !of(1, doReduce, opLargest, t.ins[0].dst) {
		return false
	}
	var weights, sums value
	switch joined := t.ins[2]; {
	case len(t.ins) == 4 && joined.do == doExpSum && joined.a == t.ins[0].dst && joined.b == t.ins[1].dst && joined.store == nil:
		weights, sums = joined.dst, joined.more[0]
	case len(t.ins) == 6 && of(2, doPerRow, opSub, t.ins[0].dst) && t.ins[2].b == t.ins[1].dst && of(3, doUnary, opExp, t.ins[2].dst) && of(4, doReduce, opSum, t.ins[3].dst):
		weights, sums = t.ins[3].dst, t.ins[4].dst
	default:
		return false
	}
	last := len(t.ins) - 1
	return of(last, doPerRow, opDiv, weights) && t.ins[last].b == sums && t.ins[last].store == to
}

// onlineState is what a worker has for a few queries.
type onlineState struct {
	scores, weights []float32 // of a tile of queries and a block of keys; weights are of bf16
	largest, sums   []float32 // of the queries
	made, across    block
}

// onlineFloats is the number of floats of an onlineState.
func (s *attentionStep) onlineFloats() int {
	mr := s.made[0].kernel.rows
	return mr*onlineKeys + mr*onlineKeys/2 + 2*roundUp(s.block, 16) + 16
}

// takeOnline takes the memory of an onlineState.
func (w *attentionWorker) takeOnline() {
	step := w.attentionStep
	mr := step.made[0].kernel.rows
	w.online.scores, w.online.weights = w.tools.take(mr*onlineKeys), w.tools.take(mr*onlineKeys/2)
	w.online.largest, w.online.sums = w.tools.take(roundUp(step.block, 16)), w.tools.take(roundUp(step.block, 16))
}

// runOnline computes the queries from … to of the head.
func (w *attentionWorker) runOnline(from, to int) {
	o := &w.online
	o.made = *w.product(w.made[0])
	o.across = *w.product(w.across[0])
	o.made.cRow, o.across.s.a = w.scoreRow, o.weights
	o.made.m1, o.across.m1, o.made.length = to, to, o.made.k
	for i := range to - from {
		o.largest[i], o.sums[i] = float32(math.Inf(-1)), 0
	}
	for first := 0; first < w.keys; first += onlineKeys {
		o.made.n0, o.made.n1 = first, min(first+onlineKeys, w.keys)
		o.made.s.b = w.packed[0][first*o.made.terms:]
		o.across.first, o.across.length = first, o.made.n1-first
		o.across.s.b = w.packed[1][first/onlineKeys*o.across.chunkFloats():]
		for i := from; i < to; i += o.made.kernel.rows {
			o.tile(i, i-from, min(o.made.kernel.rows, to-i))
		}
	}
	for i := from; i < to; i++ {
		row := o.across.row(i)
		scale := 1 / o.sums[i-from]
		for j := range row {
			row[j] *= scale
		}
	}
}

// row returns row i of the result.
func (t *block) row(i int) []float32 { return t.c[t.cOff+t.cRow[i]:][:t.n1] }

// tile adds the current block of keys to queries i … i+rows, whose numbers begin at place at.
func (o *onlineState) tile(i, at, rows int) {
	keys := o.across.length
	o.made.cOff = -o.made.n0 - o.made.cRow[i]
	o.made.rowTile(i)
	vectors := ceilDiv(keys, 16)
	for r := range rows * min(1, 16*vectors-keys) {
		fillWith(o.scores[r*onlineKeys+keys:][:16*vectors-keys], float32(math.Inf(-1)))
	}
	var before, sums [64]float32
	copy(before[:rows], o.largest[at:])
	softmaxRows(&halves(o.weights)[0], 2*onlineKeys, &o.scores[0], 4*onlineKeys, rows, vectors, &o.largest[at], &sums[0])
	for r := range rows {
		scale := float32(1)
		if now := o.largest[at+r]; now != before[r] && o.across.first > 0 {
			scale = float32(math.Exp(float64(before[r] - now)))
			row := o.across.row(i + r)
			for j := range row {
				row[j] *= scale
			}
		}
		o.sums[at+r] = o.sums[at+r]*scale + sums[r]
	}
	if keys%2 == 1 { // the neighbour of the last
		for r := range rows {
			halves(o.weights)[r*onlineKeys+keys] = 0
		}
	}
	o.across.rowPanels(i, rows, true)
}
