// Package pixels turns images into the numbers that networks read, as transformers' image processors do
// on Pillow: the same bytes after conversion and resizing, the same floats after normalization.
package pixels

import (
	"fmt"
	"image"
	"image/color"

	"reflectionflow"
)

// Reader returns a function that reads one pixel of an image as Pillow's conversion to 8-bit RGB does:
// deep colors are cut to their high byte, CMYK is multiplied out, and what is transparent lies over
// white.
func Reader(img image.Image) (func(x, y int) [3]uint8, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, fmt.Errorf("%w: the image is missing or empty", reflectionflow.ErrInvalid)
	}
	switch img := img.(type) {
	case *image.CMYK:
		return func(x, y int) [3]uint8 { return fromCMYK(img.CMYKAt(x, y)) }, nil
	case *image.NRGBA:
		return func(x, y int) [3]uint8 { return overWhite(img.NRGBAAt(x, y)) }, nil
	case *image.Paletted:
		return palette(img), nil
	case *image.NRGBA64:
		return func(x, y int) [3]uint8 {
			c := img.NRGBA64At(x, y)
			return overWhite(color.NRGBA{R: uint8(c.R >> 8), G: uint8(c.G >> 8), B: uint8(c.B >> 8), A: uint8(c.A >> 8)})
		}, nil
	case image.RGBA64Image: // all other images of the standard library, without allocation
		return func(x, y int) [3]uint8 { return overWhite(unmultiplied(img.RGBA64At(x, y))) }, nil
	}
	return func(x, y int) [3]uint8 {
		r, g, b, a := img.At(x, y).RGBA()
		return overWhite(unmultiplied(color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}))
	}, nil
}

// palette converts the palette once.
func palette(img *image.Paletted) func(x, y int) [3]uint8 {
	var colors [256][3]uint8
	for i, c := range img.Palette {
		if i < len(colors) {
			colors[i] = overWhite(color.NRGBAModel.Convert(c).(color.NRGBA))
		}
	}
	return func(x, y int) [3]uint8 { return colors[img.ColorIndexAt(x, y)] }
}

// unmultiplied cuts a premultiplied color to 8 bits.
func unmultiplied(c color.RGBA64) color.NRGBA {
	switch c.A {
	case 0xffff:
		return color.NRGBA{R: uint8(c.R >> 8), G: uint8(c.G >> 8), B: uint8(c.B >> 8), A: 255}
	case 0:
		return color.NRGBA{}
	}
	part := func(v uint16) uint8 { return uint8(min(uint32(v)*0xffff/uint32(c.A), 0xffff) >> 8) }
	return color.NRGBA{R: part(c.R), G: part(c.G), B: part(c.B), A: uint8(c.A >> 8)}
}

// overWhite is Pillow's alpha_composite over white, rounding included.
func overWhite(c color.NRGBA) [3]uint8 {
	if c.A == 255 {
		return [3]uint8{c.R, c.G, c.B}
	}
	const bits = 7
	a := uint32(c.A) << bits
	blend := func(v uint8) uint8 {
		t := uint32(v)*a + 255*(255<<bits-a) + 0x80<<bits
		return uint8((t>>8 + t) >> 8 >> bits)
	}
	return [3]uint8{blend(c.R), blend(c.G), blend(c.B)}
}

// fromCMYK is Pillow's conversion, rounding included.
func fromCMYK(c color.CMYK) [3]uint8 {
	light := 255 - uint32(c.K)
	part := func(ink uint8) uint8 {
		t := uint32(ink)*light + 128
		return uint8(light - (t>>8+t)>>8)
	}
	return [3]uint8{part(c.C), part(c.M), part(c.Y)}
}
