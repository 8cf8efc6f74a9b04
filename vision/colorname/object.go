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
	// grid is how many points are read per side, of the box and of its surroundings.
	grid = 48
	// shrink is the share of the box that is left out on each side, where its background is.
	shrink = 0.15
	// around is the share of the box's side by which the surroundings reach beyond it.
	around = 0.15
	// like is the distance in CIELAB (ΔE of 1976) up to which a pixel is of the background.
	like = 14
	// least is the share of the points that must be left for the background to be dropped.
	least = 0.2
)

// Object returns the color of what a box shows, as the share of its pixels that are called by each
// term. The box is x0, y0, x1, y1 in fractions of the image's sides. The outer 15% of the box are left
// out, and pixels like the most frequent color around the box are, unless that leaves less than a
// fifth. What is transparent lies over white. The middle counts more than the rim. Of what is left the lit part counts: shadows turn white
// into gray and orange into brown. An empty box or image has no color.
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
	background, known := frequent(surroundings(img.Bounds(), box, read))
	width, height := box[2]-box[0], box[3]-box[1]
	inner := [4]float64{box[0] + shrink*width, box[1] + shrink*height, box[2] - shrink*width, box[3] - shrink*height}
	all := make([]sample, 0, grid*grid)
	var kept []sample
	total, left := 0.0, 0.0
	for j := range grid {
		for i := range grid {
			u, v := (float64(i)+0.5)/grid, (float64(j)+0.5)/grid
			x, y := inner[0]+u*(inner[2]-inner[0]), inner[1]+v*(inner[3]-inner[1])
			if within(x, y, hidden) {
				continue
			}
			p := read(point(img.Bounds(), x, y))
			at := lab(p[0], p[1], p[2])
			s := sample{cell: cell(p), light: at[0], weight: math.Exp(-2 * ((u-0.5)*(u-0.5) + (v-0.5)*(v-0.5)) / 0.5)}
			total += s.weight
			all = append(all, s)
			if known && distance(at, background) > like {
				left += s.weight
				kept = append(kept, s)
			}
		}
	}
	if len(all) == 0 {
		return Object(img, box)
	}
	if left < least*total {
		kept = all
	}
	return lit(kept)
}

// within reports whether a point is in one of the boxes.
func within(x, y float64, boxes [][4]float64) bool {
	return slices.ContainsFunc(boxes, func(b [4]float64) bool { return x > b[0] && x < b[2] && y > b[1] && y < b[3] })
}

// sample is a pixel of an object.
type sample struct {
	cell          int     // in the table
	light, weight float64 // the lightness, 0 to 100, and how much it counts
}

// The part of the samples that count, by their lightness: the darkest are in shadow, the lightest are
// reflections of lamps.
const (
	darkest  = 0.1
	lightest = 0.96
)

// lit returns the weights of the lit samples.
func lit(samples []sample) Weights {
	slices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.light, b.light) })
	n := float64(len(samples))
	names := table()
	var w Weights
	sum := 0.0
	for _, s := range samples[int(darkest*n):max(int(lightest*n), int(darkest*n)+1)] {
		add(&w, &names[s.cell], s.weight)
		sum += s.weight
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

func add(sum *Weights, terms *[len(terms)]float32, weight float64) {
	for i, v := range terms {
		sum[i] += weight * float64(v)
	}
}

// surroundings reads points of a frame around the box, as far as the image reaches.
func surroundings(bounds image.Rectangle, box [4]float64, read func(image.Point) [3]uint8) [][3]uint8 {
	dx, dy := around*(box[2]-box[0]), around*(box[3]-box[1])
	outer := [4]float64{box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy}
	var list [][3]uint8
	for j := range grid {
		for i := range grid {
			x := outer[0] + (float64(i)+0.5)/grid*(outer[2]-outer[0])
			y := outer[1] + (float64(j)+0.5)/grid*(outer[3]-outer[1])
			inside := x > box[0] && x < box[2] && y > box[1] && y < box[3]
			if !inside && x >= 0 && x < 1 && y >= 0 && y < 1 {
				list = append(list, read(point(bounds, x, y)))
			}
		}
	}
	return list
}

// frequent returns the mean of the most frequent colors, of eight steps per channel; known is false
// for no pixels.
func frequent(pixels [][3]uint8) (mean [3]float64, known bool) {
	var count [512]int
	step := func(p [3]uint8) int { return int(p[0]>>5)<<6 | int(p[1]>>5)<<3 | int(p[2]>>5) }
	best := 0
	for _, p := range pixels {
		count[step(p)]++
	}
	for i, n := range count {
		if n > count[best] {
			best = i
		}
	}
	for _, p := range pixels {
		if step(p) == best {
			at := lab(p[0], p[1], p[2])
			for i := range mean {
				mean[i] += at[i] / float64(count[best])
			}
		}
	}
	return mean, len(pixels) > 0
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
