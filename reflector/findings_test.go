package reflector

import (
	"image"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
)

// found is a finding that is not met, with what was seen.
func found(r reflectionflow.Requirement, seen ...reflectionflow.Object) reflectionflow.Finding {
	return reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: 0.1, Evidence: seen}
}

func verdict(f reflectionflow.Finding, v reflectionflow.Verdict) reflectionflow.Finding {
	f.Verdict = v
	return f
}

func seenAs(findings ...reflectionflow.Finding) reflectionflow.Observation {
	o := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "as wished"}, Image: image.NewNRGBA(image.Rect(0, 0, 16, 16))}
	o.Score.Requirements = findings
	for _, f := range findings {
		o.Prompt.Requirements = append(o.Prompt.Requirements, f.Requirement)
	}
	return o
}

func thing(class, color string, x, y, confidence float64) reflectionflow.Object {
	return reflectionflow.Object{Class: class, Color: color, Box: [4]float64{x - 0.1, y - 0.1, x + 0.1, y + 0.1}, Confidence: confidence}
}

func TestFindings(t *testing.T) {
	const must, exactly = reflectionflow.AtLeast, reflectionflow.Exactly
	left, middle, corner := thing("dog", "brown", 0.15, 0.5, 0.9), thing("dog", "brown", 0.5, 0.5, 0.9), thing("dog", "black", 0.9, 0.1, 0.6)
	sofa := thing("couch", "blue", 0.4, 0.5, 0.9)
	dogs := reflectionflow.Requirement{Kind: exactly, Object: "dog", Count: 2}
	for name, test := range map[string]struct {
		o    reflectionflow.Observation
		want string
	}{
		"too many":      {seenAs(found(dogs, left, middle, corner)), "There are three dogs, and there should be two. Remove the dog at the top right."},
		"too few":       {seenAs(found(dogs, left)), "There is one dog, and there should be two. Add one more dog."},
		"none of two":   {seenAs(found(dogs)), "There is no dog. Add two dogs."},
		"missing":       {seenAs(found(reflectionflow.Requirement{Kind: must, Object: "apple", Count: 1})), "There is no apple. Add an apple."},
		"at most":       {seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.AtMost, Object: "person", Count: 1}, left, middle)), "There are two people, and there should be one. Remove the person at the left."},
		"at most none":  {seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.AtMost, Object: "person"}, left)), "There is a person at the left. Remove it."},
		"not absent":    {seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "dog"}, left)), "There is a dog at the left. Remove it."},
		"color":         {seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "couch", Color: "red"}, sofa)), "The couch is blue. Make it red."},
		"one of colors": {seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "dog", Color: "brown"}, left, corner)), "The dog at the top right is black. Make it brown."},
		"number of color": {
			seenAs(found(reflectionflow.Requirement{Kind: must, Object: "couch", Color: "red", Count: 1}, sofa)), "The couch is blue. Make it red.",
		},
		"position": {
			seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.LeftOf, Target: "couch"}, middle, sofa)),
			"The dog is right of the couch. Move it to the left of the couch.",
		},
		"on": {
			seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.On, Target: "couch", TargetColor: "red"}, corner, sofa)),
			"The dog is right of the red couch. Move it onto the red couch.",
		},
		"place": {
			seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Place, Object: "dog", Value: "left"}, corner)), "The dog is at the top right. Move it to the left of the image.",
		},
		"missing with a color and a place": {
			seenAs(
				found(reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "cup", Color: "red"}),
				found(reflectionflow.Requirement{Kind: must, Object: "cup", Count: 1}),
				found(reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "cup", Relation: reflectionflow.On, Target: "dining table"}),
			), "There is no cup. Add a red cup on the dining table.",
		},
		"free nouns": {
			seenAs(
				found(reflectionflow.Requirement{Kind: must, Object: "lighthouse", Count: 1}),
				found(reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "watercolor", Weight: reflectionflow.Should}),
				found(reflectionflow.Requirement{Kind: reflectionflow.Text, Value: "OPEN", Object: "sign"}),
				found(reflectionflow.Requirement{Kind: reflectionflow.Interaction, Object: "astronaut", Relation: "riding", Target: "horse"}),
			), "There is no lighthouse. Add a lighthouse. Write \"OPEN\" on the sign, letter for letter. Show the astronaut riding the horse. Change the style of the whole image to watercolor.",
		},
		"unclear":       {seenAs(verdict(found(dogs, left, middle), reflectionflow.Unsure)), "It is not clear whether this is so: There are exactly two dogs. Make it clear."},
		"right":         {seenAs(verdict(found(dogs, left, middle), reflectionflow.Met)), ""},
		"not judged":    {seenAs(verdict(found(reflectionflow.Requirement{Kind: reflectionflow.Scene, Value: "a beach"}), reflectionflow.Unsure)), ""},
		"without score": {reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "a dog"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Findings{}.Reflect(t.Context(), []reflectionflow.Observation{test.o})
			if err != nil || got[0].Text != test.want {
				t.Errorf("got %q, %v, want %q", got[0].Text, err, test.want)
			}
		})
	}
}

