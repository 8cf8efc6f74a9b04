package ssdlite

import (
	"image"

	"reflectionflow/internal/pixels"
)

// scale maps a byte to [-1, 1] as 1/127.5, rounded as in the reference.
const scale = 0.007843137718737125

// axis says which source pixels an output pixel lies between, and how far from low to high.
type axis struct {
	low, high [side]int
	weight    [side]float32
}

// resample is TensorFlow's first bilinear resize, with which the network was trained: output pixel i
// is at source pixel i·n/300, without an offset of half a pixel and without antialiasing.
func resample(n int) *axis {
	a := new(axis)
	step := float32(float64(n) / side)
	for i := range side {
		at := float32(i) * step
		a.low[i] = min(int(at), n-1)
		a.weight[i] = at - float32(a.low[i])
		a.high[i] = a.low[i]
		if a.weight[i] > 0 {
			a.high[i] = min(a.low[i]+1, n-1)
		}
	}
	return a
}

// stretched returns an image as the network reads it: [300, 300, 3] in [-1, 1], stretched whatever the
// image's shape. It reads at most 600 rows and columns. Colors are those of [pixels.Reader], and so are
// the errors.
func stretched(img image.Image) ([]float32, error) {
	rgb, err := pixels.Reader(img)
	if err != nil {
		return nil, err
	}
	bounds := img.Bounds()
	rows, columns := resample(bounds.Dy()), resample(bounds.Dx())
	read := func(line *[side * 3]float32, row int) {
		for i := range side {
			low := rgb(bounds.Min.X+columns.low[i], bounds.Min.Y+row)
			high := low
			if columns.high[i] != columns.low[i] {
				high = rgb(bounds.Min.X+columns.high[i], bounds.Min.Y+row)
			}
			for c := range 3 {
				line[3*i+c] = between(float32(low[c]), float32(high[c]), columns.weight[i])
			}
		}
	}
	values := make([]float32, 0, side*side*3)
	top, bottom := new([side * 3]float32), new([side * 3]float32)
	topRow, bottomRow := -1, -1 // what the lines hold
	for i := range side {
		if bottomRow == rows.low[i] {
			top, bottom, topRow, bottomRow = bottom, top, bottomRow, topRow
		}
		if topRow != rows.low[i] {
			topRow = rows.low[i]
			read(top, topRow)
		}
		if bottomRow != rows.high[i] {
			bottomRow = rows.high[i]
			read(bottom, bottomRow)
		}
		for j := range top {
			// The conversion keeps a compiler from fusing the product with the difference.
			values = append(values, float32(between(top[j], bottom[j], rows.weight[i])*scale)-1)
		}
	}
	return values, nil
}

func between(low, high, weight float32) float32 { return low + float32((high-low)*weight) }
