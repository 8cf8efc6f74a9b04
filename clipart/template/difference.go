package template

import (
	"image"
	"image/color"
	"math"
	"slices"
)

// difference is an image minus its background color, as sums over rectangles.
type difference struct {
	width, height int
	background    [3]float32
	values        [3][]float32 // height·width
	sums          [3][]float64 // of what is left of and above a corner, (width+1)·(height+1)
}

// newDifference takes the difference of an image from its background: the most frequent
// color, averaged over the pixels near it.
func newDifference(img image.Image) *difference {
	b := img.Bounds()
	d := &difference{width: b.Dx(), height: b.Dy()}
	pixels := make([][3]uint8, 0, d.width*d.height)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			pixels = append(pixels, [3]uint8{c.R, c.G, c.B})
		}
	}
	d.background = backgroundOf(pixels)
	for k := range d.values {
		d.values[k] = make([]float32, len(pixels))
		for i, p := range pixels {
			d.values[k][i] = float32(p[k]) - d.background[k]
		}
		d.sums[k] = make([]float64, (d.width+1)*(d.height+1))
	}
	d.add()
	return d
}

// add sets the sums.
func (d *difference) add() {
	for k := range d.sums {
		for y := range d.height {
			row := 0.0
			for x := range d.width {
				row += float64(d.values[k][y*d.width+x])
				d.sums[k][(y+1)*(d.width+1)+x+1] = d.sums[k][y*(d.width+1)+x+1] + row
			}
		}
	}
}

// erase takes a drawing at a place, and the ring around it, for background.
func (d *difference) erase(p place, t *drawing) {
	cell := p.side / float64(t.n)
	for i, near := range t.near {
		if near == 0 {
			continue
		}
		left, top := p.x+cell*float64(i%t.n-1), p.y+cell*float64(i/t.n-1)
		for y := max(0, int(top)); y < min(d.height, int(math.Ceil(top+3*cell))); y++ {
			for x := max(0, int(left)); x < min(d.width, int(math.Ceil(left+3*cell))); x++ {
				for k := range d.values {
					d.values[k][y*d.width+x] = 0
				}
			}
		}
	}
	d.add()
}

// step is the width of a bin of colors; reach the largest difference per channel from the
// middle of the fullest bin.
const (
	step  = 16
	reach = 16
)

func backgroundOf(pixels [][3]uint8) (mean [3]float32) {
	var bins [16 * 16 * 16]int
	for _, p := range pixels {
		bins[int(p[0]/step)*256+int(p[1]/step)*16+int(p[2]/step)]++
	}
	fullest := slices.Index(bins[:], slices.Max(bins[:]))
	middle := [3]int{fullest/256*step + step/2, fullest/16%16*step + step/2, fullest%16*step + step/2}
	var sums [3]float64
	n := 0.0
	for _, p := range pixels {
		if apart(p[0], middle[0]) <= reach && apart(p[1], middle[1]) <= reach && apart(p[2], middle[2]) <= reach {
			for k := range sums {
				sums[k] += float64(p[k])
			}
			n++
		}
	}
	for k := range mean {
		mean[k] = float32(sums[k] / max(n, 1))
	}
	return mean
}

func apart(a uint8, b int) int { return max(int(a), b) - min(int(a), b) }

// window averages the difference over the cells of a grid of n×n cells on the square with
// the given corner and side, in pixels. Outside of the image there is no difference.
func (d *difference) window(x, y, side float64, n int, into *window) {
	xs, ys := into.edges[0][:n+1], into.edges[1][:n+1]
	for i := range n + 1 {
		xs[i] = newEdge(x+side*float64(i)/float64(n), d.width)
		ys[i] = newEdge(y+side*float64(i)/float64(n), d.height)
	}
	scale := float64(n) / side * float64(n) / side
	stride := d.width + 1
	above := into.above[:n+1] // sums above the present row of cells
	for k := range into.values {
		for r, v := range ys {
			upper := d.sums[k][v.at*stride:][:stride]
			lower := d.sums[k][(v.at+1)*stride:][:stride]
			left := 0.0
			for i, u := range xs {
				a := upper[u.at] + u.part*(upper[u.at+1]-upper[u.at])
				b := lower[u.at] + u.part*(lower[u.at+1]-lower[u.at])
				below := a + v.part*(b-a)
				column := below - above[i]
				if r > 0 && i > 0 {
					into.values[k][(r-1)*n+i-1] = float32((column - left) * scale)
				}
				left, above[i] = column, below
			}
		}
	}
}

// edge is a place between pixels: part of the way from one to the next.
type edge struct {
	at   int
	part float64
}

// newEdge returns the place, moved into an image with so many pixels.
func newEdge(x float64, size int) edge {
	x = min(max(x, 0), float64(size))
	at := min(int(x), size-1)
	return edge{at, x - float64(at)}
}

// window is the difference on the cells of a square.
type window struct {
	values   [3][]float32
	squares  []float32    // sums over the channels
	strength []float32    // their roots
	here     [3][]float32 // the values of the cells of one drawing

	edges [2][]edge // of the cells, from left to right and from top to bottom
	above []float64
	rows  [grid][1 << grid]float32
}

func newWindow(n int) *window {
	w := &window{
		squares: make([]float32, n*n), strength: make([]float32, n*n),
		edges: [2][]edge{make([]edge, n+1), make([]edge, n+1)}, above: make([]float64, n+1),
	}
	for k := range w.values {
		w.values[k], w.here[k] = make([]float32, n*n), make([]float32, n*n)
	}
	return w
}

// measure sets the squares and returns the root mean square of the values.
func (w *window) measure() float64 {
	total := 0.0
	for i := range w.squares {
		w.squares[i] = w.values[0][i]*w.values[0][i] + w.values[1][i]*w.values[1][i] + w.values[2][i]*w.values[2][i]
		w.strength[i] = float32(math.Sqrt(float64(w.squares[i])))
		total += float64(w.squares[i])
	}
	return math.Sqrt(total / float64(3*len(w.squares)))
}
