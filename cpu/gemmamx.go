package cpu

import "unsafe"

// Products of pairs on processors with AMX: see gemmpairs.go for their operands, which are the same. A tile of the result has up
// to 32 rows and 32 columns; at the edges the kernel's own tiles are as small as what is left. One call computes many of them.
//
// Terms are summed in steps of 32, counted from the beginning of a chunk. A step sums its even terms and its odd ones, and adds
// both to the element. So the bytes of an element depend on its terms alone, but are others than those of AVX512-BF16.

// amxKernel is the micro-kernel for pairs: see [amxTiles] for its calls.
var amxKernel = tileKernel{rows: 32, cols: 32, strips: true, amx: true}

const (
	amxRows = 16 // rows of a tile of the processor
	amxWord = 16 // words of a row of such a tile: 64 bytes
)

// amxTiles are the operands of the kernel: tiles of the result, one after the other. Strides are in bytes.
type amxTiles struct {
	config              [64]byte // of the processor's tiles
	tiles               int
	rows, cols          int // of a tile of the result
	steps               int // of terms
	acc                 int // the result is added to
	a, b, c             *float32
	aRow, bRow, cRow    int
	bStep               int // from the terms of a step to those of the next
	aNext, bNext, cNext int // from the end of a tile's terms to the next tile's
}

// multiply computes tiles of the result. From one to the next A, B and C advance by the given bytes. A row of A has so many words.
func (p *amxTiles) multiply(words, aTile, bTile, cTile int) {
	p.cNext = cTile
	if steps := words / amxWord; steps > 0 {
		p.run(steps, amxWord, aTile, bTile)
		p.acc, words = 1, words%amxWord
		if words == 0 {
			return
		}
		p.a = (*float32)(unsafe.Add(unsafe.Pointer(p.a), 4*amxWord*steps))
		p.b = (*float32)(unsafe.Add(unsafe.Pointer(p.b), amxWord*p.bRow*steps))
	}
	p.run(1, words, aTile, bTile)
}

// run runs the kernel on steps of so many words.
func (p *amxTiles) run(steps, words, aTile, bTile int) {
	p.steps, p.bStep = steps, amxWord*p.bRow
	p.aNext, p.bNext = aTile-4*amxWord*steps, bTile-p.bStep*steps
	p.configure(words)
	tileAMX(p)
}

// configure sets the sizes of the processor's tiles: see kernel_amx_amd64.s.
func (p *amxTiles) configure(words int) {
	p.config = [64]byte{1}
	set := func(tile, rows, words int) {
		if rows > 0 && words > 0 {
			p.config[16+2*tile], p.config[48+tile] = byte(4*words), byte(rows)
		}
	}
	upper, left := min(p.rows, amxRows), min(p.cols, amxWord)
	lower, right := p.rows-upper, p.cols-left
	set(0, upper, left)
	set(1, upper, right)
	set(2, lower, left)
	set(3, lower, right)
	set(4, upper, words)
	set(5, lower, words)
	set(6, words, left)
	set(7, words, right)
}

// amxColumns multiplies rows i … i+rows of A with all panels of the block.
func (t *block) amxColumns(i, rows int, packed bool) {
	width := t.kernel.cols
	for j, tiles := t.n0, 0; j < t.n1; j += tiles * width {
		p := t.amxTile(i, rows, j)
		tiles = max(1, min((t.n1-j)/width, tilesACall))
		p.tiles = tiles
		t.amxTerms(&p, i, j, packed, 4*width*t.terms, 4*width)
	}
}

// amxTerms multiplies with the terms of the current chunk, whose A is packed or, if it is bf16, in place.
func (t *block) amxTerms(p *amxTiles, i, j int, packed bool, bTile, cTile int) {
	if packed {
		p.a, p.aRow = &t.s.a[0], 4*t.terms
		p.multiply(words(t.length), 0, bTile, cTile)
		return
	}
	panel := t.s.b[(j-t.n0)*t.terms:]
	base := t.aOff + t.aRow[i]
	for _, r := range t.pairRuns {
		from, to := max(r.from, t.first), min(r.to, t.first+t.length)
		if from >= to {
			continue
		}
		p.a, p.aRow = (*float32)(unsafe.Pointer(&t.aHalf[base+t.aDepth[from]])), 2*(t.aRow[i+1]-t.aRow[i])
		p.b = &panel[(from-t.first)/2*t.panelWidth(j)]
		p.multiply((to-from)/2, 0, bTile, cTile)
	}
}

// amxPass multiplies the panel at j with all rows of the block, whose tiles tile returns.
func (t *block) amxPass(j int, tile func(i int) []float32) {
	mr := t.kernel.rows
	for i, tiles := t.m0, 0; i < t.m1; i += tiles * mr {
		p := t.amxTile(i, min(mr, t.m1-i), j)
		tiles = max(1, min((t.m1-i)/mr, tilesACall))
		p.tiles, p.a, p.aRow = tiles, &tile(i)[0], 4*t.terms
		p.multiply(words(t.length), 4*t.tileFloats(), 0, p.cRow*mr)
	}
}

// amxTile begins a tile: rows i … i+rows and the panel at j.
func (t *block) amxTile(i, rows, j int) amxTiles {
	p := amxTiles{rows: rows, cols: min(t.kernel.cols, t.n1-j), b: &t.s.b[(j-t.n0)*t.terms], bRow: 4 * t.panelWidth(j)}
	p.c = &t.c[t.cOff+t.cRow[i]+j]
	if len(t.cRow) > 1 {
		p.cRow = 4 * (t.cRow[1] - t.cRow[0])
	}
	if t.first > t.k0 {
		p.acc = 1
	}
	return p
}

// amxFits reports whether the kernel can store the result: its rows are evenly apart.
func (g *gemm) amxFits() bool { return len(g.cRow) < 2 || uniform(g.cRow, g.cRow[1]-g.cRow[0]) }

// amxInPlace reports whether A of bf16 is read in place: every run of terms is whole steps, so that sums are taken as those of
// rows that are copied.
func (g *gemm) amxInPlace() bool {
	for _, r := range g.pairRuns {
		if r.from%(2*amxWord) != 0 || r.to%(2*amxWord) != 0 {
			return false
		}
	}
	return true
}
