package template

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
)

// sides are the sides of objects' squares, as fractions of an image's shorter side. Scenes
// of package clipart have 3, 2 and 1 eighths.
var sides = [...]float64{3.0 / 8, 2.5 / 8, 2.0 / 8, 1.0 / 8}

// squaresApart is the number of squares that fit side by side if they start as far apart as
// those that are compared.
const squaresApart = 32

// minStrength is the least root mean square of the difference, of 255, in a square that is
// compared.
const minStrength = 6

// match is a drawing in a color, compared with a square of an image.
type match struct {
	drawing  *drawing
	look     *look
	likeness float64
	opacity  float64
}

// place is a square of an image with the drawings that are most alike, best first.
type place struct {
	x, y, side float64 // pixels
	matches    []match
}

// keepMatches is how many drawings of a place are compared on the finer grid.
const keepMatches = 4

// coarseLikeness is the least likeness on the first grid of what is compared on the finer.
const coarseLikeness = 0.35

func (p place) best() match { return p.matches[0] }

// box is the box of a match at the place, in fractions of the image's sides.
func (p place) box(d *difference, m match) [4]float64 {
	b := m.drawing.box
	w, h := float64(d.width), float64(d.height)
	clip := func(v float64) float64 { return min(1, max(0, v)) }
	return [4]float64{clip((p.x + b[0]*p.side) / w), clip((p.y + b[1]*p.side) / h), clip((p.x + b[2]*p.side) / w), clip((p.y + b[3]*p.side) / h)}
}

// search compares the drawings with the squares of an image.
func search(ctx context.Context, d *difference, drawings []drawing) []place {
	var found []place
	seen := newWindow(grid)
	for _, fraction := range sides {
		side := fraction * float64(min(d.width, d.height))
		apart := float64(min(d.width, d.height)) / squaresApart
		for y := 0.0; y+side <= float64(d.height)+1e-6; y += apart {
			for x := 0.0; x+side <= float64(d.width)+1e-6 && ctx.Err() == nil; x += apart {
				d.window(x, y, side, grid, seen)
				if seen.measure() < minStrength {
					continue
				}
				p := place{x: x, y: y, side: side}
				for _, i := range seen.shapes(drawings) {
					p.add(compare(seen, &drawings[i], d.background))
				}
				if len(p.matches) > 0 {
					found = append(found, p)
				}
			}
		}
	}
	return found
}

// keepShapes is how many drawings of a place are compared in color.
const keepShapes = 24

// shapes returns the drawings whose shapes are most like where the window differs from the
// background, by index.
func (w *window) shapes(drawings []drawing) []int {
	type shape struct {
		index    int
		likeness float64
	}
	var best []shape
	energies := w.rowEnergies()
	for i := range drawings {
		t := &drawings[i]
		agree, energy := dot(w.strength, t.alpha), 0.0
		for r, row := range t.nearRows {
			energy += float64(energies[r][row])
		}
		if energy == 0 {
			continue
		}
		s := shape{i, agree * agree / (energy * t.alphaSquares)}
		if len(best) == keepShapes && s.likeness < best[keepShapes-1].likeness {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, s, func(a, b shape) int { return cmp.Compare(b.likeness, a.likeness) })
		if at < keepShapes {
			best = slices.Insert(best, at, s)
			best = best[:min(len(best), keepShapes)]
		}
	}
	indices := make([]int, len(best))
	for i, s := range best {
		indices[i] = s.index
	}
	return indices
}

// rowEnergies are the sums of the squares of each row of cells, by the set of its cells that
// count, one bit each: eight sums instead of 64 for each of some hundred drawings.
func (w *window) rowEnergies() *[grid][1 << grid]float32 {
	sums := &w.rows
	for r := range sums {
		row := w.squares[r*grid:][:grid]
		for set := 1; set < len(sums[r]); set++ {
			lowest := bits.TrailingZeros8(uint8(set))
			sums[r][set] = sums[r][set&(set-1)] + row[lowest]
		}
	}
	return sums
}

