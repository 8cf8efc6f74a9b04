package cpu

import (
	"unsafe"

	"github.com/gomlx/compute/dtypes"
)

// A product of pairs computes in bf16: the elements of A are rounded to bf16, those of B are bf16 already, and the sums
// are f32. Its operands are read as words of two neighbouring terms, which one instruction multiplies and adds. A last
// term without a neighbour gets one that is zero.
//
// Every element of C is summed pair by pair in the order of the terms, so its bytes do not depend on the number of
// threads. The instruction takes subnormal numbers as zero.

// pairKernel is the micro-kernel for pairs: k, the strides and the operands count words.
var pairKernel = tileKernel{8, 32, tilePairs, tilePairsHalf, true}

// pairable reports whether the product can be one of pairs: B is stored as bf16, and the terms of a row of A and of a
// column of B are contiguous, as those of activations and weights [out, in] are.
func (g *gemm) pairable() bool {
	return g.b.dtype == dtypes.BFloat16 && g.padding == nil && g.m > mostFew && g.k > 1 && increasing(g.aDepth) && increasing(g.bDepth)
}

// words returns the number of words that hold n terms.
func words(n int) int { return (n + 1) / 2 }

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
	first := t.bOff + t.bDepth[t.first]
	q := 0
	for ; q+8 <= n; q += 8 {
		step := cols[q+1] - cols[q]
		whole := t.length / 16 * 16
		if step < 0 || whole == 0 || !uniform(cols[q:q+8], step) {
			whole = 0
		} else {
			src := t.narrow[first+cols[q]:]
			_ = src[7*step+t.length-1]
			transpose8(&dst[q], 4*width, asWords(src), 2*step, whole/16)
		}
		t.packWords(dst[q:], width, cols[q:q+8], whole)
	}
	t.packWords(dst[q:], width, cols[q:], 0)
}

// packWords copies the terms of the chunk from the even number from on, column by column.
func (t *block) packWords(dst []float32, width int, cols []int, from int) {
	to := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(dst))), 2*len(dst))
	for q, o := range cols {
		for p, v := range t.narrow[t.bOff+t.bDepth[t.first]+o+from:][:t.length-from] {
			p += from
			to[2*(p/2*width+q)+p%2] = v
		}
	}
}

// asWords returns the address of the first element, as one of words. The kernels load from any address.
func asWords(v []uint16) *float32 { return (*float32)(unsafe.Pointer(&v[0])) }

// roundRows rounds rows i … i+rows of A to bf16 in the scratch, a row after the other; missing rows are zero.
func (t *block) roundRows(i, rows int) {
	stride := 2 * t.terms
	dst := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(t.s.a))), 2*len(t.s.a))
	for r := range t.kernel.rows {
		row := dst[r*stride:][:2*words(t.length)]
		if r >= rows {
			clear(row)
			continue
		}
		src := t.a[t.aOff+t.aRow[i+r]+t.aDepth[t.first]:][:t.length]
		whole := t.length / 16 * 16
		if whole > 0 {
			narrow16(&row[0], &src[0], whole/16)
		}
		for p := whole; p < t.length; p++ {
			row[p] = uint16(bfloatOf(flush(src[p])))
		}
		if t.length%2 == 1 {
			row[t.length] = 0
		}
	}
}

// flush returns x, or zero for a subnormal number, as the vector instruction does.
func flush(x float32) float32 {
	if x > -smallestNormal && x < smallestNormal {
		return 0
	}
	return x
}
