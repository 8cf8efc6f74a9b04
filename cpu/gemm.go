package cpu

import (
	"runtime"
	"slices"

	"github.com/gomlx/compute/dtypes"
)

// gemm is a batch of matrix products C = A·B in f32, or B in bf16 or [Rows], whose operands are read in place: element (i, p) of A in
// batch g is at aBatch[g] + aRow[i] + aDepth[p], element (p, j) of B at bBatch[g] + bDepth[p] + bCol[j]. That covers
// all layouts of DotGeneral and, with the offsets of a padded image as the tables, convolution without im2col.
// Row i of C is dense, at cBatch[g] + cRow[i].
//
// The workers share the blocks of C. Every element is summed in the order of p, wherever it lies. Only a product that is
// deep and has few elements is cut along p as well, into parts that depend on its shape alone.
type gemm struct {
	kernel                     tileKernel
	m, n, k                    int
	a, b, c                    *storage
	aBatch, bBatch, cBatch     []int
	aRow, aDepth, bDepth, bCol []int
	cRow                       []int
	partRow                    []int // rows of a partial result

	rows, cols   int // of a block
	mb, nb       int // number of blocks
	parts        int // cuts along k
	partTerms    int // terms of a part
	aOK, bOK     []bool
	aPacked      bool // A is copied for every tile
	bPacked      bool // B is copied for every block
	runs         []run
	splitScratch *storage
	whole        *storage    // all of B, packed; or nil
	ahead        *storage    // A, packed before the blocks; or nil: see gemmahead.go
	aheadRows    int         // rows of A that it has room for
	integers     *intsKernel // of products of integers, or nil
	ints         *gemm       // the same for B that is Quantized, or nil: see gemmints.go
	asIntegers   bool        // it is that product
	aligned      int         // divides k and the columns of B at which rows are read
	few          bool        // so few rows that reading B dominates
	pairs        bool        // computed in bf16: see gemmpairs.go
	pairRuns     []run       // of the terms of A that are contiguous
	chunk        int         // terms that a block sums at a time
	terms        int         // rows of a packed panel: terms, or words of two
	stored       *gemm       // the same for B in Rows, if it can be read so
	byTerm       bool        // a row of B is a term and not a column
	widen        func(dst []float32, a []uint16)
	epilogue     *epilogue // or nil
	padding      *padding  // of a convolution, or nil
}

// tileKernel is a micro-kernel: see kernel_amd64.s.
type tileKernel struct {
	rows, cols int
	tile       func(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)
	half       func(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int) // cols/2, or nil
	strips     bool                                                                                    // transpose8 works
	amx        bool                                                                                    // tileAMX is called instead: see gemmamx.go
}

// plainKernel is the micro-kernel in portable Go.
var plainKernel = tileKernel{rows: 4, cols: 16, tile: tilePlain}

// run is a range of p in which the operands that are not packed advance by one stride.
type run struct{ from, to, aStep, bStep int }

// depth is the number of terms p that a block sums at a time: so many rows of B for one panel of columns fit the
// second-level cache.
const depth = 384

// plan chooses the blocks and the ways to read the operands.
func (g *gemm) plan() {
	mr, nr := g.kernel.rows, g.kernel.cols
	g.chunk, g.terms = depth, min(depth, g.k)
	if g.pairs {
		g.chunk, g.terms = 2*depth, min(depth, words(g.k))
	}
	g.parts = 1
	if blocks := g.divide(32); blocks < 8 && g.integers == nil {
		g.parts = max(1, min(16/blocks, g.k/(2*depth)))
	}
	g.partTerms = roundUp(ceilDiv(g.k, g.parts), g.chunk)
	// Results depend on the parts but not on the blocks, which may thus be as large as the processors allow.
	g.divide(4 * runtime.GOMAXPROCS(0))
	g.aOK = uniformTiles(g.aRow, mr, 0)
	g.bOK = uniformTiles(g.bCol, nr, 1)
	aRuns, long := runsOf(g.aDepth, nil)
	g.aPacked = !long || aRuns[0].aStep != 1 || g.n <= 2
	for _, r := range aRuns {
		g.aPacked = g.aPacked || r.aStep != 1 && r.to-r.from > 1
	}
	bRuns, long := runsOf(nil, g.bDepth)
	g.bPacked = g.b.dtype == dtypes.BFloat16 || !long || g.m > 128 || !slices.Contains(g.bOK, true)
	switch {
	case g.aPacked && g.bPacked:
		g.runs = []run{{0, g.k, 0, 0}}
	case g.aPacked:
		g.runs = bRuns
	case g.bPacked:
		g.runs = aRuns
	default:
		if g.runs, long = runsOf(g.aDepth, g.bDepth); !long {
			g.bPacked, g.runs = true, aRuns
		}
	}
}

