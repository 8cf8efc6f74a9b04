package cpu

import (
	"runtime"

	"github.com/gomlx/compute/dtypes"
)

// A large product packs A once, before its blocks, and not again for every block of columns. A block packs panels of B that
// fit the first-level cache, and all its rows pass by one panel before the next: what flows from the second level is A, of
// which a tile needs little, and not B. Neither changes the order of a sum.

const (
	aheadDepth  = 256  // rows of a packed panel of B: terms, or words
	aheadRows   = 1536 // of a block, about
	aheadCols   = 128  // of a block
	aheadBytes  = 64 << 20
	tileRows    = 24 // a multiple of the rows of every kernel but that of AMX
	amxTileRows = 96 // of every kernel
)

// planAhead makes the product one whose A is packed ahead, if that pays: it is large, and the terms of a row of A are
// contiguous, in the main. It returns the storage for A.
func (g *gemm) planAhead(l *lowering) []*storage {
	large := g.m >= 64 && g.n >= 512 && g.k >= 256
	if g.parts > 1 || g.few || g.padding != nil || g.whole != nil || len(g.aBatch) != 1 || !large && g.integers == nil || !g.kernel.strips || !g.alongTerms() {
		return nil
	}
	g.rows = roundUp(ceilDiv(g.m, ceilDiv(g.m, aheadRows)), g.kernel.multiple())
	g.cols = aheadCols
	for g.cols > g.kernel.cols && ceilDiv(g.m, g.rows)*ceilDiv(g.n, g.cols) < 4*runtime.GOMAXPROCS(0) {
		g.cols /= 2
	}
	g.mb, g.nb = ceilDiv(g.m, g.rows), ceilDiv(g.n, g.cols)
	g.packDeep()
	blocks := min(g.mb, max(1, aheadBytes/4/(g.rows*g.aheadFloats()/g.kernel.rows)))
	g.aheadRows = blocks * g.rows
	size := g.aheadRows / g.kernel.rows * g.aheadFloats()
	if g.integers != nil {
		size = max(size, g.aheadRows/intsRows*ceilDiv(g.k, intsDepth)*intsTileFloats(min(intsDepth, g.k)))
	}
	g.ahead = l.rawStorage(dtypes.Float32, size)
	return []*storage{g.ahead}
}

// multiple returns what blocks of rows are a multiple of: the rows of this kernel and of all that may stand beside it.
func (k tileKernel) multiple() int {
	if k.amx {
		return amxTileRows
	}
	return tileRows
}

// packDeep sets that A and B are packed, and the terms of a panel.
func (g *gemm) packDeep() {
	g.aPacked, g.bPacked, g.runs = true, true, []run{{0, g.k, 0, 0}}
	g.chunk, g.terms = aheadDepth, min(aheadDepth, g.k)
	if g.pairs {
		g.chunk, g.terms = 2*aheadDepth, min(aheadDepth, words(g.k))
	}
}

// alongTerms reports whether the terms of A are contiguous in runs that are worth packing together.
func (g *gemm) alongTerms() bool {
	g.pairRuns, _ = runsOf(g.aDepth, nil)
	for _, r := range g.pairRuns {
		if r.aStep != 1 && r.to-r.from > 1 {
			return false
		}
	}
	return len(g.pairRuns)*shortestPairRun <= g.k
}

// aheadFloats is the number of floats, or words, of a tile of rows for all terms.
func (g *gemm) aheadFloats() int { return ceilDiv(g.k, g.chunk) * g.tileFloats() }

// tileFloats is the number of floats, or words, of a tile of rows for a chunk of terms.
func (g *gemm) tileFloats() int {
	if g.asIntegers {
		return intsTileFloats(g.terms)
	}
	return g.kernel.rows * g.terms
}

// runAhead computes the product, as many rows at a time as have room in the storage for A.
func (g *gemm) runAhead(x *execution) {
	a, packed := slice[float32](x, g.a, 0), slice[float32](x, g.ahead, 0)
	var c []float32
	if g.epilogue == nil {
		c = slice[float32](x, g.c, 0)
	}
	quants, form, ok := g.quantized(x)
	if ok {
		g = g.ints
	}
	var panels []float32
	if !ok {
		panels = g.kept(x)
	}
	m, mr := x.program.backend.memory, g.kernel.rows
	for first := 0; first < g.m; first += g.aheadRows {
		last := min(first+g.aheadRows, g.m)
		tiles := ceilDiv(last-first, mr)
		x.parallel(tiles, func(item int) {
			tools, s := g.tools(m)
			defer m.release(tools)
			t := block{gemm: g, a: a, aOff: g.aBatch[0], s: s, form: form}
			t.packTile(packed[item*g.tileFloats():], tiles*g.tileFloats(), first+item*mr, last)
		})
		blocks := ceilDiv(last-first, g.rows)
		x.parallel(blocks*g.nb, func(item int) {
			tools, s := g.tools(m)
			defer m.release(tools)
			t := block{gemm: g, a: packed, c: c, packed: panels, cRow: g.cRow, s: s, k1: g.k, quants: quants, form: form}
			t.readB(x)
			t.locate((first/g.rows+item%blocks)*g.nb + item/blocks)
			if g.epilogue != nil {
				g.epilogue.begin(x, g, tools)
				defer tools.registers.forget()
				g.epilogue.compute(x, &tools.registers, &t)
				return
			}
			t.compute()
		})
	}
}

// packTile packs the tile of rows at i for all chunks of terms, which are step floats apart.
func (t *block) packTile(dst []float32, step, i, last int) {
	rows := min(t.kernel.rows, last-i)
	for t.first = 0; t.first < t.k; t.first += t.chunk {
		t.length = min(t.chunk, t.k-t.first)
		t.s.a = dst[t.first/t.chunk*step:][:t.tileFloats()]
		switch {
		case t.asIntegers:
			t.quantizeTile(i, rows)
		case t.pairs:
			t.roundRows(i, rows)
		default:
			t.packRows(i, rows)
		}
	}
}

// passRows multiplies the panels of the current chunk of terms with all rows.
func (t *block) passRows() {
	mr, start := t.kernel.rows, t.m0/t.aheadRows*t.aheadRows
	tiles := ceilDiv(min(t.aheadRows, t.m-start), mr)
	a := t.a[t.first/t.chunk*tiles*t.tileFloats():]
	tile := func(i int) []float32 { return a[(i-start)/mr*t.tileFloats():] }
	for j := t.n0; j < t.n1; j += t.kernel.cols {
		if t.kernel.amx {
			t.amxPass(j, tile)
			continue
		}
		i := t.m0
		if t.asIntegers {
			i = t.passInts(j, tile)
		}
		for ; i < t.m1; i += mr {
			t.s.a = tile(i)
			t.panelTile(i, min(mr, t.m1-i), j, true)
		}
	}
}
