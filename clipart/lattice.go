package clipart

import "math"

// lattice is the number of cells per side of a sampled scene; the square of an object covers whole
// cells. At 128×128 pixels a cell is 16 pixels, one token of the embedded model, so a drawing of
// one size has the same latents wherever it is.
const lattice = 8

// latticeSize is the side of whole cells closest to a side, at least one cell.
func latticeSize(side float64) float64 { return max(1, math.Round(side*lattice)) / lattice }

// snap moves an object's square to its closest place on the lattice inside the frame.
func (p *Placement) snap() {
	p.Size = latticeSize(p.Size)
	p.X, p.Y = onLattice(p.X, p.Size), onLattice(p.Y, p.Size)
}

// onLattice is the closest center to c, along one axis, of a square of whole cells. The places are
// as many as fit side by side, and the first and last touch the frame. Two squares of one size
// therefore share all of their cells or none: a generator that is unsure where to put an object
// must not put half of it in each place.
func onLattice(c, size float64) float64 {
	free := (1 - size) * lattice
	gaps := math.Floor(1/size+1e-9) - 1
	if gaps < 1 {
		return math.Floor(free/2)/lattice + size/2
	}
	step := math.Floor(free / gaps)
	nearest := min(max(math.Round((c-size/2)*lattice/step), 0), gaps)
	return nearest*step/lattice + size/2
}
