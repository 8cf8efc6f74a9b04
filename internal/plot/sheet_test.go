package plot

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

func TestSheetShowsPicturesAndMistakes(t *testing.T) {
	red := image.NewUniform(color.NRGBA{R: 255, A: 255})
	picture := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		picture.Set(i%8, i/8, red.C)
	}
	s := Sheet{Columns: 2, Lines: 2, Cells: []Cell{
		{Image: picture, Words: "a photo of a red apple"},
		{Image: picture, Words: "wrong", Wrong: true, Boxes: []Box{{At: [4]float64{0.25, 0.25, 0.75, 0.75}, Name: "apple"}}},
		{Words: "nothing was drawn"},
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
