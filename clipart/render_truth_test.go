package clipart

import (
	"errors"
	"image"
	"math"
	"testing"

	"reflectionflow"
)

// TestBoxIsTight compares boxes with the pixels that differ from the background.
func TestBoxIsTight(t *testing.T) {
	for _, class := range []string{"giraffe", "fork", "car", "baseball bat"} {
		for _, flip := range []bool{false, true} {
			for _, size := range []image.Point{{128, 128}, {256, 128}} {
				p := Placement{Class: class, Color: "black", X: 0.4, Y: 0.55, Size: 0.6, Flip: flip}
				box, err := Box(p, size.X, size.Y)
				if err != nil {
					t.Fatal(err)
				}
				m, err := Scene{Objects: []Placement{p}}.Render(size.X, size.Y)
				if err != nil {
					t.Fatal(err)
				}
				r := darkBounds(m)
				for k, edge := range []float64{float64(r.Min.X), float64(r.Min.Y), float64(r.Max.X), float64(r.Max.Y)} {
					if got := box[k] * float64([]int{size.X, size.Y}[k%2]); math.Abs(got-edge) > 1.5 {
						t.Errorf("%s flip %v %v: edge %d at %.1f, rendered at %.0f", class, flip, size, k, got, edge)
					}
				}
			}
		}
	}
}

func darkBounds(m *image.NRGBA) image.Rectangle {
	var r image.Rectangle
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if m.NRGBAAt(x, y).G < 125 {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

func TestTruthListsVisibleObjects(t *testing.T) {
	hidden := Placement{Class: "apple", X: 0.5, Y: 0.5, Size: 0.2}
	cover := Placement{Class: "pizza", Color: "blue", X: 0.5, Y: 0.5, Size: 0.9}
	aside := Placement{Class: "cat", X: 0.1, Y: 0.9, Size: 0.2, Flip: true}
	partly := Placement{Class: "bear", X: 0, Y: 0.2, Size: 0.3}
	got, err := Scene{Objects: []Placement{hidden, cover, aside, partly}}.Truth(128, 128)
	if err != nil {
		t.Fatal(err)
	}
	want := []reflectionflow.Object{{Class: "pizza", Color: "blue"}, {Class: "cat"}, {Class: "bear"}}
	if len(got) != len(want) {
		t.Fatalf("objects %v, want %v", got, want)
	}
	for i, o := range got {
		if o.Class != want[i].Class || o.Color != want[i].Color || o.Confidence != 1 {
			t.Errorf("object %d is %+v, want %+v", i, o, want[i])
		}
		if b := o.Box; !(0 <= b[0] && b[0] < b[2] && b[2] <= 1 && 0 <= b[1] && b[1] < b[3] && b[3] <= 1) {
			t.Errorf("object %d has box %v", i, b)
		}
	}
	if got[2].Box[0] != 0 {
		t.Errorf("box %v of an object over the left edge does not start there", got[2].Box)
	}
	if _, err := Box(aside, 100, 100); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("size 100x100: error %v, want ErrInvalid", err)
	}
}
