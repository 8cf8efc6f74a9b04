package detect

import (
	"fmt"
	"image"

	"golang.org/x/image/draw"

	"reflectionflow"
)

// Pixels returns an image as the networks read it: [side, side, 3] bytes. It scales images of
// another size. An image that is nil or empty gives an error wrapping [reflectionflow.ErrInvalid].
func Pixels(img image.Image, side int) ([]uint8, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, fmt.Errorf("%w: the image is missing or empty", reflectionflow.ErrInvalid)
	}
	bounds := img.Bounds()
	if bounds.Dx() != side || bounds.Dy() != side {
		scaled := image.NewRGBA(image.Rect(0, 0, side, side))
		draw.CatmullRom.Scale(scaled, scaled.Bounds(), img, bounds, draw.Src, nil)
		img, bounds = scaled, scaled.Bounds()
	}
	bytes := make([]uint8, 0, side*side*3)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			bytes = append(bytes, uint8(r>>8), uint8(g>>8), uint8(b>>8))
		}
	}
	return bytes, nil
}
