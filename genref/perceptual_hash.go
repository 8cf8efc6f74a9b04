package genref

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"math/bits"

	"reflectionflow"
)

// PerceptualHash is a perceptual hash of an image: images that look alike have similar
// hashes, whatever their sizes and encodings.
//
// The first 8 bytes are a difference hash: the image is averaged to 9×8 cells of
// luminance, and a bit says whether a cell is brighter than its left neighbor by more
// than 2 of 255. The other 12 bytes are the mean red, green and blue of the four
// quarters, for images that differ in color alone.
type PerceptualHash [20]byte

// The largest differences between the hashes of images that look the same.
const (
	maxBitDifference   = 3 // bits of the difference hash
	maxColorDifference = 2 // of 255, of each mean color
	brightnessStep     = 2 // of 255; smaller differences in luminance are noise
)

const hashColumns, hashRows = 9, 8

// HashImage returns the perceptual hash of an image.
func HashImage(m image.Image) PerceptualHash {
	var hash PerceptualHash
	var cells [hashRows][hashColumns]int
	var counts [hashRows][hashColumns]int
	var quarters [4][3]int
	var sizes [4]int
	b := m.Bounds()
	at := pixels(m)
	for y := range b.Dy() {
		row, low := y*hashRows/b.Dy(), 2*y/b.Dy()
		for x := range b.Dx() {
			c := at(b.Min.X+x, b.Min.Y+y)
			column := x * hashColumns / b.Dx()
			cells[row][column] += (299*int(c.R) + 587*int(c.G) + 114*int(c.B)) / 1000
			counts[row][column]++
			q := 2*low + 2*x/b.Dx()
			sizes[q]++
			for i, v := range [3]uint8{c.R, c.G, c.B} {
				quarters[q][i] += int(v)
			}
		}
	}
	for row := range hashRows {
		for column := range hashColumns {
			cells[row][column] /= max(counts[row][column], 1)
			if column > 0 && cells[row][column] > cells[row][column-1]+brightnessStep {
				hash[row] |= 1 << (column - 1)
			}
		}
	}
	for q := range quarters {
		for i, sum := range quarters[q] {
			hash[8+3*q+i] = uint8(sum / max(sizes[q], 1))
		}
	}
	return hash
}

// pixels returns a function that reads colors, composed on black.
func pixels(m image.Image) func(x, y int) color.RGBA {
	switch m := m.(type) {
	case *image.RGBA:
		return m.RGBAAt
	case *image.YCbCr:
		return func(x, y int) color.RGBA {
			c := m.YCbCrAt(x, y)
			r, g, b := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
			return color.RGBA{R: r, G: g, B: b, A: 255}
		}
	}
	return func(x, y int) color.RGBA {
		r, g, b, _ := m.At(x, y).RGBA() // premultiplied by alpha, hence on black
		return color.RGBA{R: uint8(r >> 8), G: uint8(g >> 8), B: uint8(b >> 8), A: 255}
	}
}

// Similar reports whether images with these hashes look the same: at most 3 bits of the
// difference hash differ, and each mean color by at most 2 of 255.
func (l PerceptualHash) Similar(m PerceptualHash) bool {
	differ := 0
	for i := range 8 {
		differ += bits.OnesCount8(l[i] ^ m[i])
	}
	if differ > maxBitDifference {
		return false
	}
	for i := 8; i < len(l); i++ {
		if d := int(l[i]) - int(m[i]); d > maxColorDifference || d < -maxColorDifference {
			return false
		}
	}
	return true
}

// MarshalText implements [encoding.TextMarshaler].
func (l PerceptualHash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, l[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *PerceptualHash) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(l) {
		return fmt.Errorf("%w: a perceptual hash has %d hexadecimal digits, not %d", reflectionflow.ErrInvalid, hex.EncodedLen(len(l)), len(text))
	}
	if _, err := hex.Decode(l[:], text); err != nil {
		return fmt.Errorf("%w: it is not a perceptual hash: %v", reflectionflow.ErrInvalid, err)
	}
	return nil
}

// hashEncoded decodes an image and returns its perceptual hash.
func hashEncoded(data []byte) (PerceptualHash, error) {
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return PerceptualHash{}, fmt.Errorf("%w: the image is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	return HashImage(m), nil
}
