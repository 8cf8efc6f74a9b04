package flux

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

// The autoencoder computes large images in bands of rows, one after the other, so that what lies between two
// convolutions, such as the normalized image, never exists as a whole: decoding 1024×1024 pixels takes half of the
// memory. The seams are exact. A band has the rows of its neighbours that its convolution reads, and statistics of group
// norms are those of the whole image.

// bandNumbers is about how many numbers a band has. An image of up to four bands is computed as a whole.
const bandNumbers = 1 << 23

// band is the rows from to before to of the result of a 3×3 convolution that keeps the height. It reads the rows low to
// before high, and zeros above and below where the image ends.
type band struct {
	from, to, low, high int
	zeros               [2]int
}

// of returns the rows of x that the band reads.
func (b band) of(x *Node) *Node { return rowsOf(x, b.low, b.high) }

// inner returns the rows of x that the band is.
func (b band) inner(x *Node) *Node { return rowsOf(x, b.from, b.to) }

func rowsOf(x *Node, from, to int) *Node {
	if from == 0 && to == x.Shape().Dim(1) {
		return x
	}
	return Slice(x, AxisRange(), AxisRange(from, to))
}

// inBands computes the rows of a result that is scale times as high as the image x, with so many channels at its widest,
// by compute.
func (c AutoencoderConfig) inBands(x *Node, scale, channels int, compute func(b band) *Node) *Node {
	d := x.Shape().Dimensions
	height := scale * d[1]
	row := d[0] * scale * d[2] * channels
	numbers := c.bandNumbers
	if numbers == 0 {
		numbers = bandNumbers
	}
	if height*row <= 4*numbers {
		return compute(band{0, height, 0, height, [2]int{1, 1}})
	}
	var parts []*Node
	step := max(2, numbers/row/2*2) // even, for the two rows that an upsampled row becomes
	for from := 0; from < height; from += step {
		b := band{from: from, to: min(from+step, height)}
		b.low, b.high = max(b.from-1, 0), min(b.to+1, height)
		b.zeros = [2]int{1 - (b.from - b.low), 1 - (b.high - b.to)}
		parts = append(parts, compute(b))
	}
	return Concatenate(parts, 1)
}

// upsample doubles height and width of x by repeating pixels, and convolves.
func (c AutoencoderConfig) upsample(s nn.Scope, x *Node, width int) *Node {
	height := x.Shape().Dim(1)
	return c.inBands(x, 2, max(x.Shape().Dim(-1), width), func(b band) *Node {
		low, high := b.low/2, min((b.high+1)/2, height) // rows of x
		y := nn.Upsample2(rowsOf(x, low, high))
		return nn.Same3().Rows(s, rowsOf(y, b.low-2*low, b.high-2*low), width, b.zeros)
	})
}

// downsample halves height and width by a convolution with zeros to the right and below only: diffusers pads (0, 1, 0, 1).
func (c AutoencoderConfig) downsample(s nn.Scope, x *Node, width int) *Node {
	kernel := nn.Kernel{Size: 3, Stride: 2, Pad: [2]int{0, 1}}
	height := x.Shape().Dim(1)
	return c.inBands(x, 1, x.Shape().Dim(-1), func(b band) *Node {
		if b.to < height { // the row after its last
			return kernel.Rows(s, rowsOf(x, b.from, b.to+1), width, [2]int{0, 0})
		}
		return kernel.Rows(s, rowsOf(x, b.from, height), width, kernel.Pad)
	})
}
