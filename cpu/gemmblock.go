package cpu

import "github.com/gomlx/compute/dtypes"

// block is the part of a product that one worker computes: rows m0 … m1, columns n0 … n1 and the terms k0 … k1 of
// one batch entry.
type block struct {
	*gemm
	a, b, c                 []float32
	aHalf                   []uint16  // A if it is bf16
	narrow                  []uint16  // B if it is bf16
	source                  Rows      // B if it is stored so
	quants                  Quantized // B if it is multiplied as integers
	form                    Integers  // of quants
	packed                  []float32 // B packed as a whole, or nil
	cRow                    []int
	s                       scratch
	batch, aOff, bOff, cOff int
	m0, m1, n0, n1, k0, k1  int
	first, length           int // of the current chunk of terms
}

func (t *block) readB(x *execution) {
	if t.gemm.a.dtype == dtypes.BFloat16 {
		t.a, t.aHalf = nil, slice[uint16](x, t.gemm.a, 0)
	}
	if t.source = x.rows(t.gemm.b); t.source != nil {
		return
	}
	if t.gemm.b.dtype == dtypes.BFloat16 {
		t.narrow = slice[uint16](x, t.gemm.b, 0)
		return
	}
	t.b = slice[float32](x, t.gemm.b, 0)
}

// locate sets the block by its number.
func (t *block) locate(i int) {
	t.batch = i / (t.mb * t.nb)
	i %= t.mb * t.nb
	t.aOff, t.bOff, t.cOff = t.aBatch[t.batch], t.bBatch[t.batch], t.cBatch[t.batch]
	t.m0, t.n0 = i/t.nb*t.rows, i%t.nb*t.cols
	t.m1, t.n1 = min(t.m0+t.rows, t.m), min(t.n0+t.cols, t.n)
}

// compute runs over the terms in chunks of depth, over tiles of rows, and over panels of columns.
func (t *block) compute() {
	if t.k0 >= t.k1 {
		for i := t.m0; i < t.m1; i++ {
			clear(t.c[t.cOff+t.cRow[i]+t.n0:][:t.n1-t.n0])
		}
		return
	}
	for t.first = t.k0; t.first < t.k1; t.first += t.chunk {
		t.length = min(t.chunk, t.k1-t.first)
		t.packPanels()
		if t.ahead != nil {
			t.passRows()
			continue
		}
		for i := t.m0; i < t.m1; i += t.kernel.rows {
			t.rowTile(i)
		}
	}
	if t.padding != nil && t.parts == 1 {
		t.leaveOutPadding()
	}
}

// panelWidth returns the columns that the kernel computes for the panel at j.
func (t *block) panelWidth(j int) int {
	if (t.kernel.half != nil || t.kernel.amx) && t.n1-j <= t.kernel.cols/2 {
		return t.kernel.cols / 2
	}
	return t.kernel.cols
}

// direct reports whether the panel at column j is read in place.
func (t *block) direct(j int) bool { return !t.bPacked && t.bOK[j/t.kernel.cols] }

func (t *block) packPanels() {
	if t.packed != nil {
		t.s.b = t.packed[t.wholePlace(t.batch, t.first)+t.n0*t.terms:]
		return
	}
	if t.source != nil && t.byTerm {
		t.packTerms()
		return
	}
	for j := t.n0; j < t.n1; j += t.kernel.cols {
		switch {
		case t.asIntegers:
			t.packInts(t.s.b[(j-t.n0)/t.kernel.cols*t.panelFloats():], j)
		case t.pairs:
			t.packPairs(t.s.b[(j-t.n0)*t.terms:], j)
		case !t.direct(j):
			t.packPanel(t.s.b[(j-t.n0)*t.terms:], j)
		}
	}
}

// rowTile computes one tile of rows for all panels.
func (t *block) rowTile(i int) {
	mr := t.kernel.rows
	rows := min(mr, t.m1-i)
	packed := t.aPacked || rows < mr || !t.aOK[i/mr]
	switch {
	case t.aHalf != nil:
		if packed = rows < mr || !t.aOK[i/mr] || t.kernel.amx && !t.amxInPlace(); packed {
			t.copyHalves(i, rows)
		}
	case t.pairs:
		packed = true
		t.roundRows(i, rows)
	case packed:
		t.packRows(i, rows)
	}
	t.rowPanels(i, rows, packed)
}

