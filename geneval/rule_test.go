package geneval_test

import (
	"image"
	"math"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

var square = image.Pt(100, 100)

// object is seen with its center at x, y and sides w, h, in percent.
func object(class, color string, confidence, x, y, w, h float64) reflectionflow.Object {
	return reflectionflow.Object{
		Class: class, Color: color, Confidence: confidence,
		Box: [4]float64{(x - w/2) / 100, (y - h/2) / 100, (x + w/2) / 100, (y + h/2) / 100},
	}
}

func many(n int, o reflectionflow.Object) []reflectionflow.Object {
	list := make([]reflectionflow.Object, n)
	for i := range list {
		list[i] = o
	}
	return list
}

// The cases follow GenEval's evaluate_images.py.
func TestEvaluate(t *testing.T) {
	include := func(clauses ...geneval.Include) geneval.Metadata {
		return geneval.Metadata{Tag: "position", Include: clauses}
	}
	at := func(class string, relation reflectionflow.Relation, target int) geneval.Include {
		return geneval.Include{Class: class, Count: 1, Position: &geneval.Position{Relation: relation, Target: target}}
	}
	dog := func(confidence float64) reflectionflow.Object { return object("dog", "", confidence, 50, 50, 10, 10) }
	one := include(geneval.Include{Class: "dog", Count: 1})
	counting := geneval.Metadata{Tag: "counting", Include: []geneval.Include{{Class: "dog", Count: 2}}, Exclude: []geneval.Exclude{{Class: "dog", Count: 3}}}
	red := include(geneval.Include{Class: "dog", Count: 2, Color: "red"})
	left := include(geneval.Include{Class: "cat", Count: 1}, at("dog", reflectionflow.LeftOf, 0))
	cat := object("cat", "", 0.9, 50, 50, 10, 10)
	leftOfRed := include(geneval.Include{Class: "cat", Count: 1, Color: "red"}, at("dog", reflectionflow.LeftOf, 0))
	redLeft := include(geneval.Include{Class: "cat", Count: 1}, geneval.Include{Class: "dog", Count: 1, Color: "red", Position: left.Include[1].Position})
	twoLeft := include(geneval.Include{Class: "cat", Count: 2}, geneval.Include{Class: "dog", Count: 2, Position: left.Include[1].Position})
	for name, c := range map[string]struct {
		m       geneval.Metadata
		objects []reflectionflow.Object
		reason  string
	}{
		"at the threshold":              {one, []reflectionflow.Object{dog(0.3)}, "expected dog>=1, found 0"},
		"above the threshold":           {one, []reflectionflow.Object{dog(math.Nextafter(0.3, 1))}, ""},
		"counting at its threshold":     {counting, []reflectionflow.Object{dog(0.95), dog(0.9)}, "expected dog>=2, found 1"},
		"faint ones are not counted":    {counting, []reflectionflow.Object{dog(0.95), dog(0.91), dog(0.9)}, ""},
		"all above are counted":         {counting, many(20, dog(0.95)), "expected dog<3, found 16"},
		"other classes do not count":    {counting, append(many(2, dog(0.95)), cat, cat, cat), ""},
		"all of the color":              {red, []reflectionflow.Object{object("dog", "red", 0.9, 0, 0, 1, 1), object("dog", "red", 0.8, 0, 0, 1, 1), object("dog", "blue", 0.7, 0, 0, 1, 1)}, ""},
		"the most confident are meant":  {red, []reflectionflow.Object{object("dog", "red", 0.4, 0, 0, 1, 1), object("dog", "red", 0.8, 0, 0, 1, 1), object("dog", "blue", 0.7, 0, 0, 1, 1)}, "expected red dog>=2, found 1 red; and 1 red, 1 blue"},
		"ties keep their order":         {red, []reflectionflow.Object{object("dog", "blue", 0.8, 0, 0, 1, 1), object("dog", "red", 0.8, 0, 0, 1, 1), object("dog", "red", 0.8, 0, 0, 1, 1)}, "expected red dog>=2, found 1 red; and 1 red, 1 blue"},
		"too few to look at colors":     {red, []reflectionflow.Object{object("dog", "red", 0.9, 0, 0, 1, 1)}, "expected dog>=2, found 1"},
		"no color at all":               {red, many(2, dog(0.9)), "expected red dog>=2, found 0 red; and "},
		"left":                          {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 20, 50, 10, 10)}, ""},
		"right":                         {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 80, 50, 10, 10)}, "expected dog left of target, found right of target"},
		"two relations hold":            {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 20, 20, 10, 10)}, ""},
		"two others hold":               {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 80, 20, 10, 10)}, "expected dog left of target, found right of and above target"},
		"upright":                       {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 50, 90, 10, 10)}, "expected dog left of target, found below target"},
		"no relation":                   {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 48.5, 50, 10, 10)}, "expected dog left of target, found  target"},
		"the reduced offset is weighed": {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 46.01, 50, 10, 10)}, "expected dog left of target, found  target"}, // (3.99-2)/3.99 is less than a half
		"just more than a half":         {left, []reflectionflow.Object{cat, object("dog", "", 0.9, 45.99, 50, 10, 10)}, ""},
		"no target":                     {left, []reflectionflow.Object{dog(0.9)}, "expected cat>=1, found 0\nno target for dog to be left of"},
		"a target of the wrong color":   {leftOfRed, []reflectionflow.Object{object("cat", "blue", 0.9, 50, 50, 10, 10), object("dog", "", 0.9, 20, 50, 10, 10)}, "expected red cat>=1, found 0 red; and 1 blue\nno target for dog to be left of"},
		"wrong color: place not looked": {redLeft, []reflectionflow.Object{cat, object("dog", "blue", 0.9, 80, 50, 10, 10)}, "expected red dog>=1, found 0 red; and 1 blue"},
		"every object to every target":  {twoLeft, []reflectionflow.Object{cat, object("cat", "", 0.8, 60, 50, 10, 10), object("dog", "", 0.9, 20, 50, 10, 10), object("dog", "", 0.8, 55, 50, 4, 4)}, "expected dog left of target, found right of target"},
		"both left of both":             {twoLeft, []reflectionflow.Object{cat, object("cat", "", 0.8, 60, 50, 10, 10), object("dog", "", 0.9, 20, 50, 10, 10), object("dog", "", 0.8, 30, 50, 4, 4)}, ""},
		"nothing seen":                  {counting, nil, "expected dog>=2, found 0"},
	} {
		t.Run(name, func(t *testing.T) {
			want := geneval.Result{Correct: c.reason == "", Reason: c.reason}
			if got := geneval.Evaluate(c.m, geneval.OfficialThresholds(), square, c.objects); got != want {
				t.Errorf("got  %q\nwant %q", got.Reason, want.Reason)
			}
		})
	}
}

