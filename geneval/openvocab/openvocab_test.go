package openvocab

import (
	"context"
	"errors"
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// scene is a detector and a color namer without networks: it finds the given objects, and sees the color of the
// middle of an image.
type scene struct {
	objects []reflectionflow.Object
	asked   *[]string
	err     error
}

func (s scene) Detect(_ context.Context, images []image.Image, phrases []string) ([][]reflectionflow.Object, error) {
	*s.asked = append(*s.asked, strings.Join(phrases, ","))
	found := make([][]reflectionflow.Object, len(images))
	for i := range images {
		for _, o := range s.objects {
			if slices.Contains(phrases, o.Class) {
				found[i] = append(found[i], o)
			}
		}
	}
	return found, s.err
}

var shades = map[string]color.RGBA{"red": {255, 0, 0, 255}, "blue": {0, 0, 255, 255}}

func (s scene) Images(_ context.Context, images []image.Image) ([][]float32, error) {
	var all [][]float32
	for _, img := range images {
		b := img.Bounds()
		r, _, blue, _ := img.At(b.Dx()/2, b.Dy()/2).RGBA()
		all = append(all, []float32{float32(r >> 15), float32(blue >> 15), 0})
	}
	return all, nil
}

func (s scene) Texts(_ context.Context, texts []string) ([][]float32, error) {
	var all [][]float32
	for _, text := range texts {
		v := []float32{0, 0, 1}
		switch {
		case strings.Contains(text, "red"):
			v = []float32{1, 0, 0}
		case strings.Contains(text, "blue"):
			v = []float32{0, 1, 0}
		}
		all = append(all, v)
	}
	return all, nil
}

func TestJudgesByGenEvalsRules(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 100, 100))
	for y := range 100 {
		for x := range 100 {
			img.SetRGBA(x, y, shades[[]string{"red", "blue"}[x/50]])
		}
	}
	at := func(class string, x, confidence float64) reflectionflow.Object {
		return reflectionflow.Object{Class: class, Box: [4]float64{x, 0.3, x + 0.2, 0.7}, Confidence: confidence}
	}
	objects := []reflectionflow.Object{at("cup", 0.1, 0.4), at("cup", 0.7, 0.25), at("dog", 0.7, 0.9), at("cat", 0.2, 0.15)}
	include := func(class string, n int, color string) []geneval.Include {
		return []geneval.Include{{Class: class, Count: n, Color: color}}
	}
	var asked []string
	judge := geneval.BySearch(Searcher{scene{objects, &asked, nil}, scene{asked: &asked}}, Thresholds())
	for _, c := range []struct {
		name string
		m    geneval.Metadata
		want string
	}{
		{"a dog", geneval.Metadata{Tag: "single_object", Include: include("dog", 1, "")}, ""},
		{"a faint cat", geneval.Metadata{Tag: "single_object", Include: include("cat", 1, "")}, "expected cat>=1, found 0"},
		{"two cups", geneval.Metadata{Tag: "single_object", Include: include("cup", 2, "")}, ""},
		{"two cups, counted", geneval.Metadata{Tag: "counting", Include: include("cup", 2, ""), Exclude: []geneval.Exclude{{Class: "cup", Count: 3}}}, "expected cup>=2, found 1"},
		{"a red cup", geneval.Metadata{Tag: "colors", Include: include("cup", 1, "red")}, ""},
		{"a blue cup", geneval.Metadata{Tag: "colors", Include: include("cup", 1, "blue")}, "expected blue cup>=1, found 0 blue; and 1 red"},
		{"a blue dog", geneval.Metadata{Tag: "colors", Include: include("dog", 1, "blue")}, ""},
	} {
		asked = nil
		judged, err := judge.Judge(t.Context(), []geneval.Case{{Metadata: c.m, Image: img}})
		if err != nil {
			t.Fatal(err)
		}
		if judged[0].Reason != c.want || judged[0].Correct != (c.want == "") {
			t.Errorf("%s: %q, want %q", c.name, judged[0].Reason, c.want)
		}
		if len(asked) != 1 || asked[0] != c.m.Include[0].Class {
			t.Errorf("%s: looked for %q", c.name, asked)
		}
	}
}

func TestErrors(t *testing.T) {
	var asked []string
	broken := errors.New("broken")
	judge := geneval.BySearch(Searcher{scene{asked: &asked, err: broken}, scene{}}, Thresholds())
	m := geneval.Metadata{Tag: "single_object", Include: []geneval.Include{{Class: "dog", Count: 1}}}
	if _, err := judge.Judge(t.Context(), []geneval.Case{{Metadata: m, Image: image.NewGray(image.Rect(0, 0, 2, 2))}}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// A crop holds the middle of its box, and a pixel at least.
func TestCrop(t *testing.T) {
	img := image.NewGray(image.Rect(10, 20, 110, 70))
	img.SetGray(10+50, 20+25, color.Gray{200})
	for box, want := range map[[4]float64]image.Point{
		{0, 0, 1, 1}: {86, 43}, {0.5, 0.5, 0.5, 0.5}: {1, 1}, {0.99, 0.98, 1, 1}: {1, 1}, {0, 0, 0.1, 0.5}: {9, 22},
	} {
		if got := crop(img, box).Bounds().Size(); got != want {
			t.Errorf("%v: %v, want %v", box, got, want)
		}
	}
	if r, _, _, _ := crop(img, [4]float64{0.5, 0.5, 0.5, 0.5}).At(0, 0).RGBA(); r>>8 != 200 {
		t.Error("the crop is elsewhere")
	}
}
