package photo

import (
	"image"
	"image/color"
	"image/draw"
	"math"
)

// Settings of painting over, in fractions of the image's sides and in pixels.
const (
	// margins is how much wider than a thing the painted box is on each side.
	margins = 0.01
	// brush is how many pixels beside the box count, along a row.
	brush = 4
)

// paint returns the image with things painted over: in each row of a box, from the color on its left to that on its right.
// What is behind a thing is guessed from what is beside it: a sofa without the dogs that hide it.
func paint(img image.Image, boxes [][4]float64) image.Image {
	b := img.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	for _, box := range boxes {
		x0, x1 := int(math.Floor((box[0]-margins)*float64(b.Dx()))), int(math.Ceil((box[2]+margins)*float64(b.Dx())))
		y0, y1 := max(int((box[1]-margins)*float64(b.Dy())), 0), min(int((box[3]+margins)*float64(b.Dy())), b.Dy())
		for y := y0; y < y1; y++ {
			paintRow(out, x0, x1, y)
		}
	}
	return out
}

// paintRow paints over the pixels from x0 up to x1 of a row, which may reach beyond the image.
func paintRow(img *image.NRGBA, x0, x1, y int) {
	left, atLeft := stroke(img, x0-1, y, -1)
	right, atRight := stroke(img, x1, y, 1)
	if !atLeft {
		left = right
	}
	if !atRight {
		right = left
	}
	for x := max(x0, 0); x < min(x1, img.Rect.Dx()); x++ {
		t := float64(x-x0+1) / float64(x1-x0+1)
		var c [3]uint8
		for k := range c {
			c[k] = uint8(left[k]*(1-t) + right[k]*t)
		}
		img.SetNRGBA(x, y, color.NRGBA{c[0], c[1], c[2], 255})
	}
}

// stroke is the mean color of some pixels from x on in a direction, in the row and those next to it. known is false where
// the image has none.
func stroke(img *image.NRGBA, x, y, step int) (mean [3]float64, known bool) {
	n := 0.0
	for i := range brush {
		for j := -1; j <= 1; j++ {
			if p := image.Pt(x+i*step, y+j); p.In(img.Rect) {
				c := img.NRGBAAt(p.X, p.Y)
				mean[0], mean[1], mean[2], n = mean[0]+float64(c.R), mean[1]+float64(c.G), mean[2]+float64(c.B), n+1
			}
		}
	}
	for k := range mean {
		mean[k] /= max(n, 1)
	}
	return mean, n > 0
}