// Offsets under a thousandth of a pixel give no direction (relative_position), for any
// image size. The boxes have no size, so that any larger offset is a direction.
func TestEvaluateOffset(t *testing.T) {
	m := geneval.Metadata{Tag: "position", Include: []geneval.Include{
		{Class: "cat", Count: 1}, {Class: "dog", Count: 1, Position: &geneval.Position{Relation: reflectionflow.LeftOf, Target: 0}},
	}}
	for pixels, want := range map[float64]bool{0.0009: false, 0.0011: true} {
		for _, side := range []int{64, 1000, 4096} {
			x := 0.5 - pixels/float64(side)
			objects := []reflectionflow.Object{
				{Class: "cat", Confidence: 0.9, Box: [4]float64{0.5, 0.5, 0.5, 0.5}},
				{Class: "dog", Confidence: 0.9, Box: [4]float64{x, 0.5, x, 0.5}},
			}
			if got := geneval.Evaluate(m, geneval.OfficialThresholds(), image.Pt(side, side), objects); got.Correct != want {
				t.Errorf("%g pixels of %d: %v", pixels, side, got.Correct)
			}
		}
	}
}

// In an image that is not square, directions are those of its pixels.
func TestEvaluateWide(t *testing.T) {
	m := geneval.Metadata{Tag: "position", Include: []geneval.Include{
		{Class: "cat", Count: 1}, {Class: "dog", Count: 1, Position: &geneval.Position{Relation: reflectionflow.Above, Target: 0}},
	}}
	objects := []reflectionflow.Object{object("cat", "", 0.9, 30, 70, 2, 2), object("dog", "", 0.9, 70, 30, 2, 2)}
	if got := geneval.Evaluate(m, geneval.OfficialThresholds(), square, objects); !got.Correct {
		t.Errorf("square: %s", got.Reason)
	}
	const want = "expected dog above target, found right of target"
	if got := geneval.Evaluate(m, geneval.OfficialThresholds(), image.Pt(400, 100), objects); got.Reason != want {
		t.Errorf("wide: got %q, want %q", got.Reason, want)
	}
}

func TestThresholdsOfJudge(t *testing.T) {
	own := geneval.Thresholds{Score: 0.5, Counting: 0.6}
	if got := geneval.ThresholdsOf(calibrated{thresholds: own}); got != own {
		t.Errorf("got %v, want the judge's own", got)
	}
	if got := geneval.ThresholdsOf(blind{}); got != geneval.OfficialThresholds() {
		t.Errorf("got %v, want the official ones", got)
	}
	m := geneval.Metadata{Tag: "counting", Include: []geneval.Include{{Class: "dog", Count: 1}}}
	if got := geneval.Evaluate(m, own, square, []reflectionflow.Object{object("dog", "", 0.61, 50, 50, 9, 9)}); !got.Correct {
		t.Error(got.Reason)
	}
}
