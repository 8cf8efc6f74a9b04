package pixels

import (
	"image"
	"math"
	"slices"
)

// weighted is a linear combination of source pixels, from the first on.
type weighted struct {
	first   int
	weights []float64
}

// Padded returns an image as OWLv2 reads it: [side, side, 3]. The image is padded with black to a square
// at its right or bottom, blurred by a Gaussian where it shrinks, resized by linear interpolation and
// normalized (transformers' Owlv2ImageProcessorPil, on scipy.ndimage). Errors are those of [Processor.Pixels].
func (p Processor) Padded(img image.Image) ([]float32, error) {
	read, err := Reader(img)
	if err != nil {
		return nil, err
	}
	side, bounds := p.Size.square().X, img.Bounds()
	axis := shrink(max(bounds.Dx(), bounds.Dy()), side)
	columns, rows := within(axis, bounds.Dx()), within(axis, bounds.Dy())
	var bytes [256]float64
	for v := range bytes {
		bytes[v] = float64(p.rescaled(v))
	}
	// A line per row of the image, without the black columns to the right of it.
	used := slices.IndexFunc(columns, func(t weighted) bool { return len(t.weights) == 0 })
	if used < 0 {
		used = side
	}
	width := 3 * used
	lines := make([]float32, bounds.Dy()*width)
	source := make([]float64, 3*bounds.Dx())
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			for c, v := range read(bounds.Min.X+x, bounds.Min.Y+y) {
				source[3*x+c] = bytes[v]
			}
		}
		line := lines[y*width:]
		for i, t := range columns[:used] {
			for c := range 3 {
				sum := 0.0
				for j, w := range t.weights {
					sum += w * source[3*(t.first+j)+c]
				}
				line[3*i+c] = float32(sum)
			}
		}
	}
	values := make([]float32, 3*side*side)
	sums := make([]float64, 3*side)
	for i, t := range rows {
		clear(sums)
		for j, w := range t.weights {
			for k, v := range lines[(t.first+j)*width:][:width] {
				sums[k] += w * float64(v)
			}
		}
		for k, v := range sums {
			values[3*side*i+k] = p.normalized(k%3, float32(v))
		}
	}
	return values, nil
}

// shrink returns the output pixels of an axis of n pixels resized to side, as weights of the n pixels:
// a Gaussian of deviation (n/side-1)/2, cut at four deviations, then linear interpolation between centers.
// At both ends the axis is mirrored about the center of its last pixel.
func shrink(n, side int) []weighted {
	factor := float64(n) / float64(side)
	kernel := gaussian((factor - 1) / 2)
	reach := len(kernel) / 2
	list := make([]weighted, side)
	for i := range list {
		at := mirrored((float64(i)+0.5)*factor-0.5, n)
		low := int(math.Floor(at))
		part := at - float64(low)
		sums := map[int]float64{}
		first, last := n, 0
		for _, tap := range []struct {
			pixel  int
			weight float64
		}{{low, 1 - part}, {low + 1, part}} {
			if tap.weight == 0 {
				continue
			}
			for k, w := range kernel {
				j := int(mirrored(float64(tap.pixel+k-reach), n))
				sums[j] += tap.weight * w
				first, last = min(first, j), max(last, j)
			}
		}
		list[i] = weighted{first, make([]float64, last-first+1)}
		for j, w := range sums {
			list[i].weights[j-first] = w
		}
	}
	return list
}

// gaussian is a normalized kernel of odd length.
func gaussian(sigma float64) []float64 {
	if !(sigma > 1e-15) {
		return []float64{1}
	}
	reach := int(4*sigma + 0.5)
	kernel, sum := make([]float64, 2*reach+1), 0.0
	for i := range kernel {
		x := float64(i-reach) / sigma
		kernel[i] = math.Exp(-x * x / 2)
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	return kernel
}

// mirrored maps a coordinate into [0, n-1] by reflection about its ends.
func mirrored(at float64, n int) float64 {
	if n == 1 {
		return 0
	}
	period := float64(2 * (n - 1))
	at = math.Abs(math.Remainder(at, period))
	return min(at, float64(n-1))
}

// within cuts the weights to the first n pixels: those beyond are black.
func within(axis []weighted, n int) []weighted {
	cut := make([]weighted, len(axis))
	for i, t := range axis {
		if t.first < n {
			cut[i] = weighted{t.first, t.weights[:min(len(t.weights), n-t.first)]}
		}
	}
	return cut
}
