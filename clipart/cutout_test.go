package clipart

import (
	"errors"
	"image/color"
	"testing"

	"reflectionflow"
)

// TestCutout: a cutout over a background is the rendered scene.
func TestCutout(t *testing.T) {
	const side = 48
	for _, tint := range []string{"", "red", "white"} {
		cut, err := Cutout("dog", 0, tint, side)
		if err != nil {
			t.Fatal(err)
		}
		img, err := Scene{Background: 2, Objects: []Placement{{Class: "dog", Color: tint, X: 0.5, Y: 0.5, Size: 1}}}.Render(side, side)
		if err != nil {
			t.Fatal(err)
		}
		back := Backgrounds()[2]
		for i := range side * side {
			through := 255 - int(cut.Pix[4*i+3])
			for k, b := range []uint8{back.R, back.G, back.B} {
				got := int(cut.Pix[4*i+k]) + (int(b)*through+127)/255
				if want := int(img.Pix[4*i+k]); apart(uint8(min(got, 255)), uint8(want)) > 2 {
					t.Fatalf("%q, pixel %d, channel %d: %d over the background, rendered %d", tint, i, k, got, want)
				}
			}
		}
		if a := cut.At(0, 0).(color.RGBA).A; a != 0 {
			t.Errorf("%q: the corner has alpha %d", tint, a)
		}
	}
	for _, bad := range []struct {
		class, color  string
		drawing, side int
	}{{"unicorn", "", 0, 48}, {"dog", "beige", 0, 48}, {"dog", "", 99, 48}, {"dog", "", 0, 0}, {"dog", "", 0, 1 << 30}} {
		if _, err := Cutout(bad.class, bad.drawing, bad.color, bad.side); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}
