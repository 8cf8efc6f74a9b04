package clipart

import (
	"fmt"
	"image"

	"reflectionflow"
)

// Cutout renders a drawing alone in its square of side×side pixels, on a transparent
// background, with premultiplied alpha. Color is one of [Colors], or empty for the drawing's
// own colors. The error wraps [reflectionflow.ErrInvalid] if there is no such drawing or
// color, or side is not from 1 to [reflectionflow.MaxSide].
func Cutout(class string, drawing int, color string, side int) (*image.RGBA, error) {
	p := Placement{Class: class, Color: color, Drawing: drawing, X: 0.5, Y: 0.5, Size: 1}
	if err := p.validate(); err != nil {
		return nil, err
	}
	if side < 1 || side > reflectionflow.MaxSide {
		return nil, fmt.Errorf("%w: side %d: must be from 1 to %d", reflectionflow.ErrInvalid, side, reflectionflow.MaxSide)
	}
	s, err := p.sprite()
	if err != nil {
		return nil, err
	}
	// What a white background adds to a black one is what shows through.
	over := func(background uint8) []uint8 {
		rgb := make([]uint8, 3*side*side)
		for i := range rgb {
			rgb[i] = background
		}
		c := canvas{rgb: rgb, width: side, height: side}
		c.draw(s, p.at(side, side), false, colorIndex(color))
		return rgb
	}
	black, white := over(0), over(255)
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		through := 0
		for k := range 3 {
			m.Pix[4*i+k] = black[3*i+k]
			through += int(white[3*i+k]) - int(black[3*i+k])
		}
		m.Pix[4*i+3] = uint8(255 - (through+1)/3) //nolint:gosec // from 0 to 255
		for k := range 3 {
			m.Pix[4*i+k] = min(m.Pix[4*i+k], m.Pix[4*i+3]) // rounding of the two
		}
	}
	return m, nil
}
