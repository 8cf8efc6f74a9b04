package clipart

import (
	"image"

	"reflectionflow"
)

// minVisible is the least share of an object's opaque area that must be inside the image and
// uncovered for the object to count as visible.
const minVisible = 0.25

// Box is the tight box around the opaque part of a placed drawing: x0, y0, x1, y1 as fractions of
// the sides of an image of width×height pixels, clipped to the image. An object entirely outside
// has an empty box. The error wraps [reflectionflow.ErrInvalid] if the placement or the size is
// invalid.
func Box(p Placement, width, height int) ([4]float64, error) {
	if err := validateSides(width, height); err != nil {
		return [4]float64{}, err
	}
	if err := p.validate(); err != nil {
		return [4]float64{}, err
	}
	s, err := p.sprite()
	if err != nil {
		return [4]float64{}, err
	}
	return p.box(s.opaque, width, height), nil
}

func (p *Placement) box(opaque image.Rectangle, width, height int) [4]float64 {
	if p.Flip {
		opaque.Min.X, opaque.Max.X = TileSize-opaque.Max.X, TileSize-opaque.Min.X
	}
	at := p.at(width, height)
	fraction := func(from, texel, sides int) float64 {
		v := float64(from*TileSize+texel*at.side) / float64(256*TileSize*sides)
		return min(1, max(0, v))
	}
	return [4]float64{
		fraction(at.left, opaque.Min.X, width), fraction(at.top, opaque.Min.Y, height),
		fraction(at.left, opaque.Max.X, width), fraction(at.top, opaque.Max.Y, height),
	}
}

// Truth lists the visible objects of the scene rendered at width×height pixels, in rendering
// order: class, color as placed (empty for natural colors) and [Box]. An object is left out if
// less than a quarter of it is inside the image and not covered by later objects; a partly covered
// object keeps its whole box. Confidence is 1.
func (s Scene) Truth(width, height int) ([]reflectionflow.Object, error) {
	if err := validateSides(width, height); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	placed := make([]placedMask, len(s.Objects))
	for i := range s.Objects {
		p := &s.Objects[i]
		drawing, err := p.sprite()
		if err != nil {
			return nil, err
		}
		placed[i] = placedMask{sprite: drawing, at: p.at(width, height), flip: p.Flip}
	}
	var seen []reflectionflow.Object
	for i := range placed {
		if placed[i].visible(placed[i+1:], width, height) >= minVisible {
			p := &s.Objects[i]
			box := p.box(placed[i].sprite.opaque, width, height)
			seen = append(seen, reflectionflow.Object{Class: p.Class, Color: p.Color, Box: box, Confidence: 1})
		}
	}
	return seen, nil
}

// placedMask is the opaque area of a drawing in an image.
type placedMask struct {
	sprite *sprite
	at     span
	flip   bool
}

// visible is the share of the opaque texels that are inside the image and not covered by later
// masks.
func (m *placedMask) visible(later []placedMask, width, height int) float64 {
	l := &m.sprite.levels[maskLevel]
	total, shown := 0, 0
	for ty := range l.size {
		for tx := range l.size {
			if l.color[(ty+1)*l.stride+tx+1]>>24 < 128 {
				continue
			}
			total++
			if m.flip {
				tx = l.size - 1 - tx
			}
			x := m.at.left + (2*tx+1)*m.at.side/(2*l.size)
			y := m.at.top + (2*ty+1)*m.at.side/(2*l.size)
			inside := x >= 0 && y >= 0 && x < width*256 && y < height*256
			if inside && !covered(later, x, y) {
				shown++
			}
		}
	}
	if total == 0 {
		return 0
	}
	return float64(shown) / float64(total)
}

// covered reports whether a mask is opaque at a point given in 1/256 pixels.
func covered(masks []placedMask, x, y int) bool {
	for i := range masks {
		m := &masks[i]
		l := &m.sprite.levels[maskLevel]
		dx, dy := x-m.at.left, y-m.at.top
		if dx < 0 || dy < 0 || dx >= m.at.side || dy >= m.at.side {
			continue
		}
		tx, ty := dx*l.size/m.at.side, dy*l.size/m.at.side
		if m.flip {
			tx = l.size - 1 - tx
		}
		if l.color[(ty+1)*l.stride+tx+1]>>24 >= 128 {
			return true
		}
	}
	return false
}
