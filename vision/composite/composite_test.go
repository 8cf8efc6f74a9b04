package composite

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"reflectionflow"
)

func scene(seed uint64) Scene {
	cuts := CutOuts()
	return Scene{Seed: seed, Items: Arrange(rand.New(rand.NewPCG(seed, 1)), []CutOut{cuts[0], cuts[1], cuts[1]})}
}

// The same scene gives the same pixels and another seed gives another room.
func TestRender(t *testing.T) {
	a, objects := scene(1).Render(160, 120)
	b, _ := scene(1).Render(160, 120)
	c, _ := scene(2).Render(160, 120)
	if !bytes.Equal(a.Pix, b.Pix) || bytes.Equal(a.Pix, c.Pix) {
		t.Error("the pixels do not follow from the scene")
	}
	var classes []string
	for _, o := range objects {
		classes = append(classes, o.Class)
		if b := o.Box; b[0] < 0 || b[1] < 0 || b[2] > 1 || b[3] > 1 || b[0] >= b[2] || b[1] >= b[3] {
			t.Errorf("box %v", b)
		}
	}
	if slices.Sort(classes); !slices.Equal(classes, []string{"cat", "cup", "cup"}) {
		t.Errorf("objects %v", classes)
	}
}

// An item that another one hides is not among the objects.
func TestHidden(t *testing.T) {
	cat, cup := CutOuts()[0], CutOuts()[1]
	s := Scene{Items: []Item{{CutOut: cup, Center: [2]float64{0.5, 0.5}, Height: 0.2}, {CutOut: cat, Center: [2]float64{0.5, 0.5}, Height: 0.8}}}
	if _, objects := s.Render(100, 100); len(objects) != 1 || objects[0].Class != "cat" {
		t.Errorf("%v", objects)
	}
}

func TestTints(t *testing.T) {
	if len(tints) != len(Tints()) {
		t.Error("the lists differ")
	}
	seen := map[string]bool{}
	for _, c := range Tints() {
		if _, ok := tints[c]; !ok {
			t.Errorf("no tint %s", c)
		}
		s := Scene{Items: []Item{{CutOut: CutOuts()[1], Center: [2]float64{0.5, 0.5}, Height: 0.6, Color: c}}}
		img, objects := s.Render(64, 64)
		if objects[0].Color != c {
			t.Errorf("%s: %v", c, objects)
		}
		seen[string(img.Pix)] = true
	}
	if len(seen) != len(Tints()) {
		t.Error("two tints look the same")
	}
}

func TestReadRefusesOtherFiles(t *testing.T) {
	for name, data := range map[string]string{"text": "no image", "cut": "\x89PNG\r\n\x1a\n"} {
		if _, err := Read(fstest.MapFS{"a.png": {Data: []byte(data)}}, CutOut{Name: "a.png"}); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(fstest.MapFS{}, CutOut{Name: "a.png"}); !errors.Is(err, reflectionflow.ErrInvalid) || strings.Count(err.Error(), "\n") > 0 {
		t.Error(err)
	}
}
