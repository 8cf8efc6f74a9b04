package cpu

import (
	"unsafe"

	"github.com/gomlx/compute/dtypes"
)

// A product of pairs computes in bf16: the elements of A and B are rounded to bf16, where they are not stored so, and the
// sums are f32. Its operands are packed as words of two neighbouring terms, which one instruction multiplies and adds. A
// last term without a neighbour gets one that is zero.
//
// Every element of C is summed pair by pair in the order of the terms, so its bytes do not depend on the number of
// threads. The instructions take subnormal numbers as zero.

// shortestPairRun is the least mean length of runs of contiguous terms of A that are worth rounding together.
const shortestPairRun = 16

// choosePrecision makes the product one of pairs, and one of integers if B turns out to be [Quantized], where that is the
// precision, and the terms of A are contiguous, as those of activations and images with channels last are.
func (g *gemm) choosePrecision(b *Backend) {
	if g.m <= mostFew || g.k < shortestPairRun || !b.pairs && b.integers == nil || !g.alongTerms() {
		return
	}
	if g.b.kind == inInput && g.b.width > 0 && len(g.aBatch) == 1 && g.padding == nil {
		g.integers = b.integers
	}
	if b.pairs {
		g.pairs, g.kernel = true, pairKernel
		if b.level == amx && g.amxFits() {
			g.kernel = amxKernel
		}
	}
}

// halvesFit reports whether the padded copy of the image x, which is A, can be of bf16: the product is one of pairs, every
// run of terms consists of whole pairs, and the copy reads runs of channels.
func (g *gemm) halvesFit(b *Backend, x *tensor) bool {
	g.choosePrecision(b)
	if !g.pairs || x.s.dtype != dtypes.Float32 || x.strides[len(x.strides)-1] != 1 || x.dims[len(x.dims)-1] < 2 {
		return false
	}
	for _, r := range g.pairRuns {
		if r.from%2 == 1 || r.to%2 == 1 {
			return false
		}
	}
	return true
}

// words returns the number of words that hold n terms.
func words(n int) int { return (n + 1) / 2 }

// halves returns the memory of words as numbers of bf16.
func halves(v []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(v))), 2*len(v))
}

// packPairs copies the columns of the panel at j into dst, the words of one pair of terms side by side; missing columns
// are zero.
func (t *block) packPairs(dst []float32, j int) {
	width := t.panelWidth(j)
	n := min(width, t.n1-j)
	dst = dst[:width*words(t.length)]
	if n < width || t.length%2 == 1 {
		clear(dst)
	}
	cols := t.bCol[j : j+n]
	terms := t.bDepth[t.first : t.first+t.length]
	switch {
	case !increasing(cols) || increasing(terms):
		for q := 0; q < n; q += 8 {
			t.transposePairs(dst[q:], width, terms, cols[q:min(q+8, n)])
		}
	case n%16 == 0 && t.narrow == nil:
		for p := 0; p+1 < t.length; p += 2 {
			zip16(&dst[p/2*width], &t.b[t.bOff+terms[p]+cols[0]], &t.b[t.bOff+terms[p+1]+cols[0]], n/16)
		}
		if p := t.length - 1; p%2 == 0 {
			t.gatherPairs(halves(dst), width, cols, terms, p)
		}
	default:
		t.gatherPairs(halves(dst), width, cols, terms, 0)
	}
}

// gatherPairs copies the terms from number from on, one by one.
func (t *block) gatherPairs(dst []uint16, width int, cols, terms []int, from int) {
	for p := from; p < len(terms); p++ {
		row, base := dst[p/2*2*width+p%2:], t.bOff+terms[p]
		for q, o := range cols {
			if t.narrow != nil {
				row[2*q] = t.narrow[base+o]
			} else {
				row[2*q] = nearest(t.b[base+o])
			}
		}
	}
}

