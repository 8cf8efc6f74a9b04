package flux

import (
	"fmt"

	"reflectionflow"
)

// Range is an inclusive range of a side of an image, in pixels.
type Range struct{ Min, Max int }

func (r Range) has(v int) bool { return v >= r.Min && v <= r.Max }

// Sizes are the image sizes that a model was made for. At other sizes it generates
// images too, as long as the sides are multiples of Multiple, but they look wrong.
type Sizes struct {
	Width, Height Range
	Multiple      int // every side is a multiple of it
}

// Check reports a size that the model was not made for, as an error wrapping
// [reflectionflow.ErrInvalid].
func (s Sizes) Check(width, height int) error {
	if s.Width.has(width) && s.Height.has(height) && width%s.Multiple == 0 && height%s.Multiple == 0 {
		return nil
	}
	return fmt.Errorf("%w: size %d×%d: the model was made for %s", reflectionflow.ErrInvalid, width, height, s)
}

// String describes the sizes, such as "128×128 pixels" or "sides of 256 to 2048
// pixels, multiples of 16".
func (s Sizes) String() string {
	switch {
	case s.Width.Min == s.Width.Max && s.Height.Min == s.Height.Max:
		return fmt.Sprintf("%d×%d pixels", s.Width.Min, s.Height.Min)
	case s.Width == s.Height:
		return fmt.Sprintf("sides of %d to %d pixels, multiples of %d", s.Width.Min, s.Width.Max, s.Multiple)
	}
	return fmt.Sprintf("widths of %d to %d and heights of %d to %d pixels, multiples of %d", s.Width.Min, s.Width.Max, s.Height.Min, s.Height.Max, s.Multiple)
}
