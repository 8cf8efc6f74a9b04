package remote

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/draw"
	"image/png"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// limits of one image: a 4096×4096 image of noise fits.
var limits = endpoint.ImageLimits{Bytes: 96 << 20, Side: reflectionflow.MaxSide, Pixels: reflectionflow.MaxSide * reflectionflow.MaxSide}

// decodeImage decodes an image of a server. An image that cannot be decoded, or that has
// another size than the request, is a Malformed error.
func decodeImage(c *endpoint.Client, data []byte, r reflectionflow.Request) (image.Image, error) {
	bound := limits
	// A decompression bomb of the largest side is refused where the request is small.
	bound.Side = max(r.Width, r.Height)
	bound.Pixels = bound.Side * bound.Side
	img, err := endpoint.DecodeImage(data, bound)
	if err != nil {
		e := c.Errorf(endpoint.Malformed, "%v", err)
		e.Err = err
		return nil, e
	}
	if img.Rect.Dx() != r.Width || img.Rect.Dy() != r.Height {
		e := c.Errorf(endpoint.Malformed, "an image of %d×%d pixels instead of %d×%d", img.Rect.Dx(), img.Rect.Dy(), r.Width, r.Height)
		e.Lasting = true
		return nil, e
	}
	return img, nil
}

// decodeBase64Image is decodeImage for base64.
func decodeBase64Image(c *endpoint.Client, text string, r reflectionflow.Request) (image.Image, error) {
	if text == "" {
		return nil, c.Errorf(endpoint.Malformed, "the image is missing")
	}
	data, err := endpoint.DecodeBase64(text, limits.Bytes)
	if err != nil {
		return nil, c.Errorf(endpoint.Malformed, "%v", err)
	}
	return decodeImage(c, data, r)
}

// encode returns a reference image as PNG. The bytes depend on the pixels alone, not on
// the image's Go type or origin.
func encode(img image.Image) ([]byte, error) {
	b := img.Bounds()
	if b.Empty() || b.Dx() > reflectionflow.MaxSide || b.Dy() > reflectionflow.MaxSide {
		return nil, invalid("the reference image has %d×%d pixels: sides must be from 1 to %d", b.Dx(), b.Dy(), reflectionflow.MaxSide)
	}
	flat := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Rect, img, b.Min, draw.Src)
	var buf bytes.Buffer
	if err := png.Encode(&buf, flat); err != nil {
		return nil, errors.New("encode the reference image")
	}
	return buf.Bytes(), nil
}

func encodeBase64(img image.Image) (string, error) {
	data, err := encode(img)
	return base64.StdEncoding.EncodeToString(data), err
}

// checkReferences returns an error for references that cannot be sent to a server that
// takes at most so many.
func checkReferences(r reflectionflow.Request, most int) error {
	if err := r.CheckReferences(most); err != nil {
		return err
	}
	for _, img := range r.References() {
		if b := img.Bounds(); b.Empty() || b.Dx() > reflectionflow.MaxSide || b.Dy() > reflectionflow.MaxSide {
			return invalid("the reference image has %d×%d pixels: sides must be from 1 to %d", b.Dx(), b.Dy(), reflectionflow.MaxSide)
		}
	}
	return nil
}
