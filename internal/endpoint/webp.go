package endpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"

	"golang.org/x/image/webp"
)

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

func configOf(f func(io.Reader) (image.Config, error)) func([]byte) (image.Config, error) {
	return func(data []byte) (image.Config, error) { return f(bytes.NewReader(data)) }
}

func imageOf(f func(io.Reader) (image.Image, error)) func([]byte) (image.Image, error) {
	return func(data []byte) (image.Image, error) { return f(bytes.NewReader(data)) }
}

// decodeWebP decodes a still image, or the first frame of an animation, which the library
// does not support: the frame's chunks are put into a file of their own (WebP container
// specification, "Animation").
func decodeWebP(data []byte) (image.Image, error) {
	frame, ok := firstFrame(data)
	if !ok {
		return webp.Decode(bytes.NewReader(data))
	}
	if len(frame) < 16 {
		return nil, errors.New("the first frame is truncated")
	}
	x, y := 2*uint24(frame[0:]), 2*uint24(frame[3:])
	w, h := 1+uint24(frame[6:]), 1+uint24(frame[9:])
	still := []byte("RIFF\x00\x00\x00\x00WEBP")
	if len(frame) >= 20 && string(frame[16:20]) == "ALPH" {
		still = append(still, "VP8X\x0a\x00\x00\x00\x10\x00\x00\x00"...) // ten bytes; flag: alpha
		still = append(still, byte(w-1), byte((w-1)>>8), byte((w-1)>>16), byte(h-1), byte((h-1)>>8), byte((h-1)>>16))
	}
	still = append(still, frame[16:]...)
	binary.LittleEndian.PutUint32(still[4:], uint32(len(still)-8))
	config, err := webp.DecodeConfig(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	if config.Width != w || config.Height != h {
		return nil, errors.New("the first frame has another size than its header says")
	}
	img, err := webp.Decode(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	return moved{img, image.Pt(x, y)}, nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// firstFrame returns the data of the first ANMF chunk; false for a still image.
func firstFrame(data []byte) ([]byte, bool) {
	for rest := data[12:]; len(rest) >= 8; {
		size := int(binary.LittleEndian.Uint32(rest[4:]))
		name, body := string(rest[:4]), rest[8:]
		switch name {
		case "VP8 ", "VP8L":
			return nil, false
		case "ANMF":
			return body[:min(size, len(body))], true
		}
		size += size & 1 // chunks are padded to even sizes
		if size < 0 || size > len(body) {
			break
		}
		rest = body[size:]
	}
	return nil, false
}

// moved is an image with another origin.
type moved struct {
	image.Image
	by image.Point
}

func (m moved) Bounds() image.Rectangle { return m.Image.Bounds().Add(m.by) }

func (m moved) At(x, y int) color.Color { return m.Image.At(x-m.by.X, y-m.by.Y) }
