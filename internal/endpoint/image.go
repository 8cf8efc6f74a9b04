package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// ImageLimits bound the images that [DecodeImage] accepts; zero values mean the defaults.
type ImageLimits struct {
	Bytes  int // of the encoded image; 0 means 32 MiB
	Side   int // pixels; 0 means 8192
	Pixels int // width × height; 0 means 4096×4096, 64 MiB decoded
}

// ErrImage marks the errors of [DecodeImage].
var ErrImage = errors.New("bad image")

// formats are the image formats, recognized by their first bytes.
var formats = []struct {
	name   string
	is     func([]byte) bool
	config func([]byte) (image.Config, error)
	decode func([]byte) (image.Image, error)
}{
	{"PNG", prefix("\x89PNG\r\n\x1a\n"), configOf(png.DecodeConfig), imageOf(png.Decode)},
	{"JPEG", prefix("\xff\xd8\xff"), configOf(jpeg.DecodeConfig), imageOf(jpeg.Decode)},
	{"GIF", prefix("GIF8"), configOf(gif.DecodeConfig), imageOf(gif.Decode)},
	{"WebP", isWebP, configOf(webp.DecodeConfig), decodeWebP},
}

func prefix(magic string) func([]byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }
}

// DecodeImage decodes an untrusted PNG, JPEG, WebP or GIF. The format is recognized by the
// content and not by a label, and the size is checked before any pixel is decoded. Of an
// animation the first frame is decoded; CMYK is converted; transparency is kept. The
// result has its origin at (0, 0) and is not shared. Errors wrap [ErrImage].
func DecodeImage(data []byte, limits ImageLimits) (img *image.NRGBA, err error) {
	// The input is untrusted: a bug in a decoder must not end the program.
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, fmt.Errorf("%w: the decoder failed: %v", ErrImage, r)
		}
	}()
	limits = limits.withDefaults()
	if len(data) > limits.Bytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrImage, len(data), limits.Bytes)
	}
	for _, f := range formats {
		if !f.is(data) {
			continue
		}
		config, err := f.config(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %v", ErrImage, f.name, err)
		}
		w, h := config.Width, config.Height
		if w < 1 || h < 1 || w > limits.Side || h > limits.Side || w*h > limits.Pixels {
			return nil, fmt.Errorf("%w: %s of %d×%d pixels, at most %d per side and %d in total are accepted", ErrImage, f.name, w, h, limits.Side, limits.Pixels)
		}
		decoded, err := f.decode(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %v", ErrImage, f.name, err)
		}
		return onCanvas(decoded, w, h), nil
	}
	return nil, fmt.Errorf("%w: %s is neither PNG, JPEG, WebP nor GIF", ErrImage, describe(data))
}

func (l ImageLimits) withDefaults() ImageLimits {
	set := func(v *int, value int) {
		if *v == 0 {
			*v = value
		}
	}
	set(&l.Bytes, 32<<20)
	set(&l.Side, 8192)
	set(&l.Pixels, 4096*4096)
	return l
}

// onCanvas copies an image to its place on a w×h canvas: a frame of an animation may cover
// a part of it only.
func onCanvas(from image.Image, w, h int) *image.NRGBA {
	frame := image.Rect(0, 0, w, h)
	if n, ok := from.(*image.NRGBA); ok && n.Rect == frame {
		return n
	}
	to := image.NewNRGBA(frame)
	part := from.Bounds().Intersect(frame)
	switch from := from.(type) {
	case *image.YCbCr, *image.CMYK, *image.Gray:
		draw.Draw(to, part, from, part.Min, draw.Src) // opaque: exact and fast
	default:
		for y := part.Min.Y; y < part.Max.Y; y++ {
			for x := part.Min.X; x < part.Max.X; x++ {
				to.SetNRGBA(x, y, color.NRGBAModel.Convert(from.At(x, y)).(color.NRGBA)) //nolint:errcheck,forcetypeassert // the model makes nothing else
			}
		}
	}
	return to
}

// describe says what data without a known image format is, for the error.
func describe(data []byte) string {
	switch {
	case len(data) == 0:
		return "nothing"
	case looksLikeHTML(data):
		return "an HTML page"
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return "a JSON text"
	}
	return "the data"
}
