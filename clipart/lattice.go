package clipart

import "math"

// lattice is how many cells a side of a sampled scene has: an object's square
// covers whole cells. At 128×128 a cell is 16 pixels, one token of the embedded
// model, so that a drawing of a size gives the same latents wherever it stands.
const lattice = 8

// latticeSize is the side of whole cells closest to a side, at least one cell.
func latticeSize(side float64) float64 { return max(1, math.Round(side*lattice)) / lattice }

// snap brings an object's square to the closest cells inside the frame.
func (p *Placement) snap() {
	p.Size = latticeSize(p.Size)
	p.X, p.Y = onLattice(p.X, p.Size), onLattice(p.Y, p.Size)
}

// onLattice is the closest centre to c, along one axis, of a square of whole cells.
func onLattice(c, size float64) float64 {
	first := min(max(math.Round((c-size/2)*lattice), 0), (1-size)*lattice)
	return first/lattice + size/2
}
