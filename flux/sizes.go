package flux

import (
	"fmt"

	"reflectionflow"
	"reflectionflow/nn"
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

// The sides of the images that FLUX.1 was made for: 0.1 to 2 megapixels at common
// aspect ratios.
const (
	defaultMinSide = 256
	defaultMaxSide = 2048
)

// Sizes returns the sizes that the model was made for: by the bounds of the settings,
// or else the one size that they name, or else FLUX.1's.
func (f *Folder) Sizes(settings Settings) Sizes {
	s := Sizes{Multiple: 2 * f.VAE.Factor(), Width: Range{defaultMinSide, defaultMaxSide}}
	s.Height = s.Width
	switch {
	case settings.MinSide > 0 || settings.MaxSide > 0:
		s.Width = Range{max(settings.MinSide, s.Multiple), settings.MaxSide}
		if settings.MaxSide == 0 {
			s.Width.Max = max(defaultMaxSide, settings.MinSide)
		}
		s.Height = s.Width
	case settings.Width > 0 && settings.Height > 0:
		s.Width, s.Height = Range{settings.Width, settings.Width}, Range{settings.Height, settings.Height}
	}
	return s
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
	fusedKeys = 8192
	// tokenWidths is how many numbers a token of the transformer takes at the peak of a
	// block, in widths of the transformer: the streams, q, k and v, and the hidden layer.
	tokenWidths = 16
	// scoreArrays is how many arrays of queries by keys are alive at once.
	scoreArrays = 3
	// imageArrays is how many arrays of its largest feature map the autoencoder has at
	// the peak, with a quarter for rounding up.
	imageArrays = 6
)

// Memory estimates the bytes that generating one image takes at the peak on the CPU:
// weights plus the larger of a denoising step and the autoencoder. reference is for
// images that start from one. Measured peaks are within a factor of two of it.
// Options.Workers images at once take the part beyond the weights as often.
func (f *Folder) Memory(settings Settings, width, height int, reference bool) (int64, error) {
	weights, err := f.weightBytes()
	if err != nil {
		return 0, err
	}
	unit := 2 * f.VAE.Factor()
	image := Grid{Rows: (height + unit - 1) / unit, Cols: (width + unit - 1) / unit}
	tokens := int64(settings.TextLength + image.Tokens())
	if reference {
		tokens += int64(settings.ConditionGrid(image).Tokens())
	}
	batch := int64(1)
	if settings.ClassifierFreeGuidance {
		batch = 2
	}
	step := tokenWidths * batch * tokens * int64(f.Transformer.Hidden())
	if tokens > fusedKeys {
		step += scoreArrays * batch * int64(f.Transformer.NumAttentionHeads) * tokens * tokens
	}
	return weights + 4*max(step, f.VAE.peak(width, height)), nil
}

// weightBytes estimates what the weights take in memory: matrices in BF16, as the
// published files have them, and the rest in float32.
func (f *Folder) weightBytes() (int64, error) {
	total := int64(0)
	for _, c := range components {
		variables, err := c.variables(f)
		if err != nil {
			return 0, err
		}
		for _, v := range variables {
			total += weightSize(v)
		}
	}
	return total, nil
}

func weightSize(v nn.Variable) int64 {
	if len(v.Shape) == 2 {
		return 2 * int64(v.Size())
	}
	return 4 * int64(v.Size())
}

// peak estimates the numbers that the autoencoder keeps for an image at once. The
// largest feature map is that of a level, or of the coarser one after upsampling.
func (c AutoencoderConfig) peak(width, height int) int64 {
	pixels, largest := int64(width)*int64(height), int64(0)
	for level, channels := range c.BlockOut {
		wide := channels
		if level+1 < len(c.BlockOut) {
			wide = max(wide, c.BlockOut[level+1])
		}
		largest = max(largest, pixels*int64(wide)>>(2*level))
	}
	peak := imageArrays * largest
	if places := pixels >> (2 * (len(c.BlockOut) - 1)); c.MidAttention && places > fusedKeys {
		peak = max(peak, scoreArrays*places*places)
	}
	return peak
}
