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

// Numbers of the memory estimate, for package cpu.
const (
	// fusedKeys is the longest sequence whose attention package cpu computes in blocks
	// of queries; a longer one takes whole arrays of queries by keys.
	fusedKeys = 65536
	// tokenWidths is how many numbers a token of the transformer takes at the peak of a
	// block, in widths of the transformer: the streams, q, k and v, and the hidden layer.
	tokenWidths = 16
	// scoreArrays is how many arrays of queries by keys are alive at once.
	scoreArrays = 3
	// imageArrays is how many arrays of its largest feature map the autoencoder has at
	// the peak. If it computes the image in bands, it has bandedArrays of them and
	// bandsAlive bands.
	imageArrays, bandedArrays, bandsAlive = 6, 2, 6
)

// StepPeak estimates the numbers that a denoising step on the CPU keeps at once, for a
// sequence of tokens in a transformer of the given width.
func StepPeak(tokens int64, width, heads int) int64 {
	peak := tokenWidths * tokens * int64(width)
	if tokens > fusedKeys {
		peak += scoreArrays * int64(heads) * tokens * tokens
	}
	return peak
}

// Peak estimates the numbers that the autoencoder keeps for an image at once. The
// largest feature map is that of a level, or of the coarser one after upsampling.
func (c AutoencoderConfig) Peak(width, height int) int64 {
	pixels, largest := int64(width)*int64(height), int64(0)
	for level, channels := range c.BlockOut {
		wide := channels
		if level+1 < len(c.BlockOut) {
			wide = max(wide, c.BlockOut[level+1])
		}
		largest = max(largest, pixels*int64(wide)>>(2*level))
	}
	peak := imageArrays * min(largest, 4*bandNumbers)
	if largest > 4*bandNumbers {
		peak = max(peak, bandedArrays*largest+bandsAlive*bandNumbers)
	}
	if places := pixels >> (2 * (len(c.BlockOut) - 1)); c.MidAttention && places > fusedKeys {
		peak = max(peak, scoreArrays*places*places)
	}
	return peak
}
