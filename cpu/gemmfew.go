package cpu

import "github.com/gomlx/compute/dtypes"

// mostFew is the largest number of rows of a product that is bound by reading B.
const mostFew = 4

// fewRows reports whether runFew can compute the product: it has few rows, and each column of B, such as a row of a
// weight [out, in], is contiguous.
func (g *gemm) fewRows() bool {
	return g.m <= mostFew && g.k >= 32 && g.padding == nil && g.kernel.strips && increasing(g.aDepth) && increasing(g.bDepth) && uniform(g.bCol, g.k)
}

// runFew computes every element as one sum over the terms, four columns at a time, reading B once and in order.
func (g *gemm) runFew(x *execution) {
	per := max(4, bytesPerItem/g.k/4*4) // columns of an item
	items := ceilDiv(g.n, per)
	m, source := x.program.backend.memory, x.rows(g.b)
	x.parallel(len(g.aBatch)*items, func(item int) {
		var wide []float32
		if source != nil {
			tools := m.toolbox(4 * g.k)
			defer m.release(tools)
			wide = tools.take(4 * g.k)
		}
		batch, from := item/items, item%items*per
		for j := from; j < min(from+per, g.n); j += 4 {
			n := min(4, g.n-j)
			for r := range n * min(len(wide), 1) {
				g.readRow(source, wide[r*g.k:][:g.k], g.bBatch[batch]+g.bDepth[0]+g.bCol[j+r])
			}
			g.fewColumns(x, wide, batch, j, n)
		}
	})
}

// fewColumns computes n ≤ 4 columns from column j on for all rows. The columns are in wide if it is not nil.
func (g *gemm) fewColumns(x *execution, wide []float32, batch, j, n int) {
	a, c := slice[float32](x, g.a, g.aBatch[batch]+g.aDepth[0]), slice[float32](x, g.c, g.cBatch[batch])
	off := g.bBatch[batch] + g.bDepth[0] + g.bCol[j]
	main := g.k / 16 * 16
	at, step := 4, g.k
	if n < 4 { // one at a time, as four equal columns, which keeps the order of the sums
		at, step = 1, 0
	}
	var sums [32]float32
	for i, o := range g.aRow {
		row, to := a[o:][:g.k], c[g.cRow[i]+j:][:n]
		for q := 0; q < n; q += at {
			if g.b.dtype == dtypes.BFloat16 {
				b := slice[uint16](x, g.b, off+q*g.k)[:at*g.k]
				dot4BF16(main/16, &row[0], &b[0], 2*step, &sums[0])
				for r := range at {
					to[q+r] = few(sums[8*r:][:8], row[main:], b[r*g.k+main:], widen)
				}
				continue
			}
			b := wide
			if wide == nil {
				b = slice[float32](x, g.b, off)
			}
			b = b[q*g.k:][:at*g.k]
			dot4(main/16, &row[0], &b[0], 4*step, &sums[0])
			for r := range at {
				to[q+r] = few(sums[8*r:][:8], row[main:], b[r*g.k+main:], func(v float32) float32 { return v })
			}
		}
	}
}

// few adds the partial sums of a column in order, and the terms that they do not cover.
func few[T any](sums, row []float32, col []T, wide func(T) float32) float32 {
	var sum float32
	for _, v := range sums {
		sum += v
	}
	for p, v := range row {
		sum += v * wide(col[p])
	}
	return sum
}