// divide cuts C into at least so many blocks, if they are large enough, and returns their number.
func (g *gemm) divide(least int) int {
	mr, nr := g.kernel.rows, g.kernel.cols
	g.rows, g.cols = min(roundUp(g.m, mr), 512/mr*mr), min(roundUp(g.n, nr), 256)
	const small = 2e6 // multiply-adds that are worth a goroutine
	for {
		g.mb, g.nb = ceilDiv(g.m, g.rows), ceilDiv(g.n, g.cols)
		blocks := len(g.aBatch) * g.mb * g.nb
		if blocks >= least || float64(g.rows)*float64(g.cols)*float64(g.k) < 2*small {
			return blocks
		}
		if g.pairs && g.rows > 4*mr && g.keeps() { // every block of columns would round A again
			g.rows = roundUp(g.rows/2, mr)
		} else if g.cols > 2*nr && g.cols*2 >= g.rows {
			g.cols = roundUp(g.cols/2, nr)
		} else if g.rows > 4*mr {
			g.rows = roundUp(g.rows/2, mr)
		} else if g.cols > nr {
			g.cols = roundUp(g.cols/2, nr)
		} else {
			return blocks
		}
	}
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
func ceilDiv(n, by int) int { return (n + by - 1) / by }

// uniformTiles reports for every tile of size entries whether it is full and its offsets advance by one step (which must
// be want, unless want is 0).
func uniformTiles(offsets []int, size, want int) []bool {
	ok := make([]bool, ceilDiv(len(offsets), size))
	for t := range ok {
		if (t+1)*size > len(offsets) {
			continue
		}
		tile := offsets[t*size : (t+1)*size]
		step := tile[1] - tile[0]
		ok[t] = want == 0 || step == want
		for i := 1; i < size && ok[t]; i++ {
			ok[t] = tile[i]-tile[i-1] == step
		}
	}
	return ok
}

// runsOf cuts p into runs in which both tables (either may be nil) advance uniformly, and reports whether the runs are
// long enough for reading in place.
func runsOf(a, b []int) (runs []run, long bool) {
	n := max(len(a), len(b))
	step := func(t []int, i int) int {
		if t == nil || i+1 >= n {
			return 0
		}
		return t[i+1] - t[i]
	}
	for from := 0; from < n; {
		r := run{from, from + 1, step(a, from), step(b, from)}
		for r.to < n && (a == nil || a[r.to]-a[r.to-1] == r.aStep) && (b == nil || b[r.to]-b[r.to-1] == r.bStep) {
			r.to++
		}
		if r.to == r.from+1 && n > 1 {
			r.aStep, r.bStep = 1, 1
		}
		runs = append(runs, r)
		from = r.to
	}
	return runs, len(runs) > 0 && n/len(runs) >= min(8, n)
}

// scratch is the memory of one block for packed operands.
type scratch struct {
	a, b, c []float32
	wide    []float32 // 8 columns of B, converted to f32 or bf16, and a row of Rows; or two terms of all columns
}

func (g *gemm) wideFloats() int {
	if g.asIntegers {
		return 8 * (g.terms/4 + 2*g.terms/16)
	}
	return max(10*g.terms, 2*g.cols)
}

// scratchFloats returns the sizes of a, b and c of a scratch, and of all of it.
func (g *gemm) scratchFloats() (a, b, c, all int) {
	a, b, c = g.kernel.rows*g.terms, g.terms*g.cols, g.kernel.rows*g.kernel.cols
	if g.asIntegers {
		a, b = 0, g.cols/g.kernel.cols*g.panelFloats()
	}
	return a, b, c, a + b + c + g.wideFloats()
}

// tools takes a toolbox and the scratch of a block from it.
func (g *gemm) tools(m *memory) (*toolbox, scratch) {
	a, b, c, all := g.scratchFloats()
	if g.epilogue != nil {
		all += g.epilogue.floats(g)
	}
	tools := m.toolbox(all)
	return tools, scratch{tools.take(a), tools.take(b), tools.take(c), tools.take(g.wideFloats())}
}

// run computes the product.
func (g *gemm) run(x *execution) error {
	if len(g.aBatch)*g.m*g.n == 0 {
		return nil
	}
	if g.stored != nil && x.rows(g.b) != nil {
		g = g.stored
	}
	if g.few {
		g.runFew(x)
		return nil
	}
	if g.ahead != nil {
		g.runAhead(x)
		return nil
	}
	packed := g.packed(x)
	a := slice[float32](x, g.a, 0)
	var c []float32
	if g.epilogue == nil {
		c = slice[float32](x, g.c, 0)
	}
	blocks := len(g.aBatch) * g.mb * g.nb
	if g.parts > 1 {
		return g.runParts(x, a, c, packed)
	}
	m := x.program.backend.memory
	group := max(1, int(1e6/(float64(min(g.rows, g.m))*float64(min(g.cols, g.n))*float64(g.k))))
	x.parallel(ceilDiv(blocks, group), func(item int) {
		tools, s := g.tools(m)
		if g.epilogue != nil {
			g.epilogue.begin(x, g, tools)
		}
		for i := item * group; i < min((item+1)*group, blocks); i++ {
			t := block{gemm: g, a: a, c: c, packed: packed, cRow: g.cRow, s: s, k1: g.k}
			t.readB(x)
			t.locate(i)
			if g.epilogue != nil {
				g.epilogue.compute(x, &tools.registers, &t)
				continue
			}
			t.compute()
		}
		tools.registers.forget()
		m.release(tools)
	})
	return nil
}

// runParts computes a deep product: every part of k into an own copy of C, then the sum of the copies in order.
func (g *gemm) runParts(x *execution, a, c, packed []float32) error {
	size := g.m * g.n
	partial := slice[float32](x, g.splitScratch, 0)
	m := x.program.backend.memory
	blocks := len(g.aBatch) * g.mb * g.nb
	x.parallel(blocks*g.parts, func(item int) {
		tools, s := g.tools(m)
		part := item % g.parts
		t := block{gemm: g, a: a, packed: packed, cRow: g.partRow, s: s, k0: min(part*g.partTerms, g.k), k1: min((part+1)*g.partTerms, g.k)}
		t.readB(x)
		t.locate(item / g.parts)
		t.c, t.cOff = partial[(t.batch*g.parts+part)*size:][:size], 0
		t.compute()
		m.release(tools)
	})
	x.parallel(len(g.aBatch)*g.m, func(item int) {
		batch, i := item/g.m, item%g.m
		row := c[g.cBatch[batch]+g.cRow[i]:][:g.n]
		copy(row, partial[batch*g.parts*size+i*g.n:])
		for part := 1; part < g.parts; part++ {
			for j, v := range partial[(batch*g.parts+part)*size+i*g.n:][:g.n] {
				row[j] += v
			}
		}
	})
	if g.padding != nil {
		x.parallel(blocks, func(item int) {
			t := block{gemm: g, a: a, c: c, cRow: g.cRow}
			t.readB(x)
			t.locate(item)
			t.leaveOutPadding()
		})
	}
	return nil
}