// rowPanels multiplies rows i … i+rows with all panels of the block.
func (t *block) rowPanels(i, rows int, packed bool) {
	if t.kernel.amx {
		t.amxColumns(i, rows, packed)
		return
	}
	for j := t.n0; j < t.n1; j += t.kernel.cols {
		t.panelTile(i, rows, j, packed)
	}
}

// panelTile computes one tile: rows i … i+rows and the panel at j.
func (t *block) panelTile(i, rows, j int, packed bool) {
	mr, accumulate := t.kernel.rows, 0
	if t.first > t.k0 {
		accumulate = 1
	}
	width := t.panelWidth(j)
	c, ldc := &t.s.c[0], 4*width
	whole := rows == mr && j+width <= t.n1
	if whole {
		step := t.cRow[i+1] - t.cRow[i]
		for r := 2; r < mr && whole; r++ {
			whole = t.cRow[i+r]-t.cRow[i+r-1] == step
		}
		if whole {
			c, ldc = &t.c[t.cOff+t.cRow[i]+j], 4*step
		}
	}
	if !whole && accumulate == 1 {
		t.moveEdge(i, rows, j, width, false)
	}
	t.tile(i, j, packed, width, c, ldc, accumulate)
	if !whole {
		t.moveEdge(i, rows, j, width, true)
	}
}

// tile runs the kernel over the runs of the current chunk of terms.
func (t *block) tile(i, j int, packed bool, width int, c *float32, ldc, acc int) {
	if t.asIntegers {
		t.intsTile(1, j, c, ldc, acc)
		return
	}
	if t.pairs && !packed {
		t.tileHalves(i, j, width, c, ldc, acc)
		return
	}
	kernel := t.kernel.tile
	if width < t.kernel.cols {
		kernel = t.kernel.half
	}
	if t.pairs {
		kernel(words(t.length), &t.s.a[0], 4*t.terms, 4, &t.s.b[(j-t.n0)*t.terms], 4*width, c, ldc, acc)
		return
	}
	direct := t.direct(j)
	panel := t.s.b
	if !direct {
		panel = panel[(j-t.n0)*t.terms:]
	}
	last := t.first + t.length
	for _, r := range t.runs {
		from, to := max(r.from, t.first), min(r.to, last)
		if from >= to {
			continue
		}
		var a *float32
		ars, acs := 4, 4*t.kernel.rows
		if packed {
			a = &t.s.a[(from-t.first)*t.kernel.rows]
		} else {
			base := t.aOff + t.aRow[i]
			a, ars, acs = &t.a[base+t.aDepth[from]], 4*(t.aRow[i+1]-t.aRow[i]), 4*r.aStep
		}
		b, bs := (*float32)(nil), 4*width
		if direct {
			b, bs = &t.b[t.bOff+t.bDepth[from]+t.bCol[j]], 4*r.bStep
		} else {
			b = &panel[(from-t.first)*width]
		}
		kernel(to-from, a, ars, acs, b, bs, c, ldc, acc)
		acc = 1
	}
}

// moveEdge moves a tile that reaches beyond C between C and the scratch, so that its sums are taken as those of other tiles.
func (t *block) moveEdge(i, rows, j, width int, store bool) {
	n := min(width, t.n1-j)
	for r := range rows {
		tile, c := t.s.c[r*width:][:n], t.c[t.cOff+t.cRow[i+r]+j:][:n]
		if store {
			copy(c, tile)
		} else {
			copy(tile, c)
		}
	}
}

// packRows copies rows i … i+rows of A into the scratch, the elements of one term side by side; missing rows are zero.
func (t *block) packRows(i, rows int) {
	mr := t.kernel.rows
	dst := t.s.a[:mr*t.length]
	if rows < mr {
		clear(dst)
	}
	depthOff := t.aDepth[t.first : t.first+t.length]
	base := t.aOff + t.aRow[i]
	if rows == mr && t.aOK[i/mr] {
		step := t.aRow[i+1] - t.aRow[i]
		if step == 1 {
			t.copyTerms(dst, t.a[base:], depthOff, mr, mr)
			return
		}
		if mr == 8 && t.kernel.strips && increasing(depthOff) {
			t.packStrips(dst, t.a[base+depthOff[0]:], step, mr)
			return
		}
	}
	for r := range rows {
		src := t.a[t.aOff+t.aRow[i+r]:]
		for p, d := range depthOff {
			dst[p*mr+r] = src[d]
		}
	}
}

