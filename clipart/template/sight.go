package template

import (
	"image"
	"math"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Sight says how well an object is seen where a detector found it: how the drawing of its class
// that fits best agrees with the pixels there. Likeness and opacity are those of the package's
// method. Both are 0 where nothing differs from the background, and for a class without drawings.
type Sight struct{ Likeness, Opacity float64 }

// plain is a sight that needs no better one.
var plain = Sight{Likeness: 0.7, Opacity: 0.5}

func (s Sight) reaches(other Sight) bool {
	return s.Likeness >= other.Likeness && s.Opacity >= other.Opacity
}

// Visible reports of each object whether a person can see it: whether it is at least as opaque
// as [MinOpacity], however it is drawn. Objects of classes without drawings are taken to be
// visible, and so are all of an image with a side below 16 pixels.
//
// A network that learned from images in which a generator had faded some objects names such
// ghosts. This is the floor below which nothing counts.
func Visible(img image.Image, objects []reflectionflow.Object) ([]bool, error) {
	visible := make([]bool, len(objects))
	sights, err := Look(img, objects)
	if err != nil {
		return nil, err
	}
	tiny := min(img.Bounds().Dx(), img.Bounds().Dy()) < minSide
	for i, o := range objects {
		visible[i] = tiny || clipart.Drawings(o.Class) == 0 || sights[i].Opacity >= MinOpacity
	}
	return visible, nil
}

// Look returns the sight of each object. A box may be off by an eighth of a drawing's side. The
// search for a better sight ends with a plain one: a likeness of 0.7 and an opacity of 0.5.
func Look(img image.Image, objects []reflectionflow.Object) ([]Sight, error) {
	sights := make([]Sight, len(objects))
	if b := img.Bounds(); len(objects) == 0 || min(b.Dx(), b.Dy()) < minSide {
		return sights, nil
	}
	d := newDifference(img)
	for i, o := range objects {
		for n := range 2 * clipart.Drawings(o.Class) {
			t, err := fineDrawing(which{o.Class, n / 2, n%2 == 1})
			if err != nil {
				return nil, err
			}
			if s := d.sight(o.Box, t); s.Likeness > sights[i].Likeness {
				sights[i] = s
			}
			if sights[i].reaches(plain) {
				break
			}
		}
	}
	return sights, nil
}

// sight compares a drawing with the squares around the one whose opaque part fills a box.
func (d *difference) sight(box [4]float64, t *drawing) (best Sight) {
	w, h := float64(d.width), float64(d.height)
	wide, high := max(t.box[2]-t.box[0], 1/float64(t.n)), max(t.box[3]-t.box[1], 1/float64(t.n))
	side := math.Sqrt((box[2] - box[0]) * w / wide * (box[3] - box[1]) * h / high)
	if !(side >= 1) { // a box without an area
		return best
	}
	x := (box[0]+box[2])/2*w - side*(t.box[0]+t.box[2])/2
	y := (box[1]+box[3])/2*h - side*(t.box[1]+t.box[3])/2
	seen := newWindow(t.n)
	cell := side / grid
	for _, grow := range [...]float64{0, -1, 1} {
		for _, dy := range [...]float64{0, -0.5, 0.5, -1, 1} {
			for _, dx := range [...]float64{0, -0.5, 0.5, -1, 1} {
				d.window(x+(dx-grow/2)*cell, y+(dy-grow/2)*cell, side+grow*cell, t.n, seen)
				if m := compare(seen, t, d.background); m.likeness > best.Likeness {
					best = Sight{min(1, m.likeness), m.opacity}
				}
				if best.reaches(plain) {
					return best
				}
			}
		}
	}
	return best
}
