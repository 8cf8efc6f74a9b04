package photo

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/vision/composite"
	"reflectionflow/vision/ssdlite"
)

func verifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func at(class string, x, height float64) composite.Item {
	for _, c := range composite.CutOuts() {
		if c.Class == class {
			return composite.Item{CutOut: c, Center: [2]float64{x, 0.6}, Height: height}
		}
	}
	panic(class)
}

func render(items ...composite.Item) *image.NRGBA {
	img, _ := composite.Scene{Items: items, Seed: 3}.Render(300, 300)
	return img
}

func one(object string) reflectionflow.Requirement {
	return reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: object, Count: 1}
}

func TestVerifierKeepsTheContract(t *testing.T) {
	pair := render(at("cat", 0.25, 0.4), at("cup", 0.75, 0.35))
	prompt := func(r ...reflectionflow.Requirement) reflectionflow.Prompt {
		return reflectionflow.Prompt{Text: "any", Requirements: r}
	}
	conformance.Verifier(t, verifier(t), []reflectionflow.PromptedImage{
		{Prompt: prompt(one("cat"), one("unicorn"), reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "cup", Count: 1}, reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "watercolor"}), Image: pair},
		{Prompt: prompt(reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "cup", Relation: reflectionflow.RightOf, Target: "cat"}), Image: pair},
		{Prompt: prompt(), Image: render(at("person", 0.5, 0.8))},
	}, conformance.Options{})
}

func TestVerdicts(t *testing.T) {
	v := verifier(t)
	pair := render(at("cat", 0.25, 0.45), at("cup", 0.75, 0.35))
	blue := at("cup", 0.5, 0.5)
	blue.Color = "blue"
	const met, not, unsure = reflectionflow.Met, reflectionflow.NotMet, reflectionflow.Unsure
	for _, test := range []struct {
		name string
		img  image.Image
		r    reflectionflow.Requirement
		want reflectionflow.Verdict
	}{
		{"there", pair, one("cat"), met},
		{"another word", pair, one("animal"), unsure},
		{"one of a kind that is there", pair, one("kitten"), unsure},
		{"one of a kind that is not there", pair, one("puppy"), not},
		{"not there", pair, one("zebra"), not},
		{"no class", pair, one("unicorn"), unsure},
		{"absent", pair, reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "dog"}, met},
		{"not absent", pair, reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "cat"}, not},
		{"two of one", pair, reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "cat", Count: 2}, not},
		{"six", pair, reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "cat", Count: 6}, unsure},
		{"left", pair, reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.LeftOf, Target: "cup"}, met},
		{"right", pair, reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.RightOf, Target: "cup"}, not},
		{"behind", pair, reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.Behind, Target: "cup"}, unsure},
		{"place", pair, reflectionflow.Requirement{Kind: reflectionflow.Place, Object: "cup", Value: "right"}, met},
		{"other place", pair, reflectionflow.Requirement{Kind: reflectionflow.Place, Object: "cup", Value: "left"}, not},
		{"color", render(blue), reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "cup", Color: "navy blue"}, met},
		{"other color", render(blue), reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "cup", Color: "yellow"}, not},
		{"a color on which people differ", render(blue), reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "cup", Color: "teal"}, unsure},
		{"text", pair, reflectionflow.Requirement{Kind: reflectionflow.Text, Value: "OPEN"}, unsure},
	} {
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: "any", Requirements: []reflectionflow.Requirement{test.r}}, Image: test.img}})
		if err != nil {
			t.Fatal(err)
		}
		if f := scores[0].Requirements[0]; f.Verdict != test.want {
			t.Errorf("%s: %s with %.2f, want %s; it %s", test.name, f.Verdict, f.Confidence, test.want, scores[0].Detail)
		}
	}
}

// Whether a person is a man is not judged, so nothing is known to be right; a man and a woman
// are two persons.
func TestTwoNarrowerNouns(t *testing.T) {
	v := verifier(t)
	person := func(x float64) composite.Item { return at("person", x, 0.7) }
	for name, c := range map[string]struct {
		img     image.Image
		nouns   []string
		nothing bool // is wrong, as far as can be judged
	}{
		"a man":                      {render(person(0.5)), []string{"man"}, false},
		"a man and a woman":          {render(person(0.25), person(0.75)), []string{"man", "woman"}, false},
		"one for a man and a woman":  {render(person(0.5)), []string{"man", "woman"}, false},
		"one for a person and a man": {render(person(0.5)), []string{"person", "man"}, true},
	} {
		prompt := reflectionflow.Prompt{Text: "any"}
		for _, noun := range c.nouns {
			prompt.Requirements = append(prompt.Requirements, one(noun))
		}
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: c.img}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range scores[0].Requirements {
			if f.Requirement.Object != "person" && f.Verdict == reflectionflow.Met {
				t.Errorf("%s: %s is met", name, f.Requirement)
			}
		}
		if got := scores[0].NothingWrong(); got != c.nothing {
			t.Errorf("%s: nothing wrong is %t: %+v", name, got, scores[0].Requirements)
		}
	}
}

// An image that meets all that can be judged has a higher value than others, and what cannot be judged
// changes no order.
func TestValueOrdersImages(t *testing.T) {
	v := verifier(t)
	prompt := reflectionflow.Prompt{Text: "any", Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.Exactly, Object: "cat", Count: 1}, one("cup"), {Kind: reflectionflow.Style, Value: "cinematic"},
	}}
	var values []float64
	for _, img := range []image.Image{render(at("cat", 0.25, 0.45), at("cup", 0.75, 0.35)), render(at("cat", 0.25, 0.45)), render()} {
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: img}})
		if err != nil {
			t.Fatal(err)
		}
		if scores[0].Right() {
			t.Error("an image is right although its style cannot be judged")
		}
		values = append(values, scores[0].Value)
	}
	if !slices.IsSortedFunc(values, func(a, b float64) int { return int(math.Copysign(1, b-a)) }) || values[0] < 0 || values[1] > 0 {
		t.Errorf("values %v", values)
	}
}

