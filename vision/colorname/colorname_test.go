package colorname

import (
	"image"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Leaving one color of the survey out, the others name it as people did in 94.2% of cases: the figure
// of a reference computation, which differs in the digits of the white point and in one color.
func TestLeaveOneOut(t *testing.T) {
	list := colors()
	right := 0
	for i, c := range list {
		others := slices.Concat(list[:i], list[i+1:])
		if term, _ := nearest(others, c.lab).Best(); term == terms[c.term] {
			right++
		}
	}
	if share := float64(right) / float64(len(list)); len(list) != 485 || math.Abs(share-0.942) > 0.003 {
		t.Errorf("%d of %d colors, %.3f, want 0.942", right, len(list), share)
	}
}

// CSS names that end with a basic term are mostly called by it; the others are disputable, such as
// orangered.
func TestCSSNames(t *testing.T) {
	right, all := 0, 0
	var wrong []string
	for line := range strings.Lines(cssNames) {
		name, code, _ := strings.Cut(strings.TrimSpace(line), ",")
		i := slices.IndexFunc(terms[:], func(term string) bool { return strings.HasSuffix(name, term) })
		if i < 0 {
			continue
		}
		rgb, err := strconv.ParseUint(code, 16, 24)
		if err != nil {
			t.Fatal(err)
		}
		all++
		if term, _ := Of(uint8(rgb>>16), uint8(rgb>>8), uint8(rgb)).Best(); term == terms[i] {
			right++
		} else {
			wrong = append(wrong, name+" is called "+term)
		}
	}
	t.Logf("%d of %d: %s", right, all, strings.Join(wrong, ", "))
	if float64(right) < 0.8*float64(all) {
		t.Errorf("%d of %d names: %s", right, all, strings.Join(wrong, ", "))
	}
}

func TestLab(t *testing.T) {
	for _, test := range []struct {
		rgb  [3]uint8
		want [3]float64 // by colour-science 0.4, sRGB to CIELAB under D65
	}{
		{[3]uint8{255, 255, 255}, [3]float64{100, 0, 0}},
		{[3]uint8{0, 0, 0}, [3]float64{0, 0, 0}},
		{[3]uint8{255, 0, 0}, [3]float64{53.24, 80.09, 67.20}},
		{[3]uint8{0, 0, 255}, [3]float64{32.30, 79.19, -107.86}},
	} {
		got := lab(test.rgb[0], test.rgb[1], test.rgb[2])
		if distance(got, test.want) > 0.05 {
			t.Errorf("%v: %.2f, want %.2f", test.rgb, got, test.want)
		}
	}
}

func TestTerm(t *testing.T) {
	for word, want := range map[string]string{
		"red": "red", "Grey": "gray", "dark red": "red", "light-blue": "blue", "crimson": "red", "navy": "blue", "navy blue": "blue",
		"sky blue": "blue", "forest green": "green", "royal purple": "purple", "gold": "yellow", "golden": "yellow", "silver": "gray",
		"hot pink": "pink", "chocolate": "brown", "light grey": "gray", "slate grey": "gray", "lavender": "purple", "reddish brown": "brown",
		"ivory": "white", "lime green": "green", "scarlet": "red", "pure white": "white",
		// People differ, it is no color, or it is several.
		"teal": "", "turquoise": "", "beige": "", "wooden": "", "": "", "-": "", "dark": "", "red and blue": "", "colorful": "", "blue green": "",
	} {
		term, ok := Term(word)
		if term != want || ok != (want != "") {
			t.Errorf("%q: %q, %t, want %q", word, term, ok, want)
		}
	}
}

// paint returns an image of a color with a rectangle of another one.
func paint(back color.Color, box [4]float64, front color.Color) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(7, 3, 107, 83))
	for y := range 80 {
		for x := range 100 {
			c := back
			if float64(x) >= box[0]*100 && float64(x) < box[2]*100 && float64(y) >= box[1]*80 && float64(y) < box[3]*80 {
				c = front
			}
			img.Set(x+7, y+3, c)
		}
	}
	return img
}

