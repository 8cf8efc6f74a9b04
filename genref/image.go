package genref

import (
	"bytes"
	"encoding/binary"
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

// EncodeImage encodes a picture as JPEG, as shards hold it.
func EncodeImage(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: jpegQuality}); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return b.Bytes(), nil
}

// checkPicture reports what is no picture, or one too large, by its header.
func checkImage(data []byte) error {
	width, height := jpegSize(data)
	if width == 0 {
		config, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("%w: it is no picture: %v", reflectionflow.ErrInvalid, err)
		}
		width, height = config.Width, config.Height
	}
	if width <= 0 || height <= 0 || width > maxPixels/height {
		return fmt.Errorf("%w: %d×%d pixels: a picture may have %d", reflectionflow.ErrInvalid, width, height, maxPixels)
	}
	return nil
}

// jpegSize is the size in the header of a usual JPEG file (ITU T.81 B.2), 0 for all
// else. It takes a hundredth of the time of [image.DecodeConfig], which makes room for a
// whole decoder.
func jpegSize(data []byte) (width, height int) {
	const (
		baseline, progressive = 0xc0, 0xc2
		tables, apps, comment = 0xdb, 0xe0, 0xfe // quantisation tables, sixteen kinds of metadata
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

// usualFrame reports whether a frame header is that of a grey picture, or one in luma
// and chroma with chroma at full or half the resolution.
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
