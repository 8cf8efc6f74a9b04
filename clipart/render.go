package clipart

import (
	"fmt"
	"image"
	"math"

	"reflectionflow"
)

// Bounds on a scene, against mistakes and hostile input.
const (
	MaxObjects = 64 // objects of a scene
	MaxSize    = 4  // Placement.Size
)

// span is a placed square in 1/256 pixels.
type span struct{ left, top, side int }

// at converts a placement to pixels. Every product is rounded separately (float64 conversions
// forbid fused multiply-add), so that all machines agree.
func (p Placement) at(width, height int) span {
	side := float64(p.Size * float64(min(width, height)) * 256)
	x := float64(p.X * float64(width) * 256)
	y := float64(p.Y * float64(height) * 256)
	half := float64(side / 2)
	return span{
		left: int(math.Round(float64(x - half))),
		top:  int(math.Round(float64(y - half))),
		side: max(1, int(math.Round(side))),
	}
}

// Validate reports a scene that cannot be rendered, as an error wrapping
// [reflectionflow.ErrInvalid].
func (s Scene) Validate() error {
	switch {
	case s.Background < 0 || s.Background >= len(backgrounds):
		return fmt.Errorf("%w: background %d: must be from 0 to %d", reflectionflow.ErrInvalid, s.Background, len(backgrounds)-1)
	case len(s.Objects) > MaxObjects:
		return fmt.Errorf("%w: a scene of %d objects, at most %d are allowed", reflectionflow.ErrInvalid, len(s.Objects), MaxObjects)
	}
	for i := range s.Objects {
		if err := s.Objects[i].validate(); err != nil {
			return fmt.Errorf("object %d: %w", i, err)
		}
	}
	return nil
}

func (p *Placement) validate() error {
	drawings := Drawings(p.Class)
	switch {
	case drawings == 0:
		return fmt.Errorf("%w: unknown class %q", reflectionflow.ErrInvalid, p.Class)
	case p.Drawing < 0 || p.Drawing >= drawings:
		return fmt.Errorf("%w: %s has no drawing %d, only 0 to %d", reflectionflow.ErrInvalid, p.Class, p.Drawing, drawings-1)
	case p.Color != "" && colorIndex(p.Color) < 0:
		return fmt.Errorf("%w: unknown color %q", reflectionflow.ErrInvalid, p.Color)
	case !(p.X >= 0 && p.X <= 1 && p.Y >= 0 && p.Y <= 1):
		return fmt.Errorf("%w: center (%v, %v): must be from 0 to 1", reflectionflow.ErrInvalid, p.X, p.Y)
	case !(p.Size > 0 && p.Size <= MaxSize):
		return fmt.Errorf("%w: size %v: must be above 0 and at most %d", reflectionflow.ErrInvalid, p.Size, MaxSize)
	}
	return nil
}

func validateSides(width, height int) error {
	for _, side := range [...]int{width, height} {
		if side < 16 || side > reflectionflow.MaxSide || side%16 != 0 {
			return fmt.Errorf("%w: size %dx%d: sides must be multiples of 16 from 16 to %d", reflectionflow.ErrInvalid, width, height, reflectionflow.MaxSide)
		}
	}
	return nil
}

// Render renders the scene. Width and height are in pixels, multiples of 16 up to
// [reflectionflow.MaxSide].
func (s Scene) Render(width, height int) (*image.NRGBA, error) {
	if err := validateSides(width, height); err != nil {
		return nil, err
	}
	rgb := make([]uint8, 3*width*height)
	if err := s.RenderInto(rgb, width, height); err != nil {
		return nil, err
	}
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		copy(m.Pix[4*i:], rgb[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	return m, nil
}

// RenderInto renders the scene as [Scene.Render] does, into the first height·width·3 bytes of dst:
// rows from the top, each pixel R, G, B. After the drawings are decoded it does not allocate.
func (s Scene) RenderInto(dst []uint8, width, height int) error {
	if err := validateSides(width, height); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if len(dst) < 3*width*height {
		return fmt.Errorf("%w: %d bytes for an image of %dx%d, want %d", reflectionflow.ErrInvalid, len(dst), width, height, 3*width*height)
	}
	dst = dst[:3*width*height]
	back := backgrounds[s.Background]
	dst[0], dst[1], dst[2] = back.R, back.G, back.B
	for filled := 3; filled < len(dst); filled *= 2 {
		copy(dst[filled:], dst[:filled])
	}
	c := canvas{rgb: dst, width: width, height: height}
	for i := range s.Objects {
		p := &s.Objects[i]
		drawing, err := p.sprite()
		if err != nil {
			return err
		}
		c.draw(drawing, p.at(width, height), p.Flip, colorIndex(p.Color))
	}
	return nil
}

// sprite is the drawing of a valid placement.
func (p *Placement) sprite() (*sprite, error) {
	list, err := sprites(classes().index[p.Class])
	if err != nil {
		return nil, err
	}
	return list[p.Drawing], nil
}