// Every kind of requirement has an instruction and a sentence.
func TestFindingsOfEveryKind(t *testing.T) {
	for _, kind := range reflectionflow.Kinds() {
		r := reflectionflow.Requirement{Kind: kind, Object: "dog", Color: "red", Count: 1, Relation: reflectionflow.On, Target: "bed", Value: "left"}
		got, err := Findings{}.Reflect(t.Context(), []reflectionflow.Observation{seenAs(found(r))})
		if err != nil || got[0].Text == "" {
			t.Errorf("%s: %q, %v", kind, got[0].Text, err)
		}
		if s := statement(r); len(s) < 5 {
			t.Errorf("%s: %q", kind, s)
		}
	}
}

func TestFindingsKeepTheContract(t *testing.T) {
	dog := reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "dog", Count: 1}
	observations := []reflectionflow.Observation{
		seenAs(found(dog)), seenAs(found(reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "oil painting"})),
		seenAs(verdict(found(dog), reflectionflow.Met)),
	}
	conformance.Reflector(t, Findings{}, observations, conformance.Options{})
	first := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "a dog", Requirements: []reflectionflow.Requirement{dog}}}
	conformance.Refiner(t, Restate{}, append(observations, first), conformance.Options{})
}

func TestRestate(t *testing.T) {
	exactly := reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "dog", Count: 2}
	red := reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "couch", Color: "red"}
	on := reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.On, Target: "couch"}
	scored := seenAs(found(exactly), verdict(found(red), reflectionflow.Met), verdict(found(on), reflectionflow.Unsure))
	scored.Prompt.Text = "two dogs on a red sofa"
	corrected := scored
	corrected.Reflection = "remove a dog"
	for want, o := range map[string]reflectionflow.Observation{
		"two dogs on a red sofa. There are exactly two dogs. The dog is on the couch.":                   scored,
		"two dogs on a red sofa! There are exactly two dogs. The couch is red. The dog is on the couch.": {Prompt: reflectionflow.Prompt{Text: "two dogs on a red sofa!", Requirements: scored.Prompt.Requirements}},
		"": corrected,
	} {
		got, err := Restate{}.Refine(t.Context(), []reflectionflow.Observation{o})
		if err != nil || got[0].Text != want {
			t.Errorf("got %q, %v, want %q", got[0].Text, err, want)
		}
	}
}

// What the prompt says already is not said again.
func TestRestateSaysNothingTwice(t *testing.T) {
	there := func(object string) reflectionflow.Requirement {
		return reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: object, Count: 1}
	}
	style := reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "photo"}
	for text, c := range map[string]struct {
		asked []reflectionflow.Requirement
		want  string
	}{
		"a photo of a cat":        {[]reflectionflow.Requirement{there("cat"), style}, ""},
		"a kitten on a sofa":      {[]reflectionflow.Requirement{there("kitten"), there("couch")}, "a kitten on a sofa. There is a couch."},
		"a caterpillar, watching": {[]reflectionflow.Requirement{there("cat")}, "a caterpillar, watching. There is a cat."},
		"The cup is red.":         {[]reflectionflow.Requirement{{Kind: reflectionflow.Color, Object: "cup", Color: "red"}}, ""},
	} {
		got, err := Restate{}.Refine(t.Context(), []reflectionflow.Observation{{Prompt: reflectionflow.Prompt{Text: text, Requirements: c.asked}}})
		if err != nil || got[0].Text != c.want {
			t.Errorf("got %q, %v, want %q", got[0].Text, err, c.want)
		}
	}
}

func TestPlural(t *testing.T) {
	for one, want := range map[string]string{
		"dog": "dogs", "bus": "buses", "bench": "benches", "teddy bear": "teddy bears", "toothbrush": "toothbrushes", "person": "people", "knife": "knives",
		"sheep": "sheep", "cherry": "cherries", "toy": "toys", "computer mouse": "computer mice", "wine glass": "wine glasses", "skis": "skis",
	} {
		if got := plural(one); got != want {
			t.Errorf("%s: %s, want %s", one, got, want)
		}
	}
}
