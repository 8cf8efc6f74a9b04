package search

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"

	"reflectionflow"
)

// pixels is what the pixels of an image are compared by.
type pixels struct {
	sum   uint64 // FNV-1a of the size and of all pixels as NRGBA
	blank bool   // all pixels are of one color, up to blankRange in each channel
	color color.NRGBA
}

// blankRange is how far the channels of a blank image may be apart: what a lossy
// encoding leaves.
const blankRange = 2

// inspect reads an image; nil gives the zero value.
func inspect(img image.Image) pixels {
	if img == nil {
		return pixels{}
	}
	b := img.Bounds()
	row := make([]byte, 4*b.Dx())
	h := fnv.New64a()
	size := binary.LittleEndian.AppendUint64(nil, uint64(b.Dx())<<32|uint64(b.Dy())) // #nosec G115 // not negative
	_, _ = h.Write(size)
	least, most := [4]byte{255, 255, 255, 255}, [4]byte{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		readRow(row, img, y)
		_, _ = h.Write(row)
		for i, v := range row {
			least[i%4], most[i%4] = min(least[i%4], v), max(most[i%4], v)
		}
	}
	p := pixels{sum: h.Sum64(), blank: true, color: color.NRGBA{least[0], least[1], least[2], least[3]}}
	for i := range least {
		p.blank = p.blank && most[i]-least[i] <= blankRange
	}
	return p
}

// readRow writes the pixels of a row as NRGBA.
func readRow(row []byte, img image.Image, y int) {
	b := img.Bounds()
	switch m := img.(type) {
	case *image.NRGBA:
		copy(row, m.Pix[m.PixOffset(b.Min.X, y):])
		return
	case *image.RGBA:
		copy(row, m.Pix[m.PixOffset(b.Min.X, y):])
		if opaque(row) {
			return
		}
	}
	for x := range b.Dx() {
		c, _ := color.NRGBAModel.Convert(img.At(b.Min.X+x, y)).(color.NRGBA)
		row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, c.A
	}
}

// opaque reports whether a row of RGBA equals one of NRGBA.
func opaque(row []byte) bool {
	for i := 3; i < len(row); i += 4 {
		if row[i] != 255 {
			return false
		}
	}
	return true
}

// doubt adds warnings to a candidate whose image is blank, or the same as that of
// another seed: a server that ignores seeds.
func (p *promptSearch) doubt(c *reflectionflow.Candidate, px pixels) {
	switch earlier, again := p.remember(*c, px); {
	case px.sum == 0:
	case px.blank:
		c.Warnings = append(c.Warnings, fmt.Sprintf("the image is blank: every pixel has the color #%02x%02x%02x", px.color.R, px.color.G, px.color.B))
	case again:
		c.Unseeded = true
		c.Warnings = append(c.Warnings, fmt.Sprintf("the image is identical to that of candidate %d, which has another seed: the generator ignores seeds", earlier))
	}
}

// remember keeps the pixels of an image generated from noise alone, and returns the
// candidate that has the same ones from another seed.
func (p *promptSearch) remember(c reflectionflow.Candidate, px pixels) (earlier int, again bool) {
	if px.sum == 0 || px.blank || c.Action == reflectionflow.Reflect || c.Error != "" {
		return 0, false
	}
	o, known := p.origins[px.sum]
	if !known {
		p.origins[px.sum] = reflectionflow.Candidate{ID: c.ID, Request: c.Request}
		return 0, false
	}
	return o.ID, o.Request.Seed != c.Request.Seed
}
