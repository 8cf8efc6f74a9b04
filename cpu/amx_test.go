package cpu

import (
	"math"
	"unsafe"
)

// multiplyPlainly does what [amxTiles.multiply] does, bit for bit: with the sums of Intel's pseudo code for TDPBF16PS.
func multiplyPlainly(p *amxTiles, words, aTile, bTile, cTile int) {
	for tile := range p.tiles {
		for i := range p.rows {
			for j := range p.cols {
				c := (*float32)(unsafe.Add(unsafe.Pointer(p.c), tile*cTile+i*p.cRow+4*j))
				sum := *c
				if p.acc == 0 {
					sum = 0
				}
				for first := 0; first < words; first += amxWord {
					var even, odd float32
					for w := first; w < min(first+amxWord, words); w++ {
						a := (*[2]uint16)(unsafe.Add(unsafe.Pointer(p.a), tile*aTile+i*p.aRow+4*w))
						b := (*[2]uint16)(unsafe.Add(unsafe.Pointer(p.b), tile*bTile+w*p.bRow+4*j))
						even, odd = fusedFlushed(a[0], b[0], even), fusedFlushed(a[1], b[1], odd)
					}
					sum = flushed(flushed(sum) + flushed(even+odd))
				}
				*c = sum
			}
		}
	}
}

// flushed is x, or zero if x is subnormal.
func flushed(x float32) float32 {
	if x > -smallestNormal && x < smallestNormal {
		return float32(math.Copysign(0, float64(x)))
	}
	return x
}

// fusedFlushed is a·b + c with one rounding, where subnormal numbers are zero.
func fusedFlushed(a, b uint16, c float32) float32 {
	x, y := float64(flushed(widen(a)))*float64(flushed(widen(b))), float64(c)
	sum := x + y
	back := sum - x
	if lost := (x - (sum - back)) + (y - back); lost != 0 && math.Float64bits(sum)&1 == 0 { // round to odd, so that the next rounding is right
		sum = math.Nextafter(sum, math.Copysign(math.Inf(1), lost))
	}
	return flushed(float32(sum))
}
