package clipart

import "math"

// lattice is how many cells a side of a sampled scene has: an object's square
// covers whole cells. At 128×128 a cell is 16 pixels, one token of the embedded
// model, so that a drawing of a size gives the same latents wherever it stands.
const lattice = 8

// latticeSize is the side of whole cells closest to a side, at least one cell.
func latticeSize(side float64) float64 { return max(1, math.Round(side*lattice)) / lattice }

// snap brings an object's square to its closest place inside the frame.
func (p *Placement) snap() {
	p.Size = latticeSize(p.Size)
	p.X, p.Y = onLattice(p.X, p.Size), onLattice(p.Y, p.Size)
}

// onLattice is the closest centre to c, along one axis, of a square of whole cells.
// Of as many places as fit side by side the first and the last touch the frame, so
// that two squares of a size share all of their cells or none: a generator that is
// not sure where to put an object must not draw it half here and half there.
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
