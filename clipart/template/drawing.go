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

// look is a drawing in one color, on a grid of n×n cells: premultiplied color in the three
// channels, from 0 to 255.
type look struct {
	color string // one of clipart.Colors, or empty for the drawing's own colors
	named string // the color that a person would name
	paint [3][]float32

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
	n            int
	alpha        []float32 // from 0 to 1
	alphaSquares float64
	// near is 1 on the drawing and on a ring of a cell around it, and 0 elsewhere.
	near  []float32
	looks []look
	box   [4]float64 // of what is opaque, in fractions of the square
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
	d := drawing{which: w, n: n}
	for _, color := range append([]string{""}, clipart.Colors()...) {
		m, err := clipart.Cutout(w.class, w.number, color, n)
		if err != nil {
			return d, fmt.Errorf("drawing of %s: %w", w.class, err)
		}
		if w.flip {
			mirror(m)
		}
		l := look{color: color, named: color}
		for k := range l.paint {
			l.paint[k] = make([]float32, n*n)
		}
		for i := range n * n {
			for k := range l.paint {
				l.paint[k][i] = float32(m.Pix[4*i+k])
			}
		}
		if d.alpha == nil {
			d.alpha = make([]float32, n*n)
			for i := range d.alpha {
				d.alpha[i] = float32(m.Pix[4*i+3]) / 255
			}
		}
		d.looks = append(d.looks, l)
	}
	d.alphaSquares = dot(d.alpha, d.alpha)
	for i := range d.looks {
		l := &d.looks[i]
		if l.color == "" {
			l.named = natural(w)
		}
		for k := range l.paint {
			l.squares += dot(l.paint[k], l.paint[k])
			l.withAlpha[k] = dot(l.paint[k], d.alpha)
		}
	}
	d.near = ring(d.alpha, n)
	d.box = opaque(d.alpha, n)
	return d, nil
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

// natural is the color that a person would give a drawing in its own colors, or empty where
// none stands out.
func natural(w which) string {
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
