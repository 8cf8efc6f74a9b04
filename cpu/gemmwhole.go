package cpu

// Where neither the columns nor the terms of B are contiguous, as in the weights [out, in, k, k] of a convolution, packing a
// panel gathers element by element. Then B is packed once before the blocks, and not again for each block of rows.

// packsWhole reports whether B is packed before the blocks.
func (g *gemm) packsWhole() bool {
	return !g.few && g.mb > 1 && (g.pairs || g.bPacked) && g.n > 1 && !increasing(g.bCol) && !increasing(g.bDepth)
}

// wholePlace returns the place of the panels of a batch entry for the chunk that begins with a term.
func (g *gemm) wholePlace(batch, first int) int {
	return batch*g.packedFloats() + first/g.chunk*g.chunkFloats()
}

// packed returns B packed as a whole, or nil if every block packs what it reads.
func (g *gemm) packed(x *execution) []float32 {
	if kept := g.kept(x); kept != nil || g.whole == nil {
		return kept
	}
	all := slice[float32](x, g.whole, 0)
	g.packAll(x, all, x.parallel)
	return all
}

// packAll packs B in a loop that runs as loop says.
func (g *gemm) packAll(x *execution, packed []float32, loop func(n int, body func(item int))) {
	chunks, panels := ceilDiv(g.k, g.chunk), ceilDiv(g.n, g.kernel.cols)
	m := x.program.backend.memory
	loop(len(g.bBatch)*chunks*panels, func(item int) {
		tools, s := g.tools(m)
		t := block{gemm: g, s: s, n1: g.n}
		t.readB(x)
		t.batch = item / (chunks * panels)
		t.bOff = g.bBatch[t.batch]
		t.first = item / panels % chunks * g.chunk
		t.length = min(g.chunk, g.k-t.first)
		j := item % panels * g.kernel.cols
		dst := packed[g.wholePlace(t.batch, t.first)+j*g.terms:]
		if g.pairs {
			t.packPairs(dst, j)
		} else {
			t.packPanel(dst, j)
		}
		m.release(tools)
	})
}
