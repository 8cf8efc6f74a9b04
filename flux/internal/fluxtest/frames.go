package fluxtest

import (
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"math"
	"os"
	"testing"

	"reflectionflow/flux"
)

// picture is the reference of make_fixtures_frames.py.
func picture(size image.Point) image.Image {
	img := image.NewNRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x*5 + y*y/7), G: uint8(x*x/9 + y*3), B: uint8(200 * ((x/5 + y/4) % 2)), A: 255})
		}
	}
	return img
}

// FramesAsDiffusers compares what a model makes of references with testdata/frames.json: sizes, and pixels within the
// tolerance, in values of 0 to 255.
func FramesAsDiffusers(t *testing.T, frame func(image.Point, flux.Grid) (flux.Frame, error), tolerance float64) {
	t.Helper()
	data, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct {
		Size, Out [2]int
		Patches   []struct {
			X, Y int
			RGB  string
		}
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		size := image.Pt(e.Size[0], e.Size[1])
		f, err := frame(size, flux.Grid{})
		if err != nil || f.Crop.Dx() != e.Out[0] || f.Crop.Dy() != e.Out[1] {
			t.Errorf("%v becomes %v, want %v (%v)", size, f.Crop, e.Out, err)
			continue
		}
		pixels, err := f.Pixels(picture(size))
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, patch := range e.Patches {
			want, err := hex.DecodeString(patch.RGB)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				y, x := patch.Y+i/24, patch.X+i%24/3
				got := (float64(pixels[3*(y*f.Crop.Dx()+x)+i%3]) + 1) * 127.5
				worst = max(worst, math.Abs(got-float64(w)))
			}
		}
		if worst > tolerance {
			t.Errorf("%v: pixels differ by %.2f", size, worst)
		}
	}
}