// copyTerms copies n consecutive elements for every term to rows of width elements.
func (t *block) copyTerms(dst, src []float32, depthOff []int, n, width int) {
	if t.kernel.strips && (n == 8 || n == 16 || n == 32) {
		copyTerms8(&dst[0], 4*width, &src[0], &depthOff[0], len(depthOff), n/8)
		return
	}
	for p, d := range depthOff {
		row := src[d:][:n]
		for i, v := range row {
			dst[p*width+i] = v
		}
	}
}

// packStrips transposes 8 rows of t.length elements, step elements apart, into rows that are width apart.
func (t *block) packStrips(dst, src []float32, step, width int) {
	blocks := t.length / 8
	_ = src[7*step+t.length-1]
	if blocks > 0 {
		transpose8(&dst[0], 4*width, &src[0], 4*step, blocks)
	}
	for r := range 8 {
		for p := blocks * 8; p < t.length; p++ {
			dst[p*width+r] = src[r*step+p]
		}
	}
}

// packPanel copies the columns of the panel at j into dst, the elements of one term side by side; missing columns are
// zero.
func (t *block) packPanel(dst []float32, j int) {
	width := t.panelWidth(j)
	n := min(width, t.n1-j)
	cols := t.bCol[j : j+n]
	depthOff := t.bDepth[t.first : t.first+t.length]
	dst = dst[:width*t.length]
	if n < width {
		clear(dst)
	}
	switch {
	case t.narrow != nil:
		t.widenPanel(dst, cols, depthOff, width)
		return
	case t.source != nil:
		t.readPanel(dst, cols, depthOff, width)
		return
	}
	if increasing(cols) {
		t.copyTerms(dst, t.b[t.bOff+cols[0]:], depthOff, n, width)
		return
	}
	if t.kernel.strips && increasing(depthOff) {
		q := 0
		for ; q+8 <= n; q += 8 {
			step := cols[q+1] - cols[q]
			if !uniform(cols[q:q+8], step) || step < 0 {
				t.packColumns(dst[q:], depthOff, cols[q:q+8], width)
				continue
			}
			t.packStrips(dst[q:], t.b[t.bOff+depthOff[0]+cols[q]:], step, width)
		}
		t.packColumns(dst[q:], depthOff, cols[q:], width)
		return
	}
	for p, d := range depthOff {
		row, src := dst[p*width:][:n], t.b[t.bOff+d:]
		for q, o := range cols {
			row[q] = src[o]
		}
	}
}

// widenPanel is packPanel for bf16.
func (t *block) widenPanel(dst []float32, cols, depthOff []int, width int) {
	switch {
	case increasing(cols):
		for p, d := range depthOff {
			t.widen(dst[p*width:][:len(cols)], t.narrow[t.bOff+cols[0]+d:])
		}
	case increasing(depthOff):
		for q := 0; q < len(cols); q += 8 {
			rows := min(8, len(cols)-q)
			for r, o := range cols[q : q+rows] {
				t.widen(t.s.wide[r*t.length:][:t.length], t.narrow[t.bOff+depthOff[0]+o:])
			}
			if rows == 8 && t.kernel.strips {
				t.packStrips(dst[q:], t.s.wide, t.length, width)
				continue
			}
			for r := range rows {
				for p, v := range t.s.wide[r*t.length:][:t.length] {
					dst[p*width+q+r] = v
				}
			}
		}
	default:
		for p, d := range depthOff {
			for q, o := range cols {
				dst[p*width+q] = widen(t.narrow[t.bOff+d+o])
			}
		}
	}
}

func (t *block) packColumns(dst []float32, depthOff, cols []int, width int) {
	for q, o := range cols {
		src := t.b[t.bOff+o:]
		for p, d := range depthOff {
			dst[p*width+q] = src[d]
		}
	}
}

func uniform(offsets []int, step int) bool {
	for i := 1; i < len(offsets); i++ {
		if offsets[i]-offsets[i-1] != step {
			return false
		}
	}
	return true
}

// increasing reports whether the offsets are of consecutive elements.
func increasing(offsets []int) bool { return uniform(offsets, 1) }
