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

// Look is a perceptual hash of a picture: pictures that look alike have looks that
// are near each other, whatever their size and encoding.
//
// The first eight bytes are a difference hash: over 9×8 cells, a bit says whether
// a cell is clearly brighter than its neighbour to the left. The other twelve are the
// mean red, green and blue of the four quarters, for pictures that differ in colour alone.
type Look [20]byte

// The most by which the looks of pictures that look the same differ.
const (
	lookBits  = 3 // of the difference hash
	lookLevel = 2 // of 255, of any colour
	lookStep  = 2 // of 255: a difference in brightness that is no noise
)

const lookColumns, lookRows = 9, 8

// LookOf is the look of a picture.
func LookOf(m image.Image) Look {
	var look Look
	var cells [lookRows][lookColumns]int
	var counts [lookRows][lookColumns]int
	var quarters [4][3]int
	var sizes [4]int
	b := m.Bounds()
	at := pixels(m)
	for y := range b.Dy() {
		row, low := y*lookRows/b.Dy(), 2*y/b.Dy()
		for x := range b.Dx() {
			c := at(b.Min.X+x, b.Min.Y+y)
			column := x * lookColumns / b.Dx()
			cells[row][column] += (299*int(c.R) + 587*int(c.G) + 114*int(c.B)) / 1000
			counts[row][column]++
			q := 2*low + 2*x/b.Dx()
			sizes[q]++
			for i, v := range [3]uint8{c.R, c.G, c.B} {
				quarters[q][i] += int(v)
			}
		}
	}
	for row := range lookRows {
		for column := range lookColumns {
			cells[row][column] /= max(counts[row][column], 1)
			if column > 0 && cells[row][column] > cells[row][column-1]+lookStep {
				look[row] |= 1 << (column - 1)
			}
		}
	}
	for q := range quarters {
		for i, sum := range quarters[q] {
			look[8+3*q+i] = uint8(sum / max(sizes[q], 1))
		}
	}
	return look
}

// pixels reads a picture's colours, on black.
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
		r, g, b, _ := m.At(x, y).RGBA() // premultiplied: on black
		return color.RGBA{R: uint8(r >> 8), G: uint8(g >> 8), B: uint8(b >> 8), A: 255}
	}
}

// Same reports whether pictures with these looks look the same.
func (l Look) Same(m Look) bool {
	differ := 0
	for i := range 8 {
		differ += bits.OnesCount8(l[i] ^ m[i])
	}
	if differ > lookBits {
		return false
	}
	for i := 8; i < len(l); i++ {
		if d := int(l[i]) - int(m[i]); d > lookLevel || d < -lookLevel {
			return false
		}
	}
	return true
}

// MarshalText implements [encoding.TextMarshaler].
func (l Look) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, l[:]), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *Look) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(l) {
		return fmt.Errorf("%w: a look has %d hexadecimal digits, not %d", reflectionflow.ErrInvalid, hex.EncodedLen(len(l)), len(text))
	}
	if _, err := hex.Decode(l[:], text); err != nil {
		return fmt.Errorf("%w: it is no look: %v", reflectionflow.ErrInvalid, err)
	}
	return nil
}

// decodeLook is the look of an encoded picture.
func decodeLook(data []byte) (Look, error) {
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return Look{}, fmt.Errorf("%w: the picture is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	return LookOf(m), nil
}
