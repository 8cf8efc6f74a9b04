// Package detect detects the objects of an image: class, color and box. There are two
// architectures, a transformer over patches (the verifier's) and a residual convolutional network
// (the judge's). They share the encoding of objects on a grid of cells, the loss and the decoding.
//
// An object belongs to the cell that holds the center of its box. For each cell the network
// predicts the probability that it holds a center, and the class, color and box of the object
// there.
//
// [Load] and [New] return a [Detector], [Detector.Read] its detections with their probabilities,
// [Detector.Detect] the objects above the threshold. [Loss] and [Target] train one.
package detect

import (
	"fmt"
	"slices"

	"reflectionflow"
)

// Architectures of [Config].
const (
	Transformer = "transformer" // patches, early convolution, attention
	Residual    = "residual"    // residual 3×3 convolutions with group norms
)

// Config describes a detector: its size, classes, colors and thresholds. Its JSON form is the
// detector's config.json.
type Config struct {
	Architecture string   `json:"architecture"`
	Classes      []string `json:"classes"`
	Colors       []string `json:"colors"`
	Side         int      `json:"side"`   // of the square input, in pixels
	Cell         int      `json:"cell"`   // side of a cell in pixels; divides Side, even for Residual
	Width        int      `json:"width"`  // channels
	Depth        int      `json:"depth"`  // blocks
	Heads        int      `json:"heads"`  // of attention; divides Width; Transformer only
	Hidden       int      `json:"hidden"` // width of the blocks' middle layer; Transformer only
	Groups       int      `json:"groups"` // of the group norms; divides Width and Width/2; Residual only
	// Floor is the presence below which a detection is dropped, about the probability of a missed
	// object.
	Floor float64 `json:"floor"`
	// Threshold is the least confidence of a detection that is listed as an object.
	Threshold float64 `json:"threshold"`
	// Overlap is the intersection over union above which two detections of one class are one
	// object.
	Overlap float64 `json:"overlap"`
}

// Defaults of the decoding.
const (
	defaultFloor     = 0.02
	defaultThreshold = 0.5
	defaultOverlap   = 0.6
)

// WithDefaults sets thresholds that are zero to their defaults.
func (c Config) WithDefaults() Config {
	for _, d := range []struct {
		value *float64
		first float64
	}{{&c.Floor, defaultFloor}, {&c.Threshold, defaultThreshold}, {&c.Overlap, defaultOverlap}} {
		if *d.value == 0 {
			*d.value = d.first
		}
	}
	return c
}

// Bounds against mistakes and hostile files.
const (
	maxSide  = 1024
	maxWidth = 4096
	maxDepth = 64
	maxNames = 1024
)

// Validate reports a detector that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: detector: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case c.Architecture != Transformer && c.Architecture != Residual:
		return bad("unknown architecture %q: use %s or %s", c.Architecture, Transformer, Residual)
	case c.Side < 16 || c.Side > maxSide:
		return bad("side %d: must be from 16 to %d", c.Side, maxSide)
	case c.Cell < 4 || c.Side%c.Cell != 0:
		return bad("cell %d: must be 4 or more and divide %d", c.Cell, c.Side)
	case c.Width < 2 || c.Width > maxWidth || c.Width%2 != 0:
		return bad("width %d: must be even, from 2 to %d", c.Width, maxWidth)
	case c.Depth < 1 || c.Depth > maxDepth:
		return bad("depth %d: must be from 1 to %d", c.Depth, maxDepth)
	case !unit(c.Floor) || !unit(c.Threshold) || !unit(c.Overlap):
		return bad("floor %v, threshold %v and overlap %v must be from 0 to 1", c.Floor, c.Threshold, c.Overlap)
	}
	for _, names := range [][]string{c.Classes, c.Colors} {
		sorted := slices.Sorted(slices.Values(names))
		if len(names) == 0 || len(names) > maxNames || len(slices.Compact(sorted)) != len(names) || sorted[0] == "" {
			return bad("classes and colors must be 1 to %d different names", maxNames)
		}
	}
	if c.Architecture == Residual {
		if c.Cell%2 != 0 || c.Groups < 1 || c.Width/2%c.Groups != 0 {
			return bad("cell %d and groups %d: a residual detector needs an even cell, and groups that divide %d", c.Cell, c.Groups, c.Width/2)
		}
		return nil
	}
	if c.Heads < 1 || c.Width%c.Heads != 0 || c.Hidden < 1 || c.Hidden > maxWidth {
		return bad("heads %d and hidden %d: heads must divide %d, hidden must be from 1 to %d", c.Heads, c.Hidden, c.Width, maxWidth)
	}
	return nil
}

func unit(v float64) bool { return v >= 0 && v <= 1 }

// grid is the number of cells per side.
func (c Config) grid() int { return c.Side / c.Cell }

// cells is the number of cells of an image.
func (c Config) cells() int { return c.grid() * c.grid() }

// outputs is the number of outputs per cell: presence, box, classes, colors and the natural color.
func (c Config) outputs() int { return 1 + boxNumbers + len(c.Classes) + len(c.Colors) + 1 }

// boxNumbers is the number of outputs of a box: the offset of its center from the cell's, in
// cells, and the logarithms of width and height in cells.
const boxNumbers = 4