func TestObject(t *testing.T) {
	red, green, white := color.NRGBA{200, 20, 20, 255}, color.NRGBA{30, 140, 40, 255}, color.NRGBA{250, 250, 250, 255}
	box := [4]float64{0.3, 0.3, 0.7, 0.7}
	for _, test := range []struct {
		name string
		img  image.Image
		box  [4]float64
		want string
	}{
		{"exact box", paint(green, box, red), box, "red"},
		{"a box that is too wide", paint(green, box, red), [4]float64{0.1, 0.2, 0.9, 0.8}, "red"},
		{"an object like its surroundings", paint(green, box, green), box, "green"},
		{"the whole image", paint(white, [4]float64{0, 0, 1, 1}, red), [4]float64{0, 0, 1, 1}, "red"},
		{"beyond the image", paint(green, box, red), [4]float64{-1, -1, 2, 2}, "green"},
		{"an empty box", paint(green, box, red), [4]float64{0.5, 0.5, 0.5, 0.5}, ""},
		{"not a number", paint(green, box, red), [4]float64{math.NaN(), 0, 1, 1}, ""},
		{"no image", nil, box, ""},
		{"an empty image", image.NewGray(image.Rectangle{}), box, ""},
		{"gray", image.NewGray(image.Rect(0, 0, 1, 1)), [4]float64{0, 0, 1, 1}, "black"},
		{"transparent", image.NewNRGBA64(image.Rect(0, 0, 20000, 2)), [4]float64{0, 0, 1, 1}, "white"},
		{"deep", image.NewGray16(image.Rect(0, 0, 20000, 2)), [4]float64{0, 0, 1, 1}, "black"},
		{"printed", &image.CMYK{Pix: []uint8{0, 255, 255, 0}, Stride: 4, Rect: image.Rect(0, 0, 1, 1)}, [4]float64{0, 0, 1, 1}, "red"},
		{"of another package", struct{ image.Image }{paint(green, box, red)}, box, "red"},
	} {
		w := Object(test.img, test.box)
		term, _ := w.Best()
		if term != test.want {
			t.Errorf("%s: %q, want %q", test.name, term, test.want)
		}
		sum := 0.0
		for _, v := range w {
			sum += v
		}
		if test.want != "" && math.Abs(sum-1) > 1e-5 {
			t.Errorf("%s: weights add up to %v", test.name, sum)
		}
	}
}

// What has no hue is white, gray or black by its lightness in a photograph, in the shade and before any background.
func TestSurfaces(t *testing.T) {
	wall, meadow := color.NRGBA{214, 206, 190, 255}, color.NRGBA{104, 128, 66, 255}
	for _, test := range []struct {
		name         string
		back, object color.NRGBA
		want         string
	}{
		{"white", meadow, color.NRGBA{245, 245, 240, 255}, "white"},
		{"white in the shade", meadow, color.NRGBA{188, 190, 196, 255}, "white"},
		{"cream", meadow, color.NRGBA{226, 218, 200, 255}, "white"},
		{"white before a light wall", wall, color.NRGBA{228, 226, 224, 255}, "white"},
		{"gray", wall, color.NRGBA{125, 127, 128, 255}, "gray"},
		{"black", wall, color.NRGBA{38, 36, 37, 255}, "black"},
		{"light blue", wall, color.NRGBA{173, 216, 230, 255}, "blue"},
		{"light pink", meadow, color.NRGBA{255, 182, 193, 255}, "pink"},
		{"dark brown", wall, color.NRGBA{80, 50, 30, 255}, "brown"},
	} {
		box := [4]float64{0.3, 0.3, 0.7, 0.7}
		if term, p := Object(paint(test.back, box, test.object), box).Best(); term != test.want {
			t.Errorf("%s: %s with %.2f", test.name, term, p)
		}
	}
}

// Between the legs of a thing, ground and sky are left out, each in its rows.
func TestTwoGrounds(t *testing.T) {
	img := paint(color.NRGBA{120, 160, 210, 255}, [4]float64{0, 0.5, 1, 1}, color.NRGBA{104, 128, 66, 255})
	for y := 20; y < 60; y++ {
		for x := 30; x < 70; x++ {
			if x%20 < 8 {
				img.Set(x+7, y+3, color.NRGBA{200, 20, 20, 255})
			}
		}
	}
	if term, p := Object(img, [4]float64{0.3, 0.25, 0.7, 0.75}).Best(); term != "red" || p < 0.9 {
		t.Errorf("%s with %.2f", term, p)
	}
}

func TestWithout(t *testing.T) {
	w := Of(150, 150, 160)
	if term, _ := w.Best(); term != "gray" {
		t.Fatalf("it is %s", term)
	}
	without := w.Without("gray")
	if term, p := without.Best(); without.Of("gray") != 0 || p > 1 || term == "gray" {
		t.Errorf("%v without gray: %v", w, without)
	}
	if (Weights{3: 1}).Without("gray") != (Weights{}) {
		t.Error("nothing is left of gray")
	}
}

// The table has the weights of the middle of each cell.
func TestTable(t *testing.T) {
	for _, p := range [][3]uint8{{4, 4, 4}, {252, 4, 124}, {100, 200, 36}} {
		got, want := table()[cell(p)], Of(p[0], p[1], p[2])
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 1e-6 {
				t.Errorf("%v: %v, want %v", p, got, want)
			}
		}
	}
}

func BenchmarkObject(b *testing.B) {
	img := paint(color.White, [4]float64{0.3, 0.3, 0.7, 0.7}, color.Black)
	table()
	for b.Loop() {
		Object(img, [4]float64{0.3, 0.3, 0.7, 0.7})
	}
}
