package template

import (
	"fmt"
	"image"
	"sync"

	"reflectionflow/clipart"
	"reflectionflow/vision/colorname"
)

// grid is the number of cells per side of a drawing's square in the first comparison.
const grid = 8

// look is a drawing in one color: premultiplied, in three channels from 0 to 255.
type look struct {
	color string // one of clipart.Colors, or empty for the drawing's own colors
	named string // the color that a person would name
	ramp  [3][3]float64
	paint [3][]float32 // of the drawing's cells

	squares   float64    // sum of paint²
	withAlpha [3]float64 // sums of paint·alpha
}

// which names a drawing of package clipart.
type which struct {
	class  string
	number int
	flip   bool // mirrored left to right
}

// drawing is a drawing of a class on a grid of n×n cells.
type drawing struct {
	which
	n     int
	looks []look
	box   [4]float64 // of what is opaque, in fractions of the square

	// near is 1 on the drawing and on a ring of a cell around it, and 0 elsewhere.
	near  []float32
	alpha []float32 // from 0 to 1, of all cells
	// nearRows are the rows of near as sets of bits, on the grid of the first comparison.
	nearRows [grid]uint8
	// cells are the cells that a comparison reads: first the ring ones that are near, then any
	// others that are not transparent. The lists below have one number for each.
	cells []int32
	ring  int
	// tones, which sum to alpha, mix the ramp of a color to its paint, but for rounding.
	tones        [3][]float32
	alphaSquares float64
}

// coarse returns all drawings, also mirrored, on the grid of the first comparison.
var coarse = sync.OnceValues(func() ([]drawing, error) {
	var list []drawing
	for _, class := range clipart.Classes() {
		for number := range clipart.Drawings(class) {
			for _, flip := range []bool{false, true} {
				d, err := newDrawing(which{class, number, flip}, grid)
				if err != nil {
					return nil, err
				}
				list = append(list, d)
			}
		}
	}
	return list, nil
})

// fineDrawings are the drawings on the grid of the second comparison, by which.
var fineDrawings sync.Map

func fineDrawing(w which) (*drawing, error) {
	if known, ok := fineDrawings.Load(w); ok {
		return known.(*drawing), nil
	}
	d, err := newDrawing(w, fine)
	if err != nil {
		return nil, err
	}
	known, _ := fineDrawings.LoadOrStore(w, &d)
	return known.(*drawing), nil
}

// newDrawing renders a drawing in its own colors and in all others.
func newDrawing(w which, n int) (drawing, error) {
	d := drawing{which: w, n: n, alpha: make([]float32, n*n)}
	var paints [][]uint8 // premultiplied, four channels
	for _, color := range append([]string{""}, clipart.Colors()...) {
		m, err := clipart.Cutout(w.class, w.number, color, n)
		if err != nil {
			return d, fmt.Errorf("drawing of %s: %w", w.class, err)
		}
		if w.flip {
			mirror(m)
		}
		if color == "" {
			for i := range d.alpha {
				d.alpha[i] = float32(m.Pix[4*i+3]) / 255
			}
		}
		d.looks, paints = append(d.looks, d.newLook(color, m.Pix)), append(paints, m.Pix)
	}
	d.alphaSquares = dot(d.alpha, d.alpha)
	d.near = ring(d.alpha, n)
	d.box = opaque(d.alpha, n)
	for i := range d.nearRows {
		for k := range grid {
			if n == grid && d.near[i*grid+k] == 1 {
				d.nearRows[i] |= 1 << k
			}
		}
	}
	for _, near := range [...]bool{true, false} {
		for i, v := range d.near {
			if (v == 1) == near && (near || d.alpha[i] > 0) {
				d.cells = append(d.cells, int32(i)) //nolint:gosec // a cell of a small grid
			}
		}
		if near {
			d.ring = len(d.cells)
		}
	}
	return d, d.mix(paints)
}

// newLook measures a look by its pixels.
func (d *drawing) newLook(color string, pix []uint8) look {
	l := look{color: color, named: color}
	if color == "" {
		l.named = natural(d.which)
	}
	for j, stop := range clipart.Ramp(color) {
		for k, v := range stop {
			l.ramp[j][k] = float64(v)
		}
	}
	for i, a := range d.alpha {
		for k := range 3 {
			v := float64(pix[4*i+k])
			l.squares += v * v
			l.withAlpha[k] += v * float64(a)
		}
	}
	return l
}

