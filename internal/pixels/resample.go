package pixels

import (
	"fmt"
	"image"
	"math"

	"reflectionflow"
)

// Filter is a resampling filter, by Pillow's number.
type Filter int

// The filters that image processors name.
const (
	Lanczos  Filter = 1
	Bilinear Filter = 2
	Bicubic  Filter = 3
)

// support is how far a filter reaches at scale 1, in pixels.
func (f Filter) support() float64 {
	return map[Filter]float64{Lanczos: 3, Bilinear: 1, Bicubic: 2}[f]
}

// at is the filter's value at a distance.
func (f Filter) at(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x >= f.support():
		return 0
	case f == Lanczos:
		return sinc(x) * sinc(x/3)
	case f == Bilinear:
		return 1 - x
	case x < 1: // Keys' cubic with a = -0.5, in the order of Pillow's operations
		return float64((float64(1.5*x)-2.5)*x)*x + 1
	}
	return (float64((float64((x-5)*x)+8)*x) - 4) * -0.5
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// precision is the number of fractional bits of Pillow's weights.
const precision = 22

// taps are the source pixels of one output pixel, from the first on, with their weights.
type taps struct {
	first   int
	weights []int32
}

// axis returns the taps of the output pixels from..to of an axis resized from n to size pixels. The
// weights are Pillow's (Resample.c, precompute_coeffs and normalize_coeffs_8bpc).
func (f Filter) axis(n, size, from, to int) []taps {
	list := make([]taps, 0, to-from)
	scale := float64(n) / float64(size)
	stretch := max(scale, 1)
	reach := f.support() * stretch
	for i := from; i < to; i++ {
		if n == size {
			list = append(list, taps{i, []int32{1 << precision}})
			continue
		}
		center := (float64(i) + 0.5) * scale
		first, end := max(int(center-reach+0.5), 0), min(int(center+reach+0.5), n)
		raw, sum := make([]float64, end-first), 0.0
		for j := range raw {
			raw[j] = f.at((float64(j+first) - center + 0.5) * (1 / stretch))
			sum += raw[j]
		}
		weights := make([]int32, len(raw))
		for j, w := range raw {
			if sum != 0 {
				w /= sum
			}
			weights[j] = int32(math.Copysign(math.Trunc(math.Abs(w)*(1<<precision)+0.5), w))
		}
		list = append(list, taps{first, weights})
	}
	return list
}

// span returns the source pixels that the taps read.
func span(axis []taps) (from, to int) {
	last := axis[len(axis)-1]
	return axis[0].first, last.first + len(last.weights)
}

// picture is RGB bytes by row. Its first pixel is at origin of the image that it is cut out of.
type picture struct {
	origin        image.Point
	width, height int
	rgb           []uint8
}

// horizontal and vertical resize one axis, rounding to bytes as Pillow does.
func (p picture) horizontal(columns []taps) picture {
	out := picture{image.Pt(0, p.origin.Y), len(columns), p.height, make([]uint8, 3*len(columns)*p.height)}
	for y := range p.height {
		in, line := p.rgb[3*y*p.width:][:3*p.width], out.rgb[3*y*out.width:]
		for i, t := range columns {
			sums := [3]int64{half, half, half}
			at := 3 * (t.first - p.origin.X)
			for _, w := range t.weights {
				sums[0] += int64(in[at]) * int64(w)
				sums[1] += int64(in[at+1]) * int64(w)
				sums[2] += int64(in[at+2]) * int64(w)
				at += 3
			}
			for c, sum := range sums {
				line[3*i+c] = clamped(sum)
			}
		}
	}
	return out
}

func (p picture) vertical(rows []taps) picture {
	width := 3 * p.width
	out := picture{image.Pt(p.origin.X, 0), p.width, len(rows), make([]uint8, width*len(rows))}
	sums := make([]int64, width)
	for i, t := range rows {
		for j := range sums {
			sums[j] = half
		}
		for k, w := range t.weights {
			for j, v := range p.rgb[(t.first-p.origin.Y+k)*width:][:width] {
				sums[j] += int64(v) * int64(w)
			}
		}
		for j, sum := range sums {
			out.rgb[i*width+j] = clamped(sum)
		}
	}
	return out
}

// half rounds a sum.
const half = 1 << (precision - 1)

func clamped(sum int64) uint8 { return uint8(min(max(sum>>precision, 0), 255)) }

// Resized returns the part of an image, resized to size, that view shows: RGB bytes by row. view may
// reach beyond the image, which is black there. Pixels that view does not need are not computed. An image without
// pixels and an unknown filter give an error wrapping [reflectionflow.ErrInvalid].
func Resized(img image.Image, f Filter, size image.Point, view image.Rectangle) ([]uint8, error) {
	read, err := Reader(img)
	if err != nil {
		return nil, err
	}
	if f.support() == 0 {
		return nil, fmt.Errorf("%w: the resampling filter %d is not supported: 1 (lanczos), 2 (bilinear) and 3 (bicubic) are", reflectionflow.ErrInvalid, f)
	}
	out := make([]uint8, 3*view.Dx()*view.Dy())
	shown := view.Intersect(image.Rectangle{Max: size})
	if shown.Empty() {
		return out, nil
	}
	bounds := img.Bounds()
	columns := f.axis(bounds.Dx(), size.X, shown.Min.X, shown.Max.X)
	rows := f.axis(bounds.Dy(), size.Y, shown.Min.Y, shown.Max.Y)
	p := cut(read, bounds.Min, columns, rows)
	if bounds.Dy()-size.Y > 2*max(0, bounds.Dx()-size.X) { // Pillow 13's order
		p = p.vertical(rows).horizontal(columns)
	} else {
		p = p.horizontal(columns).vertical(rows)
	}
	for y := range p.height {
		at := 3 * ((shown.Min.Y-view.Min.Y+y)*view.Dx() + shown.Min.X - view.Min.X)
		copy(out[at:], p.rgb[3*y*p.width:][:3*p.width])
	}
	return out, nil
}

// cut reads the pixels that the taps need.
func cut(read func(x, y int) [3]uint8, origin image.Point, columns, rows []taps) picture {
	left, right := span(columns)
	top, bottom := span(rows)
	p := picture{image.Pt(left, top), right - left, bottom - top, make([]uint8, 0, 3*(right-left)*(bottom-top))}
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			c := read(origin.X+x, origin.Y+y)
			p.rgb = append(p.rgb, c[:]...)
		}
	}
	return p
}
