package genref

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	_ "image/png" // pictures of other sets may be PNG

	"reflectionflow"
)

// jpegQuality keeps what a corrector must see.
const jpegQuality = 95

// maxPixels bounds a picture of a set.
const maxPixels = 64 << 20

// EncodePicture encodes a picture as JPEG, as shards hold it.
func EncodePicture(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return b.Bytes(), nil
}

// checkPicture reports what is no picture, or one too large, by its header.
func checkPicture(data []byte) error {
	config, _, err := image.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return fmt.Errorf("%w: it is no picture: %v", reflectionflow.ErrInvalid, err)
	case config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height:
		return fmt.Errorf("%w: %d×%d pixels: a picture may have %d", reflectionflow.ErrInvalid, config.Width, config.Height, maxPixels)
	}
	return nil
}

// distance is the mean absolute difference of two pictures' red, green and blue,
// in [0, 1]; 1 where their sizes differ.
func distance(a, b *image.RGBA) float64 {
	if a.Rect != b.Rect || len(a.Pix) == 0 {
		return 1
	}
	sum := 0
	for i, x := range a.Pix {
		d := int(x) - int(b.Pix[i]) // alpha is full in both
		sum += max(d, -d)
	}
	return float64(sum) / float64(255*len(a.Pix)/4*3)
}

// opaque copies a picture, on black, with its corner at the origin.
func opaque(m image.Image) *image.RGBA {
	b := m.Bounds()
	to := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(to, to.Rect, image.Black, image.Point{}, draw.Src)
	draw.Draw(to, to.Rect, m, b.Min, draw.Over)
	return to
}
