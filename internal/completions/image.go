package completions

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"

	"reflectionflow"
)

// Images says how images are encoded.
type Images struct {
	// Format is "png", which is lossless, or "jpeg", which is smaller; empty means png.
	// Other formats are not accepted by all servers.
	Format string
	// Quality of JPEGs, from 1 to 100; 0 means 92.
	Quality int
	// MaxSide is the longest side in pixels, from 16; larger images are scaled down. 0
	// means 1024: larger images cost tokens, and most models scale them down anyway.
	MaxSide int
}

func (i Images) withDefaults() (Images, error) {
	if i.Format == "" {
		i.Format = "png"
	}
	if i.Quality == 0 {
		i.Quality = 92
	}
	if i.MaxSide == 0 {
		i.MaxSide = 1024
	}
	switch {
	case i.Format != "png" && i.Format != "jpeg":
		return i, fmt.Errorf("%w: image format %q: use png or jpeg", reflectionflow.ErrInvalid, i.Format)
	case i.Quality < 1 || i.Quality > 100:
		return i, fmt.Errorf("%w: JPEG quality %d: must be from 1 to 100", reflectionflow.ErrInvalid, i.Quality)
	case i.MaxSide < 16 || i.MaxSide > reflectionflow.MaxSide:
		return i, fmt.Errorf("%w: images of %d pixels a side: must be from 16 to %d", reflectionflow.ErrInvalid, i.MaxSide, reflectionflow.MaxSide)
	}
	return i, nil
}

// dataURI encodes an image. Transparency becomes white. The result depends only on the
// pixels and not on the image's type and origin, so that caches recognize it.
func (i Images) dataURI(img image.Image) (string, error) {
	b := img.Bounds()
	if b.Empty() {
		return "", fmt.Errorf("%w: the image is empty", reflectionflow.ErrInvalid)
	}
	flat := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, img, b.Min, draw.Over)
	if longest := max(b.Dx(), b.Dy()); longest > i.MaxSide {
		w, h := max(1, b.Dx()*i.MaxSide/longest), max(1, b.Dy()*i.MaxSide/longest)
		small := image.NewRGBA(image.Rect(0, 0, w, h))
		draw.CatmullRom.Scale(small, small.Rect, flat, flat.Rect, draw.Src, nil)
		flat = small
	}
	var buf bytes.Buffer
	var err error
	if i.Format == "jpeg" {
		err = jpeg.Encode(&buf, flat, &jpeg.Options{Quality: i.Quality})
	} else {
		err = png.Encode(&buf, flat)
	}
	if err != nil {
		return "", fmt.Errorf("encode the image: %w", err)
	}
	return "data:image/" + i.Format + ";base64," + base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}
