package photo

import (
	"image"
	"image/color"
	"math"
	"testing"

	"reflectionflow"
)

// A view is a part of the image or its mirror image, of any kind of image.
func TestView(t *testing.T) {
	img := image.NewNRGBA(image.Rect(2, 3, 6, 5))
	for y := 3; y < 5; y++ {
		for x := 2; x < 6; x++ {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(10 * x), G: uint8(10 * y), A: 255})
		}
	}
	for name, whole := range map[string]image.Image{"deep": img, "foreign": struct{ image.Image }{img}} {
		mirrored := newView(whole, whole.Bounds(), true).(view)
		part := newView(whole, image.Rect(3, 3, 5, 4), false).(view)
		if got := mirrored.RGBA64At(2, 4); got.R>>8 != 50 || got.G>>8 != 40 {
			t.Errorf("%s: mirrored %v", name, got)
		}
		if got := part.RGBA64At(3, 3); got.R>>8 != 30 || part.Bounds() != image.Rect(3, 3, 5, 4) {
			t.Errorf("%s: part %v", name, got)
		}
	}
}

func near(a, b [4]float64) bool {
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-9 {
			return false
		}
	}
	return true
}

// A box of a look is one of the image, and what a look cuts off is known.
func TestLook(t *testing.T) {
	l := look{part: [4]float64{0.5, 0, 1, 0.5}}
	if got := l.inImage([4]float64{0.2, 0, 0.4, 1}); !near(got, [4]float64{0.6, 0, 0.7, 0.5}) {
		t.Errorf("a box of a part is %v", got)
	}
	m := look{part: l.part, mirror: true}
	if got := m.inImage([4]float64{0.2, 0, 0.4, 1}); !near(got, [4]float64{0.8, 0, 0.9, 0.5}) {
		t.Errorf("a box of a mirrored part is %v", got)
	}
	if !l.shows([4]float64{0.6, 0.1, 0.9, 0.4}) || l.shows([4]float64{0.3, 0.1, 0.9, 0.4}) {
		t.Error("shows")
	}
	left, right := [4]float64{0, 0.3, 0.5, 0.6}, [4]float64{0.5, 0.3, 1, 0.6}
	if !l.cuts(left) || l.cuts(right) || m.cuts(left) || !m.cuts(right) || first.cuts(left) {
		t.Error("cuts")
	}
}

// Windows are squares of the image, whatever its shape.
func TestWindow(t *testing.T) {
	bounds := image.Rect(10, 10, 410, 210)
	l := window(bounds, [4]float64{0.9, 0.4, 1, 0.6}, 2)
	if w, h := (l.part[2]-l.part[0])*400, (l.part[3]-l.part[1])*200; math.Abs(w-80) > 1e-9 || math.Abs(h-80) > 1e-9 || l.part[2] > 1+1e-9 {
		t.Errorf("%v: %v × %v", l.part, w, h)
	}
	if l := window(bounds, [4]float64{0, 0, 1, 1}, 2); !l.whole() || l.mirror {
		t.Errorf("the window of all is %v", l)
	}
	img := image.NewGray(bounds)
	if got := l.of(img).Bounds(); got != image.Rect(330, 70, 410, 150) {
		t.Errorf("it shows %v", got)
	}
}

// The things that a prompt asks for are looked at first, and an image gets few looks.
func TestFurther(t *testing.T) {
	object := func(class string, x, confidence float64) reflectionflow.Object {
		return reflectionflow.Object{Class: class, Box: [4]float64{x, 0.4, x + 0.1, 0.5}, Confidence: confidence}
	}
	things := newThings(first, []reflectionflow.Object{object("cat", 0, 0.9), object("dog", 0.3, 0.8), object("mouse", 0.6, 0.2), object("cup", 0.85, 0.5)}, asks(reflectionflow.Prompt{}))
	looks := further(image.Rect(0, 0, 100, 100), things, asks(reflectionflow.Prompt{Requirements: []reflectionflow.Requirement{one("computer mouse")}}))
	if len(looks) != closer || !looks[0].shows(things[2].box) || !looks[1].shows(things[0].box) {
		t.Errorf("%v", looks)
	}
	if looks := further(image.Rect(0, 0, 100, 100), nil, asks(reflectionflow.Prompt{})); len(looks) != 0 {
		t.Errorf("nothing is looked at: %v", looks)
	}
}

// A thing is of one class: what was seen as a dog and a cat is less surely either, and not both.
func TestThingIsOfOneClass(t *testing.T) {
	box := [4]float64{0.2, 0.2, 0.6, 0.6}
	things := newThings(first, []reflectionflow.Object{{Class: "dog", Box: box, Confidence: 0.96}}, asks(reflectionflow.Prompt{}))
	sure := things[0].objects()
	l := look{part: [4]float64{0, 0, 0.8, 0.8}, mirror: true}
	again := [4]float64{0.25, 0.25, 0.75, 0.75}
	addLook(things, l, []reflectionflow.Object{{Class: "cat", Box: again, Confidence: 0.97}, {Class: "dog", Box: again, Confidence: 0.5}})
	both := things[0].objects()
	if len(things) != 1 || len(sure) != 1 || len(both) != 2 {
		t.Fatalf("%v, then %v", sure, both)
	}
	if both[0].Confidence+both[1].Confidence > 1+1e-9 || both[1].Class != "dog" || both[1].Confidence >= sure[0].Confidence {
		t.Errorf("%v, then %v", sure, both)
	}
}

// A further look adds what it shows wholly and for the first time.
func TestSurprises(t *testing.T) {
	known := newThings(first, []reflectionflow.Object{{Class: "couch", Box: [4]float64{0.1, 0.3, 0.9, 0.9}, Confidence: 0.8}}, asks(reflectionflow.Prompt{}))
	l := look{part: [4]float64{0, 0, 0.8, 0.8}}
	box := [4]float64{0.4, 0.3, 0.7, 0.7}
	for name, c := range map[string]struct {
		o    reflectionflow.Object
		want int
	}{
		"a dog on a sofa":       {reflectionflow.Object{Class: "dog", Box: box, Confidence: 0.6}, 1},
		"a faint dog":           {reflectionflow.Object{Class: "dog", Box: box, Confidence: 0.1}, 0},
		"a part of the sofa":    {reflectionflow.Object{Class: "couch", Box: box, Confidence: 0.6}, 0},
		"what the look cuts":    {reflectionflow.Object{Class: "dog", Box: [4]float64{0.6, 0.3, 1, 0.7}, Confidence: 0.6}, 0},
		"the sofa as something": {reflectionflow.Object{Class: "bed", Box: [4]float64{0.13, 0.4, 0.97, 0.97}, Confidence: 0.6}, 0},
	} {
		if got := surprises(known, l, []reflectionflow.Object{c.o}, asks(reflectionflow.Prompt{})); len(got) != c.want {
			t.Errorf("%s: %d more things", name, len(got))
		}
	}
}