// add keeps a match if it is one of the best.
func (p *place) add(m match) {
	if m.likeness < coarseLikeness {
		return
	}
	at, _ := slices.BinarySearchFunc(p.matches, m, func(a, b match) int { return cmp.Compare(b.likeness, a.likeness) })
	if at < keepMatches {
		p.matches = slices.Insert(p.matches, at, m)
		p.matches = p.matches[:min(len(p.matches), keepMatches)]
	}
}

// compare returns the color in which a drawing is most like a window.
func compare(seen *window, t *drawing, background [3]float32) match {
	best := match{drawing: t}
	energy := seen.gather(t)
	if energy == 0 {
		return best
	}
	// The drawing predicts paint - alpha·background.
	through, shade := 0.0, 0.0
	var toned [3][3]float64
	for k, b := range background {
		for j := range toned {
			toned[j][k] = dot(seen.here[k][:len(t.cells)], t.tones[j])
		}
		through += float64(b) * (toned[0][k] + toned[1][k] + toned[2][k])
		shade += float64(b) * float64(b) * t.alphaSquares
	}
	most := 0.0 // likeness of the best by the mix of tones
	for i := range t.looks {
		l := &t.looks[i]
		agree, power := -through, shade+l.squares
		if l.color == "" {
			agree += seen.agrees(l)
		}
		for j := range toned {
			agree += toned[j][0]*l.ramp[j][0] + toned[j][1]*l.ramp[j][1] + toned[j][2]*l.ramp[j][2]
		}
		for k, b := range background {
			power -= 2 * float64(b) * l.withAlpha[k]
		}
		if agree <= 0 || power <= 0 {
			continue
		}
		if likeness := agree * agree / (power * energy); likeness > most {
			most, best.look, best.opacity = likeness, l, power
		}
	}
	if best.look != nil {
		power := best.opacity
		agree := max(0, seen.agrees(best.look)-through)
		best.likeness, best.opacity = agree*agree/(power*energy), agree/power
	}
	return best
}

// agrees is the product of the gathered values with the paint of a look.
func (w *window) agrees(l *look) (sum float64) {
	for k, paint := range l.paint {
		sum += dot(paint, w.here[k])
	}
	return sum
}

// gather copies the values of a drawing's cells and returns the energy of those near it.
func (w *window) gather(t *drawing) (energy float64) {
	r, g, b := w.here[0][:len(t.cells)], w.here[1][:len(t.cells)], w.here[2][:len(t.cells)]
	for i, cell := range t.cells {
		r[i], g[i], b[i] = w.values[0][cell], w.values[1][cell], w.values[2][cell]
	}
	n := t.ring
	return dot(r[:n], r[:n]) + dot(g[:n], g[:n]) + dot(b[:n], b[:n])
}

func dot(a, b []float32) float64 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	i := 0
	for ; i+8 <= len(a); i += 8 {
		x, y := (*[8]float32)(a[i:]), (*[8]float32)(b[i:])
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return float64((s0+s4)+(s1+s5)) + float64((s2+s6)+(s3+s7))
}

// fine is the number of cells per side of the second comparison.
const fine = 24

// erased reports whether less is left at a place, after what was found near it, than the
// search compares.
func (p place) erased(d *difference, seen *window) bool {
	d.window(p.x, p.y, p.side, grid, seen)
	return seen.measure() < minStrength
}

// refine compares the best drawings of a place on a finer grid, at squares around it.
func (p place) refine(d *difference) (best match, at place, err error) {
	seen := newWindow(fine)
	cell := p.side / grid
	var drawings []*drawing
	for _, m := range p.matches {
		t, err := fineDrawing(m.drawing.which)
		if err != nil {
			return best, at, err
		}
		drawings = append(drawings, t)
	}
	for _, grow := range [...]float64{-1, 0, 1} {
		for dy := -1.0; dy <= 1; dy += 0.5 {
			for dx := -1.0; dx <= 1; dx += 0.5 {
				q := place{x: p.x + (dx-grow/2)*cell, y: p.y + (dy-grow/2)*cell, side: p.side + grow*cell}
				d.window(q.x, q.y, q.side, fine, seen)
				for _, t := range drawings {
					if m := compare(seen, t, d.background); m.likeness > best.likeness {
						best, at = m, q
					}
				}
			}
		}
	}
	return best, at, nil
}
