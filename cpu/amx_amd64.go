package cpu

import (
	"errors"
	"log/slog"
	"sync"
)

// askForTiles asks the system for permission to use tiles. Tests replace it.
var askForTiles = requestTiles

// amxUsable reports why AMX cannot be used. The first call asks for permission and multiplies a known product.
var amxUsable = sync.OnceValue(func() error { return tryAMX(askForTiles, (*amxTiles).multiply) })

// errAMXWrong is what a processor or hypervisor with a defect gets.
var errAMXWrong = errors.New("it multiplied a known product wrongly")

// tryAMX asks for permission, and multiplies small integers with the kernel, whose sums are exact in any order: all four tiles,
// whole steps of terms and a rest, sums that begin and that are added to, more than one tile.
func tryAMX(ask func() error, multiply func(p *amxTiles, words, aTile, bTile, cTile int)) error {
	if err := ask(); err != nil {
		return err
	}
	const rows, cols, words, tiles, ldc = 21, 27, 39, 2, 32
	value := func(i int) float32 { return float32(i*7%23 - 11) }
	a, b := make([]float32, tiles*rows*words), make([]float32, words*ldc)
	ha, hb := halves(a), halves(b)
	for i := range ha {
		ha[i] = nearest(value(i))
	}
	for i := range hb {
		hb[i] = nearest(value(i + 5))
	}
	c := make([]float32, tiles*rows*ldc)
	for i := range c {
		c[i] = 1
	}
	p := amxTiles{tiles: tiles, rows: rows, cols: cols, a: &a[0], b: &b[0], c: &c[0], aRow: 4 * words, bRow: 4 * ldc, cRow: 4 * ldc}
	for p.acc = range 2 { // the second adds the product again
		p.a, p.b = &a[0], &b[0]
		multiply(&p, words, 4*rows*words, 0, 4*rows*ldc)
	}
	for i := range tiles * rows {
		for j := range ldc {
			want := float32(1) // beyond the columns
			if j < cols {
				want = 0
				for w := range words {
					want += 2 * (widen(ha[2*(i*words+w)])*widen(hb[2*(w*ldc+j)]) + widen(ha[2*(i*words+w)+1])*widen(hb[2*(w*ldc+j)+1]))
				}
			}
			if c[i*ldc+j] != want {
				slog.Warn("cpu: AMX is not used: " + errAMXWrong.Error())
				return errAMXWrong
			}
		}
	}
	return nil
}
