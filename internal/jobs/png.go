package jobs

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"sync"
)

// buffers keeps the buffers of finished encodings: a new compressor takes longer than a small image.
type buffers struct{ sync.Pool }

// Get implements [png.EncoderBufferPool].
func (b *buffers) Get() *png.EncoderBuffer {
	kept, _ := b.Pool.Get().(*png.EncoderBuffer)
	return kept // nil where none is kept
}

// Put implements [png.EncoderBufferPool].
func (b *buffers) Put(used *png.EncoderBuffer) { b.Pool.Put(used) }

var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: new(buffers)}

// PNG returns an image as a PNG file, as fast as possible. The same image gives the same bytes.
func PNG(img image.Image) ([]byte, error) {
	var file bytes.Buffer
	if err := encoder.Encode(&file, img); err != nil {
		return nil, fmt.Errorf("encode an image: %w", err)
	}
	return file.Bytes(), nil
}