// transposePairs packs up to 8 columns. It reads them in place if their terms are contiguous.
func (t *block) transposePairs(dst []float32, width int, terms, cols []int) {
	src, step := t.narrow, 0
	if len(cols) > 1 {
		step = cols[1] - cols[0]
	}
	if contiguous := increasing(terms); contiguous && src != nil && uniform(cols, step) && step >= 0 {
		src = src[t.bOff+terms[0]+cols[0]:]
	} else { // side by side in the scratch
		step = 2 * words(t.length)
		src = halves(t.s.wide)
		for q, o := range cols {
			if contiguous {
				t.loadTerms(src[q*step:][:t.length], t.bOff+terms[0]+o)
			} else {
				t.collectTerms(src[q*step:][:t.length], t.bOff+o, terms)
			}
		}
	}
	whole := 0
	if len(cols) == 8 {
		whole = t.length / 16 * 16
		_ = src[7*step+t.length-1]
		transpose8(&dst[0], 4*width, (*float32)(unsafe.Pointer(&src[0])), 2*step, whole/16)
	}
	to := halves(dst)
	for q := range cols {
		for p, v := range src[q*step+whole:][:t.length-whole] {
			p += whole
			to[2*(p/2*width+q)+p%2] = v
		}
	}
}

// loadTerms copies contiguous elements of B, rounded to bf16.
func (t *block) loadTerms(dst []uint16, offset int) {
	switch {
	case t.narrow != nil:
		copy(dst, t.narrow[offset:])
		return
	case t.source != nil:
		row := t.s.wide[8*t.terms:][:len(dst)]
		t.readRow(t.source, row, offset)
		roundTo(dst, row)
		return
	}
	roundTo(dst, t.b[offset:])
}

// collectTerms is loadTerms for terms that lie apart.
func (t *block) collectTerms(dst []uint16, base int, terms []int) {
	if t.narrow != nil {
		for p, o := range terms {
			dst[p] = t.narrow[base+o]
		}
		return
	}
	row := t.s.wide[8*t.terms:][:len(dst)]
	for p, o := range terms {
		row[p] = t.b[base+o]
	}
	roundTo(dst, row)
}

// roundTo rounds len(dst) elements to bf16.
func roundTo(dst []uint16, src []float32) {
	whole := len(dst) / 16 * 16
	src = src[:len(dst)]
	if whole > 0 {
		narrow16(&dst[0], &src[0], whole/16)
	}
	for p := whole; p < len(dst); p++ {
		dst[p] = nearest(src[p])
	}
}

// nearest rounds to bf16, ties to even, and subnormal numbers to zero, as the vector instruction does.
func nearest(x float32) uint16 {
	if x > -smallestNormal && x < smallestNormal {
		x = 0
	}
	return uint16(bfloatOf(x))
}

// copyHalves is roundRows for A of bf16.
func (t *block) copyHalves(i, rows int) {
	dst := halves(t.s.a)
	last := t.first + t.length
	for r := range t.kernel.rows {
		row := dst[r*2*t.terms:][:t.length]
		if r >= rows {
			clear(row)
			continue
		}
		base := t.aOff + t.aRow[i+r]
		for _, run := range t.pairRuns {
			if from, to := max(run.from, t.first), min(run.to, last); from < to {
				copy(row[from-t.first:to-t.first], t.aHalf[base+t.aDepth[from]:])
			}
		}
	}
}

// tileHalves runs the kernel on A of bf16 in place, over the runs of the current chunk of terms.
func (t *block) tileHalves(i, j, width int, c *float32, ldc, acc int) {
	kernel, panel := t.kernel.tile, t.s.b[(j-t.n0)*t.terms:]
	if width < t.kernel.cols {
		kernel = t.kernel.half
	}
	base, step := t.aOff+t.aRow[i], 2*(t.aRow[i+1]-t.aRow[i])
	for _, r := range t.pairRuns {
		from, to := max(r.from, t.first), min(r.to, t.first+t.length)
		if from >= to {
			continue
		}
		a := (*float32)(unsafe.Pointer(&t.aHalf[base+t.aDepth[from]]))
		kernel((to-from)/2, a, step, 4, &panel[(from-t.first)/2*width], 4*width, c, ldc, acc)
		acc = 1
	}
}

// roundRows rounds rows i … i+rows of A to bf16 in the scratch, a row after the other; missing rows are zero.
func (t *block) roundRows(i, rows int) {
	dst := halves(t.s.a)
	last := t.first + t.length
	for r := range t.kernel.rows {
		row := dst[r*2*t.terms:][:2*words(t.length)]
		if r >= rows {
			clear(row)
			continue
		}
		row[len(row)-1] = 0 // the neighbour of a last term without one
		base := t.aOff + t.aRow[i+r]
		for _, run := range t.pairRuns {
			if from, to := max(run.from, t.first), min(run.to, last); from < to {
				roundTo(row[from-t.first:to-t.first], t.a[base+t.aDepth[from]:])
			}
		}
	}
}
