package clipart

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"reflectionflow"
)

// TestRepairedScenesMeetTheirPrompts repairs flawed scenes: the result meets the prompt on the
// same background, and most objects are unchanged.
func TestRepairedScenesMeetTheirPrompts(t *testing.T) {
	rng := newRand(30)
	s := Sampler{}.FirstDrawing()
	for _, task := range allTasks() {
		for range 200 {
			scene, prompt := s.Sample(task, rng)
			flawed, instruction, err := s.Flaw(scene, prompt, rng)
			if err != nil {
				t.Fatal(err)
			}
			repaired, err := Repair(prompt, truthOf(t, flawed), flawed.Background, rng.Uint64())
			if err != nil {
				t.Fatalf("%q with %+v: %v", prompt.Text, flawed.Objects, err)
			}
			if !CheckAll(prompt.Requirements, truthOf(t, repaired)) {
				t.Fatalf("%q: %q left %+v", prompt.Text, instruction, repaired.Objects)
			}
			if repaired.Background != flawed.Background {
				t.Fatalf("%q: background %d became %d", prompt.Text, flawed.Background, repaired.Background)
			}
			// A flaw changes up to two objects, and some scenes have two flaws.
			if kept := unchanged(repaired, flawed); kept < min(len(repaired.Objects), len(flawed.Objects))-4 {
				t.Fatalf("%q: of %+v only %d are left in %+v", prompt.Text, flawed.Objects, kept, repaired.Objects)
			}
		}
	}
}

func TestRepair(t *testing.T) {
	cat, dog := "cat", "dog"
	at := func(class, color string, corner int, confidence float64) reflectionflow.Object {
		x, y := cornerAt(corner)
		return reflectionflow.Object{Class: class, Color: color, Confidence: confidence, Box: [4]float64{x - 0.1, y - 0.1, x + 0.1, y + 0.1}}
	}
	for _, test := range []struct {
		prompt string
		seen   []reflectionflow.Object
		want   [corners]string // class and color by corner
	}{
		{"a photo of a cat and a dog", []reflectionflow.Object{at(cat, "", 0, 0.9)}, [corners]string{cat, dog + " anywhere"}},
		// Four cats where one belongs: the least confident one makes room.
		{"a photo of a dog and a cat", []reflectionflow.Object{at(cat, "", 0, 0.6), at(cat, "", 1, 0.9), at(cat, "", 2, 0.8), at(cat, "", 3, 0.7)}, [corners]string{dog, cat, cat, cat}},
		{"a photo of two cats", []reflectionflow.Object{at(cat, "", 0, 0.6), at(cat, "red", 1, 0.9), at(cat, "", 2, 0.8)}, [corners]string{"", "red cat", cat, ""}},
		{"a photo of a red cat and a blue dog", []reflectionflow.Object{at(cat, "red", 3, 0.9), at(dog, "red", 1, 0.9)}, [corners]string{"", "blue dog", "", "red cat"}},
		{"a photo of a cat left of a dog", []reflectionflow.Object{at(dog, "", 0, 0.9), at(cat, "", 1, 0.8)}, [corners]string{cat, dog, "", ""}},
		{"a photo of a cat above a dog", []reflectionflow.Object{at(cat, "", 3, 0.9), at(dog, "", 0, 0.8)}, [corners]string{cat, "", "", dog}},
		// The less confident object in a corner is dropped.
		{"a photo of a cat", []reflectionflow.Object{at(dog, "", 2, 0.9), at(cat, "", 2, 0.3)}, [corners]string{"", "", cat, ""}},
		{"a photo of a person", []reflectionflow.Object{at(dog, "red", 2, 0.9)}, [corners]string{"", "", "person", ""}},
	} {
		prompt, err := Parse(test.prompt)
		if err != nil {
			t.Fatal(err)
		}
		scene, err := Repair(prompt, test.seen, 3, 1)
		if err != nil {
			t.Errorf("%q: %v", test.prompt, err)
			continue
		}
		var got [corners]string
		for _, o := range scene.Objects {
			corner := cornerOf(reflectionflow.Object{Box: [4]float64{o.X, o.Y, o.X, o.Y}})
			got[corner] = colored(o.Color, o.Class)
		}
		if i := slices.Index(test.want[:], dog+" anywhere"); i >= 0 {
			if test.want = got; !slices.Contains(got[:], dog) || len(scene.Objects) != 2 {
				t.Errorf("%q: got %q", test.prompt, got)
			}
		}
		if got != test.want || scene.Background != 3 {
			t.Errorf("%q: got %q on %d, want %q on 3", test.prompt, got, scene.Background, test.want)
		}
	}
}

func TestRepairRejectsTheImpossible(t *testing.T) {
	five := reflectionflow.Prompt{Text: "five dogs", Requirements: []reflectionflow.Requirement{exactly(5, "dog", "")}}
	if _, err := Repair(five, nil, 0, 1); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("five dogs: %v", err)
	}
	dog := reflectionflow.Prompt{Text: "a dog", Requirements: []reflectionflow.Requirement{one("dog", "")}}
	unknown := []reflectionflow.Object{{Class: "dragon", Confidence: 1}}
	if scene, err := Repair(dog, append(unknown, reflectionflow.Object{Class: "gryphon", Confidence: 1, Box: [4]float64{0.6, 0, 1, 0.4}}), 0, 1); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("an unknown class: %+v, %v", scene, err)
	}
}

func TestRepairIsDeterministic(t *testing.T) {
	prompt, err := Parse("a photo of three cats")
	if err != nil {
		t.Fatal(err)
	}
	first, err := Repair(prompt, nil, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := Repair(prompt, nil, 0, 5); !reflect.DeepEqual(first, again) {
		t.Errorf("%+v, then %+v", first, again)
	}
}

func TestBackgroundOf(t *testing.T) {
	for i := range backgrounds {
		scene := Scene{Background: i, Objects: []Placement{{Class: "dog", X: 0.25, Y: 0.25, Size: 0.375}, {Class: "bus", X: 0.75, Y: 0.75, Size: 0.375}}}
		img, err := scene.Render(truthSide, truthSide)
		if err != nil {
			t.Fatal(err)
		}
		if got := BackgroundOf(img); got != i {
			t.Errorf("background %d is found as %d", i, got)
		}
	}
}
