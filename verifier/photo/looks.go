package photo

import (
	"cmp"
	"image"
	"image/color"
	"math"
	"slices"

	"reflectionflow/vision/detection"
)

// The network looks at the image and then closer at the things in it, and what they are follows from all looks: it reads
// few pixels, and mistakes what is small or beside other things more often.
const (
	// closer is how many closer looks an image gets at most.
	closer = 3
	// narrowest and widest bound that side, in parts of the image's longer side. A wider one is the mirrored image.
	narrowest, widest = 0.2, 0.85
	// worth is the score from which on a thing gets a closer look.
	worth = 0.12
)

// around are the sides of closer looks, in sides of the thing that they are for.
var around = []float64{1.8, 1.25, 2.5}

// look is what the network looks at: a part of an image, in fractions of its sides, or its mirror image.
type look struct {
	part   [4]float64
	mirror bool
	// Where painted is not empty, the things in these boxes are painted over, see [painted]: the look is at what is behind.
	painted [][4]float64
}

// first is the first look, at all of the image.
var first = look{part: [4]float64{0, 0, 1, 1}}

// of is the image that the network is given.
func (l look) of(img image.Image) image.Image {
	if len(l.painted) > 0 {
		img = paint(img, l.painted)
	}
	if l.whole() && !l.mirror {
		return img
	}
	b := img.Bounds()
	at := func(low, size int, part float64) int { return low + int(math.Round(part*float64(size))) }
	part := image.Rect(at(b.Min.X, b.Dx(), l.part[0]), at(b.Min.Y, b.Dy(), l.part[1]), at(b.Min.X, b.Dx(), l.part[2]), at(b.Min.Y, b.Dy(), l.part[3]))
	if part.Empty() {
		part = b
	}
	return newView(img, part, l.mirror)
}

// whole reports whether a look is at all of the image.
func (l look) whole() bool { return l.part == first.part }

// over reports whether a look paints over most of a box.
func (l look) over(box [4]float64) bool {
	return slices.ContainsFunc(l.painted, func(p [4]float64) bool { return detection.Shared(p, box) > 0.6*detection.Area(box) })
}

// inImage turns a box of the look into one of the image.
func (l look) inImage(box [4]float64) [4]float64 {
	if l.mirror {
		box[0], box[2] = 1-box[2], 1-box[0]
	}
	w, h := l.part[2]-l.part[0], l.part[3]-l.part[1]
	return [4]float64{l.part[0] + box[0]*w, l.part[1] + box[1]*h, l.part[0] + box[2]*w, l.part[1] + box[3]*h}
}

// shows reports whether a look shows nearly all of a box.
func (l look) shows(box [4]float64) bool {
	return detection.Shared(l.part, box) >= 0.9*detection.Area(box)
}

// cuts reports whether a box of the look ends where the look ends but the image goes on.
func (l look) cuts(box [4]float64) bool {
	const edge = 0.02
	if l.mirror {
		box[0], box[2] = 1-box[2], 1-box[0]
	}
	return l.part[0] > 0 && box[0] < edge || l.part[1] > 0 && box[1] < edge || l.part[2] < 1 && box[2] > 1-edge || l.part[3] < 1 && box[3] > 1-edge
}

// further are the looks that the things of an image get after the first one: squares around things, those that may be
// of the asked classes first. What is seen with one thing gets no look of its own.
func further(bounds image.Rectangle, things []*thing, is asking) (looks []look) {
	order := slices.Clone(things)
	rank := func(t *thing) float64 {
		for class := range t.scores {
			if is(class) {
				return 1 + t.clear
			}
		}
		return t.clear
	}
	slices.SortStableFunc(order, func(a, b *thing) int { return cmp.Compare(rank(b), rank(a)) })
	for pass, sides := range around { // every second time mirrored
		for _, t := range order {
			if len(looks) == closer {
				return looks
			}
			if t.clear < worth {
				continue
			}
			l := window(bounds, t.box, sides)
			l.mirror = l.whole() || pass == 1
			if !slices.ContainsFunc(looks, func(other look) bool { return other.mirror == l.mirror && detection.Overlap(other.part, l.part) > 0.6 }) {
				looks = append(looks, l)
			}
		}
	}
	return looks
}

// window is a square of the image with a box in it, of some sides of the box.
func window(bounds image.Rectangle, box [4]float64, sides float64) look {
	w, h := float64(bounds.Dx()), float64(bounds.Dy())
	long := max(w, h)
	side := max(sides*max((box[2]-box[0])*w, (box[3]-box[1])*h), narrowest*long)
	if side > widest*long {
		return first
	}
	x, y := min(side/w, 1), min(side/h, 1)
	left := min(max((box[0]+box[2]-x)/2, 0), 1-x)
	top := min(max((box[1]+box[3]-y)/2, 0), 1-y)
	return look{part: [4]float64{left, top, left + x, top + y}}
}

// view is a part of an image, or its mirror image, without a copy.
type view struct {
	whole  image.Image
	deep   image.RGBA64Image // whole, where it is one
	part   image.Rectangle
	mirror bool
}

func newView(whole image.Image, part image.Rectangle, mirror bool) image.Image {
	v := view{whole: whole, part: part, mirror: mirror}
	v.deep, _ = whole.(image.RGBA64Image)
	return v
}

// Bounds implements [image.Image].
func (v view) Bounds() image.Rectangle { return v.part }

// ColorModel implements [image.Image].
func (v view) ColorModel() color.Model { return v.whole.ColorModel() }

// At implements [image.Image].
func (v view) At(x, y int) color.Color { return v.whole.At(v.column(x), y) }

// RGBA64At implements [image.RGBA64Image].
func (v view) RGBA64At(x, y int) color.RGBA64 {
	if v.deep != nil {
		return v.deep.RGBA64At(v.column(x), y)
	}
	r, g, b, a := v.whole.At(v.column(x), y).RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// column is where the column x of the view is in the image.
func (v view) column(x int) int {
	if v.mirror {
		return v.part.Min.X + v.part.Max.X - 1 - x
	}
	return x
}
