package search

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// TestInspectForms: the pixels count, not the Go type of the image or its origin.
func TestInspectForms(t *testing.T) {
	source := image.NewNRGBA(image.Rect(0, 0, 6, 4))
	for i := range 24 {
		source.SetNRGBA(i%6, i/6, color.NRGBA{byte(10 * i), byte(i), 7, 255})
	}
	want := inspect(source)
	frame := image.NewNRGBA(image.Rect(0, 0, 20, 20))
	draw.Draw(frame, image.Rect(5, 3, 11, 7), source, image.Point{}, draw.Src)
	rgba := image.NewRGBA(source.Bounds())
	draw.Draw(rgba, rgba.Bounds(), source, image.Point{}, draw.Src)
	deep := image.NewNRGBA64(source.Bounds())
	draw.Draw(deep, deep.Bounds(), source, image.Point{}, draw.Src)
	for name, img := range map[string]image.Image{"sub-image": frame.SubImage(image.Rect(5, 3, 11, 7)), "RGBA": rgba, "16 bits": deep} {
		if got := inspect(img); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	turned := image.NewNRGBA(image.Rect(0, 0, 4, 6))
	copy(turned.Pix, source.Pix)
	if inspect(turned).sum == want.sum {
		t.Error("an image of another shape has the same sum")
	}
	if (inspect(nil) != pixels{}) {
		t.Error("no image has pixels")
	}
	half := image.NewRGBA(image.Rect(0, 0, 2, 2)) // transparent: blank whatever is behind
	if p := inspect(half); !p.blank || p.color.A != 0 {
		t.Errorf("got %+v", p)
	}
}
