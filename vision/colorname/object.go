package colorname

import (
	"cmp"
	"image"
	"math"
	"slices"

	"reflectionflow/internal/pixels"
)

// Sizes of the sample of an object's pixels.
const (
	// grid is how many points are read per side of the box.
	grid = 48
	// shrink is the share of the box that is left out on each side, where its background is.
	shrink = 0.15
	// near and far are the shares of the box's side between which its surroundings are read.
	near, far = 0.04, 0.16
	// frame is how many points of the surroundings are read across, and beside how many along.
	frame, beside = 4, 2
)

// likes are distances in CIELAB (ΔE of 1976) up to which a pixel is of the background: the first one that leaves the least
// share of the points counts. What is like its background differs from it by less.
var likes = [...]float64{14, 7, 5}

const least = 0.3

// Object returns the color of what a box shows, as the share of its pixels that are called by each
// term. The box is x0, y0, x1, y1 in fractions of the image's sides. The outer 15% of the box are left
// out, and pixels like those beside the box in the same rows and columns are, unless that leaves less than three in ten.
// What is transparent lies over white. The middle counts more than the rim. Of what is left the lit part counts: shadows turn white
// into gray and orange into brown. What has nearly no hue is white, gray or black by how light a surface of that color is in
// photographs, which is less than on a screen. An empty box or image has no color.
func Object(img image.Image, box [4]float64) Weights { return Visible(img, box, nil) }

// Visible is [Object] of a thing that others hide: what is in their boxes is left out, unless nothing remains.
func Visible(img image.Image, box [4]float64, hidden [][4]float64) Weights {
	for i, v := range box {
		box[i] = min(max(v, 0), 1)
	}
	pixel, err := pixels.Reader(img)
	if err != nil || !(box[0] < box[2] && box[1] < box[3]) {
		return Weights{}
	}
	read := func(p image.Point) [3]uint8 { return pixel(p.X, p.Y) }
	around := surroundings(img.Bounds(), box, hidden, read)
	width, height := box[2]-box[0], box[3]-box[1]
	all := make([]sample, 0, grid*grid)
	total := 0.0
	for j := range grid {
		for i := range grid {
			u, v := (float64(i)+0.5)/grid, (float64(j)+0.5)/grid
			if min(u, v) < shrink || max(u, v) > 1-shrink {
				continue
			}
			x, y := box[0]+u*width, box[1]+v*height
			if within(x, y, hidden) {
				continue
			}
			p := read(point(img.Bounds(), x, y))
			s := sample{cell: cell(p), lab: lab(p[0], p[1], p[2])}
			s.apart = around.distance(i, j, s.lab)
			u, v = (u-0.5)/(1-2*shrink), (v-0.5)/(1-2*shrink)
			s.weight = math.Exp(-4 * (u*u + v*v))
			total += s.weight
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return Object(img, box)
	}
	for _, like := range likes {
		var kept []sample
		left := 0.0
		for _, s := range all {
			if s.apart > like {
				kept, left = append(kept, s), left+s.weight
			}
		}
		if left >= least*total {
			return lit(kept)
		}
	}
	return lit(all)
}

// within reports whether a point is in one of the boxes.
func within(x, y float64, boxes [][4]float64) bool {
	return slices.ContainsFunc(boxes, func(b [4]float64) bool { return x > b[0] && x < b[2] && y > b[1] && y < b[3] })
}

// sample is a pixel of a box.
type sample struct {
	cell   int // in the table
	lab    [3]float64
	apart  float64 // how far it is from the colors beside the box
	weight float64 // how much it counts
}

// The part of the samples that count, by their lightness: the darkest are in shadow, the lightest are
// reflections of lamps.
const (
	darkest  = 0.3
	lightest = 0.96
)

// Surfaces without a hue, by lightness and chroma in CIELAB.
const (
	// pale is the chroma up to which a pixel has no hue, and vivid that from which on its hue counts wholly.
	pale, vivid = 10, 20
	// A pixel is white from the lightness whitest on, and black up to blackest, each with a soft border of the width edge.
	whitest, blackest, edge = 70, 28, 3
)

// lit returns the weights of the lit samples.
func lit(samples []sample) Weights {
	slices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.lab[0], b.lab[0]) })
	n := float64(len(samples))
	names := table()
	var w Weights
	sum := 0.0
	for _, s := range samples[int(darkest*n):max(int(lightest*n), int(darkest*n)+1)] {
		hueless := min(max((vivid-math.Hypot(s.lab[1], s.lab[2]))/(vivid-pale), 0), 1)
		add(&w, &names[s.cell], s.weight*(1-hueless))
		isWhite, isBlack := sigmoid((s.lab[0]-whitest)/edge), sigmoid((blackest-s.lab[0])/edge)
		w[black] += s.weight * hueless * isBlack
		w[gray] += s.weight * hueless * max(0, 1-isWhite-isBlack)
		w[white] += s.weight * hueless * isWhite
		sum += s.weight
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

// Where terms are in [Weights].
var black, gray, white = slices.Index(terms[:], "black"), slices.Index(terms[:], "gray"), slices.Index(terms[:], "white")

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func add(sum *Weights, terms *[len(terms)]float32, weight float64) {
	for i, v := range terms {
		sum[i] += weight * float64(v)
	}
}

// ring is the mean color beside each row and column of a box's grid: on the left, the right, above and below.
type ring [4][grid]struct {
	mean [3]float64
	n    float64
}

// surroundings reads a frame around the box, as far as the image reaches, but for what is hidden.
func surroundings(bounds image.Rectangle, box [4]float64, hidden [][4]float64, read func(image.Point) [3]uint8) *ring {
	r := new(ring)
	width, height := box[2]-box[0], box[3]-box[1]
	for at := range grid {
		for k := range frame {
			along := (float64(at) + 0.5) / grid
			out := near + (far-near)*(float64(k)+0.5)/frame
			for side, p := range [4][2]float64{{-out, along}, {1 + out, along}, {along, -out}, {along, 1 + out}} {
				x, y := box[0]+p[0]*width, box[1]+p[1]*height
				if x < 0 || x >= 1 || y < 0 || y >= 1 || within(x, y, hidden) {
					continue
				}
				c := read(point(bounds, x, y))
				color := lab(c[0], c[1], c[2])
				for other := max(at-beside, 0); other <= min(at+beside, grid-1); other++ {
					to := &r[side][other]
					for i, v := range color {
						to.mean[i] += v
					}
					to.n++
				}
			}
		}
	}
	for side := range r {
		for at := range r[side] {
			for i := range 3 {
				r[side][at].mean[i] /= max(r[side][at].n, 1)
			}
		}
	}
	return r
}

// distance is how far a color at a point of the grid is from the nearest one beside its row and its column.
func (r *ring) distance(i, j int, color [3]float64) float64 {
	least := math.Inf(1)
	for side, at := range [4]int{j, j, i, i} {
		if b := r[side][at]; b.n > 0 {
			least = min(least, distance(b.mean, color))
		}
	}
	return least
}

func distance(a, b [3]float64) float64 {
	x, y, z := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return math.Sqrt(x*x + y*y + z*z)
}

// point is the pixel at fractions of the sides.
func point(bounds image.Rectangle, x, y float64) image.Point {
	at := func(low, size int, v float64) int { return low + min(max(int(v*float64(size)), 0), size-1) }
	return image.Pt(at(bounds.Min.X, bounds.Dx(), x), at(bounds.Min.Y, bounds.Dy(), y))
}