// mix sets paints and tones: the tones are what explains the paints of all tinted looks best, by
// least squares.
func (d *drawing) mix(paints [][]uint8) error {
	var gram [3][3]float64
	for _, l := range d.looks[1:] {
		for j := range gram {
			for m := range gram {
				for k := range 3 {
					gram[j][m] += l.ramp[j][k] * l.ramp[m][k]
				}
			}
		}
	}
	inverse, ok := invert(gram)
	if !ok {
		return fmt.Errorf("drawing of %s: the colors do not determine its tones", d.class)
	}
	for _, cell := range d.cells {
		var seen, tones [3]float64
		for c, l := range d.looks[1:] {
			for j := range seen {
				for k := range 3 {
					seen[j] += l.ramp[j][k] * float64(paints[c+1][4*int(cell)+k])
				}
			}
		}
		for j := range tones {
			tones[j] = inverse[j][0]*seen[0] + inverse[j][1]*seen[1] + inverse[j][2]*seen[2]
		}
		tones[1] += float64(d.alpha[cell]) - tones[0] - tones[1] - tones[2]
		for k := range d.tones {
			d.tones[k] = append(d.tones[k], float32(tones[k]))
			for c := range d.looks {
				d.looks[c].paint[k] = append(d.looks[c].paint[k], float32(paints[c][4*int(cell)+k]))
			}
		}
	}
	return nil
}

// invert inverts a matrix by its cofactors.
func invert(m [3][3]float64) (inverse [3][3]float64, ok bool) {
	cofactor := func(r, c int) float64 {
		a, b, x, y := (r+1)%3, (r+2)%3, (c+1)%3, (c+2)%3
		return m[a][x]*m[b][y] - m[a][y]*m[b][x]
	}
	det := m[0][0]*cofactor(0, 0) + m[0][1]*cofactor(0, 1) + m[0][2]*cofactor(0, 2)
	for r := range m {
		for c := range m {
			inverse[c][r] = cofactor(r, c) / det
		}
	}
	return inverse, det != 0
}

// ring is 1 where a cell or one of its neighbours is opaque by a tenth.
func ring(alpha []float32, n int) []float32 {
	near := make([]float32, n*n)
	for y := range n {
		for x := range n {
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					v, u := y+dy, x+dx
					if v >= 0 && u >= 0 && v < n && u < n && alpha[v*n+u] >= 0.1 {
						near[y*n+x] = 1
					}
				}
			}
		}
	}
	return near
}

// opaque is the box around the cells that are half opaque.
func opaque(alpha []float32, n int) [4]float64 {
	box := image.Rectangle{}
	for i, a := range alpha {
		if a >= 0.5 {
			box = box.Union(image.Rect(i%n, i/n, i%n+1, i/n+1))
		}
	}
	side := float64(n)
	return [4]float64{float64(box.Min.X) / side, float64(box.Min.Y) / side, float64(box.Max.X) / side, float64(box.Max.Y) / side}
}

// mirror turns an image left to right.
func mirror(m *image.RGBA) {
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:][:4*m.Rect.Dx()]
		for left, right := 0, len(row)-4; left < right; left, right = left+4, right-4 {
			for k := range 4 {
				row[left+k], row[right+k] = row[right+k], row[left+k]
			}
		}
	}
}

// naturalShare is the least share of a drawing's opaque area in a color that it is called by.
const naturalShare = 0.6

// naturals are the colors that persons would give drawings in their own colors, by which, not
// mirrored.
var naturals sync.Map

// natural is the color that a person would give a drawing in its own colors, or empty where
// none stands out.
func natural(w which) string {
	w.flip = false
	known, ok := naturals.Load(w)
	if !ok {
		known, _ = naturals.LoadOrStore(w, nameOf(w))
	}
	return known.(string)
}

func nameOf(w which) string {
	const side = 48
	m, err := clipart.Cutout(w.class, w.number, "", side)
	if err != nil {
		return ""
	}
	var shares colorname.Weights
	total := 0.0
	for i := range side * side {
		if a := m.Pix[4*i+3]; a >= 128 {
			straight := func(k int) uint8 { return uint8(int(m.Pix[4*i+k]) * 255 / int(a)) } //nolint:gosec // premultiplied: at most 255
			for t, weight := range colorname.Of(straight(0), straight(1), straight(2)) {
				shares[t] += weight
			}
			total++
		}
	}
	if term, share := shares.Best(); share >= naturalShare*total {
		return term
	}
	return ""
}
