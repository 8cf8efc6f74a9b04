package clipart

import (
	"math/rand/v2"
	"testing"

	"reflectionflow"
)

func box(x, y, w, h float64) [4]float64 { return [4]float64{x - w/2, y - h/2, x + w/2, y + h/2} }

// The expected relations were worked out by hand from GenEval's
// relative_position: reduced offset over distance, more than a half.
func TestRelations(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b [4]float64
		want string
	}{
		{"side by side", box(0.2, 0.5, 0.2, 0.2), box(0.8, 0.5, 0.2, 0.2), "left of"},
		{"other way round", box(0.8, 0.5, 0.2, 0.2), box(0.2, 0.5, 0.2, 0.2), "right of"},
		{"one upon the other", box(0.5, 0.2, 0.2, 0.2), box(0.5, 0.8, 0.2, 0.2), "above"},
		{"one under the other", box(0.5, 0.8, 0.2, 0.2), box(0.5, 0.2, 0.2, 0.2), "below"},
		{"diagonal: both relations", box(0.2, 0.2, 0.1, 0.1), box(0.8, 0.8, 0.1, 0.1), "left of above"},
		{"same place", box(0.5, 0.5, 0.2, 0.2), box(0.5, 0.5, 0.3, 0.3), ""},
		{"offset within a tenth of the sizes", box(0.45, 0.5, 0.4, 0.4), box(0.5, 0.5, 0.4, 0.4), ""},
		// d = 0.1, reduced by 0.1·(0.25+0.25) to 0.05: just not more than a half of 0.1.
		{"reduced to a half", box(0.25, 0.5, 0.25, 0.25), box(0.35, 0.5, 0.25, 0.25), ""},
		{"reduced to more than a half", box(0.25, 0.5, 0.24, 0.24), box(0.35, 0.5, 0.24, 0.24), "left of"},
		// d = (0.6, 0.2): dy/‖d‖ = 0.28.
		{"a little higher", box(0.2, 0.4, 0.1, 0.1), box(0.8, 0.6, 0.1, 0.1), "left of"},
	} {
		got := ""
		for i, r := range Relations(test.a, test.b) {
			if i > 0 {
				got += " "
			}
			got += string(r)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		requirement string
		seen        []string // in order of confidence
		want        bool
	}{
		{"a dog", []string{"dog"}, true},
		{"a dog", []string{"dog", "dog"}, true},
		{"a dog", []string{"cat"}, false},
		{"a dog", nil, false},
		{"at least two dogs", []string{"dog", "dog", "dog"}, true},
		{"at least two dogs", []string{"dog"}, false},
		{"two dogs", []string{"dog", "dog"}, true},
		{"two dogs", []string{"dog", "dog", "dog"}, false},
		{"two dogs", []string{"dog", "cat"}, false},
		{"a red dog", []string{"red dog"}, true},
		{"a red dog", []string{"blue dog"}, false},
		{"a red dog", []string{"dog"}, false},
		// As in GenEval, the color of the most confident dog counts.
		{"a red dog", []string{"blue dog", "red dog"}, false},
		{"a red dog", []string{"red dog", "blue dog"}, true},
		{"two red dogs", []string{"blue dog", "red dog", "red dog"}, true},
		{"two red dogs", []string{"red dog", "red dog", "red dog"}, false},
		{"no dog", []string{"cat"}, true},
		{"no dog", []string{"dog"}, false},
		{"no red dog", []string{"blue dog"}, true},
		{"a dog left of a cat", []string{"dog@left", "cat@right"}, true},
		{"a dog left of a cat", []string{"dog@right", "cat@left"}, false},
		{"a dog left of a cat", []string{"dog@left"}, false},
		{"a dog above a cat", []string{"dog@left", "cat@right"}, false},
		{"a dog above a cat", []string{"dog@top", "cat@bottom"}, true},
		// The second dog counts only if two are required.
		{"a dog left of a cat", []string{"dog@left", "cat@right", "dog@bottom"}, true},
		{"two dogs left of a cat", []string{"dog@left", "cat@right", "dog@left"}, true},
		{"two dogs above a cat", []string{"dog@top", "cat@bottom", "dog@bottom"}, false},
		{"a red dog left of a cat", []string{"blue dog@left", "cat@right"}, false},
		{"a dog left of a red cat", []string{"dog@left", "blue cat@right"}, false},
		{"a red cup left of a blue cup", []string{"blue cup@right", "red cup@left"}, true},
		{"a red cup left of a blue cup", []string{"blue cup@left", "red cup@right"}, false},
	} {
		prompt, err := parseCaption(test.requirement)
		if err != nil {
			t.Fatal(err)
		}
		if got := CheckAll(prompt.Requirements, see(t, test.seen...)); got != test.want {
			t.Errorf("%q, seen %v: %v, want %v", test.requirement, test.seen, got, test.want)
		}
	}
	if met, _ := Check(reflectionflow.Requirement{Kind: "unheard of", Object: "dog"}, see(t, "dog")); met {
		t.Error("a requirement of an unknown kind is met")
	}
}

func TestCheckEvidence(t *testing.T) {
	objects := see(t, "dog", "cat", "dog")
	objects[0].Confidence = 0.2
	_, evidence := Check(one("dog", ""), objects)
	if len(evidence) != 1 || evidence[0] != objects[2] {
		t.Errorf("evidence %v, want the more confident dog", evidence)
	}
	_, evidence = Check(reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "dog"}, objects)
	if len(evidence) != 2 {
		t.Errorf("evidence %v, want both dogs", evidence)
	}
}

// anything returns up to six objects of the sampler's classes at random places.
func anything(s Sampler, rng *rand.Rand) []reflectionflow.Object {
	var objects []reflectionflow.Object
	for range rng.IntN(7) {
		class := s.known()[rng.IntN(4)]
		objects = append(objects, reflectionflow.Object{
			Class: class, Color: sometimesColor(class, 50, rng), Confidence: rng.Float64(),
			Box: box(rng.Float64(), rng.Float64(), 0.2, 0.2),
		})
	}
	return objects
}

// TestFixesWorkForUnrelatedObjects fixes images whose objects have nothing to do with the prompt.
func TestFixesWorkForUnrelatedObjects(t *testing.T) {
	rng := newRand(30)
	s, err := NewSampler("dog", "cat", "cup", "person")
	if err != nil {
		t.Fatal(err)
	}
	for range 6000 {
		_, prompt := s.Sample(allTasks()[rng.IntN(len(allTasks()))], rng)
		objects := anything(s, rng)
		met := CheckAll(prompt.Requirements, objects)
		fixes := Fixes(prompt, objects)
		if met != (len(fixes) == 0) || met != (Instruction(fixes) == "") {
			t.Fatalf("%q met %v by %+v: %+v", prompt.Text, met, objects, fixes)
		}
	}
}
