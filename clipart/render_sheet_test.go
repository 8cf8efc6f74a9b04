package clipart

import (
	"errors"
	"image"
	"testing"

	"reflectionflow"
)

func TestSheetAndGridSizes(t *testing.T) {
	scenes := benchScenes(5)
	m, err := Sheet(scenes, 3, 32)
	if err != nil {
		t.Fatal(err)
	}
	if want := image.Pt(3*34+2, 2*34+2); m.Rect.Size() != want {
		t.Errorf("sheet of %v, want %v", m.Rect.Size(), want)
	}
	first, err := scenes[4].Render(32, 32)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.NRGBAAt(2+34+10, 2+34+10), first.NRGBAAt(10, 10); got != want {
		t.Errorf("the fifth scene shows %v, want %v", got, want)
	}
	grid, err := Grid([]image.Image{image.NewGray(image.Rect(5, 5, 15, 10)), nil}, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := image.Pt(2*11+1, 7); grid.Rect.Size() != want {
		t.Errorf("grid of %v, want %v", grid.Rect.Size(), want)
	}
	if got := grid.NRGBAAt(1, 1); got.R != 0 {
		t.Errorf("pixel of a black image is %v", got)
	}
}

func TestGridRejectsBadInput(t *testing.T) {
	one := []image.Image{image.NewGray(image.Rect(0, 0, 1, 1))}
	if _, err := Grid(nil, 3, 1); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("no images: error %v", err)
	}
	if _, err := Grid(one, 0, 1); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("no columns: error %v", err)
	}
	if _, err := Grid(one, 1, 1<<40); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("huge gap: error %v", err)
	}
	if _, err := Sheet([]Scene{{Background: -1}}, 1, 32); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("bad scene: error %v", err)
	}
}
