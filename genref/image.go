package genref

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	_ "image/png" // imported images may be PNG

	"reflectionflow"
)

// jpegQuality is high enough for the artifacts to be invisible to a corrector.
const jpegQuality = 95

// maxPixels bounds an image of a set.
const maxPixels = 64 << 20

// EncodeImage encodes an image as JPEG of quality 95, the format of shards.
func EncodeImage(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("encode image: %w", err)
	}
	return b.Bytes(), nil
}

// checkImage reports, by its header, data that is not an image and an image with too many
// pixels, as errors wrapping [reflectionflow.ErrInvalid].
func checkImage(data []byte) error {
	width, height := jpegSize(data)
	if width == 0 {
		config, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("%w: it is not an image: %v", reflectionflow.ErrInvalid, err)
		}
		width, height = config.Width, config.Height
	}
	if width <= 0 || height <= 0 || width > maxPixels/height {
		return fmt.Errorf("%w: %d×%d pixels: an image may have at most %d pixels", reflectionflow.ErrInvalid, width, height, maxPixels)
	}
	return nil
}

// jpegSize returns the size in pixels in the header of a common JPEG file (ITU T.81 B.2),
// or 0 for any other data. It takes 1% of the time of [image.DecodeConfig], which allocates
// a whole decoder.
func jpegSize(data []byte) (width, height int) {
	const (
		baseline, progressive = 0xc0, 0xc2
		tables, apps, comment = 0xdb, 0xe0, 0xfe // quantization tables, 16 kinds of metadata, comments
	)
	if len(data) < 2 || data[0] != 0xff || data[1] != 0xd8 {
		return 0, 0
	}
	for data = data[2:]; len(data) >= 4 && data[0] == 0xff; {
		marker, length := data[1], 2+int(binary.BigEndian.Uint16(data[2:]))
		switch {
		case length < 4 || length > len(data):
			return 0, 0
		case marker == tables || marker&^0x0f == apps || marker == comment:
			data = data[length:]
		case marker >= baseline && marker <= progressive && usualFrame(data[4:length]):
			return int(binary.BigEndian.Uint16(data[7:])), int(binary.BigEndian.Uint16(data[5:]))
		default:
			return 0, 0
		}
	}
	return 0, 0
}

// usualFrame reports whether a frame header describes a gray image, or one in luma and
// chroma with chroma at full or half resolution.
func usualFrame(h []byte) bool {
	if len(h) < 6 || h[0] != 8 || len(h) != 6+3*int(h[5]) {
		return false
	}
	switch h[5] {
	case 1:
		return h[7] == 0x11 && h[8] == 0
	case 3:
		ids := h[6] != h[9] && h[6] != h[12] && h[9] != h[12]
		return ids && (h[7] == 0x11 || h[7] == 0x22) && h[10] == 0x11 && h[13] == 0x11 && h[8] <= 3 && h[11] <= 3 && h[14] <= 3
	}
	return false
}

// distance returns the mean absolute difference of the red, green and blue values of two
// images, in [0, 1]; 1 if their sizes differ.
func distance(a, b *image.RGBA) float64 {
	if a.Rect != b.Rect || len(a.Pix) == 0 {
		return 1
	}
	sum := 0
	for i, x := range a.Pix {
		d := int(x) - int(b.Pix[i]) // alpha is 255 in both
		sum += max(d, -d)
	}
	return float64(sum) / float64(255*len(a.Pix)/4*3)
}

// opaque copies an image onto black, with its corner at the origin.
func opaque(m image.Image) *image.RGBA {
	b := m.Bounds()
	to := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(to, to.Rect, image.Black, image.Point{}, draw.Src)
	draw.Draw(to, to.Rect, m, b.Min, draw.Over)
	return to
}
