package plot

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

func TestSheetShowsImagesAndMistakes(t *testing.T) {
	red := image.NewUniform(color.NRGBA{R: 255, A: 255})
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		img.Set(i%8, i/8, red.C)
	}
	s := Sheet{Columns: 2, Lines: 2, Cells: []Cell{
		{Image: img, Words: "a photo of a red apple"},
		{Image: img, Words: "wrong", Wrong: true, Boxes: []Box{{At: [4]float64{0.25, 0.25, 0.75, 0.75}, Name: "apple"}}},
		{Words: "no image"},
	}}
	data, err := s.PNG()
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[color.NRGBA]int{}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			seen[color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)]++
		}
	}
	for _, c := range []color.NRGBA{{R: 255, A: 255}, wrongColor, boxColor} {
		if seen[c] < 50 {
			t.Errorf("%d pixels of %v", seen[c], c)
		}
	}
	if white := seen[color.NRGBA{R: 255, G: 255, B: 255, A: 255}]; white < m.Bounds().Dx()*m.Bounds().Dy()/4 {
		t.Errorf("only %d white pixels", white)
	}
}

func TestSheetBreaksWords(t *testing.T) {
	s := Sheet{Lines: 3}
	got := s.broken(words(sheetFont, ink), "a photo of a red apple above a blue umbrella\nright")
	if len(got) != 3 || got[2] != "right" || got[0] == "" {
		t.Errorf("%q", got)
	}
	if got := s.broken(words(sheetFont, ink), "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"); len(got) != 3 {
		t.Errorf("%q has more than 3 lines", got)
	}
}

// An image that is not square keeps its shape.
func TestSheetKeepsShapes(t *testing.T) {
	img := image.NewNRGBA(image.Rect(3, 3, 43, 13))
	for i := range img.Pix {
		img.Pix[i] = 255 * uint8(1-min(i%4%3, 1)) // red
	}
	data, err := (Sheet{Columns: 1, Lines: 1, Cells: []Cell{{Image: img}}}).PNG()
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var seen image.Rectangle
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if color.NRGBAModel.Convert(m.At(x, y)) == (color.NRGBA{R: 255, A: 255}) {
				seen = seen.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if ratio := float64(seen.Dx()) / float64(seen.Dy()); ratio < 3.7 || ratio > 4.4 {
		t.Errorf("an image of 40 by 10 pixels is shown in %v", seen)
	}
}

func TestTicks(t *testing.T) {
	for name, test := range map[string]struct {
		wanted, values []float64
		want           string
	}{
		"budgets":               {[]float64{1, 2, 4, 8}, []float64{1, 2, 4, 8, 1, 4}, "1 2 4 8"},
		"budgets and means":     {[]float64{1, 2, 4, 8}, []float64{1, 2, 4, 8, 1.4, 2.83, 5.43}, "1 2 4 8"},
		"a whole mean":          {[]float64{1, 2, 4, 8}, []float64{1, 2, 4, 8, 3, 5}, "1 2 4 8"},
		"budgets beyond":        {[]float64{1, 2, 4, 64}, []float64{1, 2, 3}, "1 2"},
		"seconds":               {nil, []float64{0.3, 0.8, 1.4, 4.2}, "0.5 1 2 5"},
		"seconds of one moment": {nil, []float64{0.31, 0.33}, "0.31 0.33"},
		"one five":              {nil, []float64{0.312, 0.313, 0.62}, "0.3 0.4 0.5 0.6 0.7"},
		"values too near":       {nil, []float64{0.31, 0.311, 0.33}, "0.31 0.33"},
		"one budget":            {[]float64{8}, []float64{8}, "8"},
		"many":                  {[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20}, []float64{1, 20}, "1 2 5 10 20"},
	} {
		low, high := limits(test.values)
		var got []string
		for _, tick := range logTicks(test.wanted, test.values, low, high) {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: ticks at %v, want %s", name, got, test.want)
		}
	}
}
