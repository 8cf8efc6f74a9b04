package main

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"

	"reflectionflow/clipart"
)

// trimAlpha is the greatest alpha that counts as empty when a drawing is trimmed.
const trimAlpha = 8

func readPNG(path string) (*image.NRGBA, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", path, err)
	}
	if n, ok := m.(*image.NRGBA); ok {
		return n, nil
	}
	n := image.NewNRGBA(m.Bounds())
	draw.Draw(n, n.Rect, m, m.Bounds().Min, draw.Src)
	return n, nil
}

func writePNG(path string, m image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	return errors.Join(encoder.Encode(f, m), f.Close())
}

// placeTile trims a drawing, reduces it to fit the tile inside its margin and centers it in the
// tile whose left edge is at x.
func placeTile(strip *image.NRGBA, x int, raster *image.NRGBA) error {
	opaque := opaqueBounds(raster)
	if opaque.Empty() {
		return errors.New("the drawing is empty")
	}
	inner := clipart.TileSize - 2*clipart.TileMargin
	longer := max(opaque.Dx(), opaque.Dy())
	// Scaling the whole square keeps the proportions of the drawing to a fraction of a pixel.
	corner := image.Pt(opaque.Min.X-(longer-opaque.Dx())/2, opaque.Min.Y-(longer-opaque.Dy())/2)
	for ty := range inner {
		for tx := range inner {
			c := mean(raster, corner, longer, tx, ty, inner)
			strip.SetNRGBA(x+clipart.TileMargin+tx, clipart.TileMargin+ty, c)
		}
	}
	return nil
}

func opaqueBounds(m *image.NRGBA) image.Rectangle {
	var r image.Rectangle
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			if m.NRGBAAt(x, y).A > trimAlpha {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

// mean is the average color, weighted by alpha, of the part of a square of longer×longer pixels
// that cell (tx, ty) of cells×cells covers. Lengths are in units of 1/cells of a pixel.
func mean(m *image.NRGBA, corner image.Point, longer, tx, ty, cells int) color.NRGBA { //nolint:revive // six numbers of one grid
	var r, g, b, a int
	x0, x1, y0, y1 := tx*longer, (tx+1)*longer, ty*longer, (ty+1)*longer
	for y := y0 / cells; y*cells < y1; y++ {
		height := min(y1, (y+1)*cells) - max(y0, y*cells)
		for x := x0 / cells; x*cells < x1; x++ {
			p := image.Pt(x, y).Add(corner)
			if !p.In(m.Rect) {
				continue
			}
			c := m.NRGBAAt(p.X, p.Y)
			w := height * (min(x1, (x+1)*cells) - max(x0, x*cells)) * int(c.A)
			r, g, b, a = r+w*int(c.R), g+w*int(c.G), b+w*int(c.B), a+w
		}
	}
	if a == 0 {
		return color.NRGBA{}
	}
	half := a / 2
	area := longer * longer
	return color.NRGBA{uint8((r + half) / a), uint8((g + half) / a), uint8((b + half) / a), uint8((a + area/2) / area)}
}