// Images of any size and color model are judged.
func TestOddImages(t *testing.T) {
	v := verifier(t)
	prompt := reflectionflow.Prompt{Text: "any", Requirements: []reflectionflow.Requirement{one("cat"), {Kind: reflectionflow.Color, Object: "cat", Color: "red"}}}
	for name, img := range map[string]image.Image{
		"one pixel": image.NewNRGBA(image.Rect(0, 0, 1, 1)), "wide": image.NewNRGBA(image.Rect(0, 0, 20000, 20)), "gray": image.NewGray(image.Rect(3, 4, 50, 60)),
		"transparent": image.NewNRGBA(image.Rect(0, 0, 64, 64)), "deep": image.NewNRGBA64(image.Rect(0, 0, 64, 64)), "printed": image.NewCMYK(image.Rect(0, 0, 64, 64)),
		"palette": image.NewPaletted(image.Rect(0, 0, 9, 9), color.Palette{color.White, color.Black}),
	} {
		if _, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: img}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: image.NewGray(image.Rectangle{})}}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("an empty image: %v", err)
	}
}

func TestOpenRefusesOptions(t *testing.T) {
	for _, o := range []Options{{Met: 0.3}, {Met: 2}, {NotMet: -1}, {Met: math.NaN()}} {
		if _, err := Open(t.Context(), o); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A detector's classes and colors are GenEval's.
func TestDetector(t *testing.T) {
	d, err := OpenDetector(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	red := at("cup", 0.5, 0.5)
	red.Color = "red"
	found, err := d.Detect(t.Context(), []image.Image{render(red), render()})
	if err != nil || len(found) != 2 || len(found[0]) == 0 || found[0][0].Class != "cup" || found[0][0].Color != "red" || found[0][0].Confidence < 0.5 {
		t.Errorf("%v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Detect(ctx, []image.Image{render()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Boxes show relations.
func TestRelated(t *testing.T) {
	s := &scene{img: image.NewGray(image.Rect(0, 0, 100, 100))}
	table := [4]float64{0.1, 0.6, 0.9, 0.95}
	for _, test := range []struct {
		relation reflectionflow.Relation
		a, b, c  [4]float64
		want     bool
	}{
		{reflectionflow.On, [4]float64{0.4, 0.4, 0.6, 0.65}, table, table, true},
		{reflectionflow.On, [4]float64{0.4, 0.1, 0.6, 0.3}, table, table, false},     // in the air
		{reflectionflow.On, table, [4]float64{0.4, 0.4, 0.6, 0.65}, table, false},    // the other way round
		{reflectionflow.On, [4]float64{0.92, 0.4, 0.99, 0.65}, table, table, false},  // beside it
		{reflectionflow.Under, table, [4]float64{0.4, 0.4, 0.6, 0.65}, table, true},  // the other way round
		{reflectionflow.Inside, [4]float64{0.3, 0.7, 0.4, 0.8}, table, table, true},  //
		{reflectionflow.Inside, [4]float64{0.3, 0.3, 0.4, 0.8}, table, table, false}, // sticks out
		{reflectionflow.NextTo, [4]float64{0.1, 0.4, 0.4, 0.8}, [4]float64{0.45, 0.4, 0.8, 0.8}, table, true},
		{reflectionflow.NextTo, [4]float64{0.0, 0.4, 0.1, 0.5}, [4]float64{0.8, 0.4, 0.9, 0.5}, table, false},
		{reflectionflow.Between, [4]float64{0.4, 0.4, 0.5, 0.6}, [4]float64{0.1, 0.4, 0.2, 0.6}, [4]float64{0.7, 0.4, 0.8, 0.6}, true},
		{reflectionflow.Between, [4]float64{0.9, 0.4, 1, 0.6}, [4]float64{0.1, 0.4, 0.2, 0.6}, [4]float64{0.7, 0.4, 0.8, 0.6}, false},
	} {
		p := s.related(test.relation, &object{box: test.a}, &object{box: test.b}, &object{box: test.c})
		if test.want != (p > 0.6) || !test.want != (p < 0.4) {
			t.Errorf("%v %s %v: %.2f, want %t", test.a, test.relation, test.b, p, test.want)
		}
	}
}

// Every class of the detector has a requirement that names it.
func TestNouns(t *testing.T) {
	for _, c := range ssdlite.Classes() {
		if name, whole, known := class(geneval(c)); !known || !whole || name != geneval(c) {
			t.Errorf("%s is %q", c, name)
		}
	}
	for noun, name := range broader {
		if _, whole, known := class(name); !whole || !known {
			t.Errorf("%s is %s", noun, name)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	v := verifier(b)
	p := reflectionflow.PromptedImage{Prompt: reflectionflow.Prompt{Text: "any", Requirements: []reflectionflow.Requirement{
		one("cat"), {Kind: reflectionflow.Color, Object: "cup", Color: "red"}, {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.LeftOf, Target: "cup"},
	}}, Image: func() image.Image {
		img, _ := composite.Scene{Items: []composite.Item{at("cat", 0.25, 0.45), at("cup", 0.75, 0.35)}}.Render(1024, 1024)
		return img
	}()}
	for b.Loop() {
		if _, err := v.Verify(b.Context(), []reflectionflow.PromptedImage{p}); err != nil {
			b.Fatal(err)
		}
	}
}
