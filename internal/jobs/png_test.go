package jobs_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"sync"
	"testing"

	"reflectionflow/internal/jobs"
)

// TestPNG: files depend on their image alone, whatever was encoded before and beside.
func TestPNG(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 8 {
				img := image.NewNRGBA(image.Rect(0, 0, 5+8*i, 7+3*k))
				for x := range img.Rect.Dx() {
					img.SetNRGBA(x, x%img.Rect.Dy(), color.NRGBA{uint8(x * i), uint8(k), 7, 255})
				}
				var want bytes.Buffer
				if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&want, img); err != nil {
					t.Error(err)
				}
				if got, err := jobs.PNG(img); err != nil || !bytes.Equal(got, want.Bytes()) {
					t.Errorf("image %d/%d: %v, or other bytes", i, k, err)
				}
			}
		})
	}
	all.Wait()
	if _, err := jobs.PNG(image.NewNRGBA(image.Rect(0, 0, 0, 3))); err == nil {
		t.Error("an empty image was encoded")
	}
}
