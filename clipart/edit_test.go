package clipart

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
)

func TestFlawedScenesMissTheirPrompts(t *testing.T) {
	rng := newRand(20)
	vocabulary := Vocabulary()
	kinds := make(map[string]int)
	for _, task := range allTasks() {
		for range 600 {
			scene, prompt := Sample(task, rng)
			flawed, instruction, err := Flaw(scene, prompt, rng)
			if err != nil {
				t.Fatalf("%q: %v", prompt.Text, err)
			}
			truth := truthOf(t, flawed)
			if CheckAll(prompt.Requirements, truth) {
				t.Fatalf("%q is still met by %+v", prompt.Text, flawed)
			}
			if want := Instruction(Locate(Fixes(prompt, truth), truth, scene.Objects)); instruction != want || want == "" {
				t.Fatalf("%q: instruction %q, want %q", prompt.Text, instruction, want)
			}
			if n := len(strings.Fields(instruction)); n > maxInstructionWords {
				t.Fatalf("%q has %d words", instruction, n)
			}
			if flawed.Background != scene.Background || unchanged(scene, flawed) < len(scene.Objects)-4 {
				t.Fatalf("%q: too much changed from %+v to %+v", prompt.Text, scene, flawed)
			}
			for _, word := range Words(prompt.Text + reflectionflow.ReflectionMark + instruction) {
				if !slices.Contains(vocabulary, word) {
					t.Fatalf("%q: %q is not in the vocabulary", instruction, word)
				}
			}
			kinds[strings.Fields(instruction)[0]]++
		}
	}
	for _, verb := range []string{"add", "remove", "make", "move", "replace"} {
		if kinds[verb] < 50 {
			t.Errorf("%d of 4200 instructions start with %q", kinds[verb], verb)
		}
	}
}

// TestFlawsRepeatObjectsAndColors checks that flawed scenes have common mistakes of generators:
// one object twice, or two in one color.
func TestFlawsRepeatObjectsAndColors(t *testing.T) {
	rng := newRand(22)
	objects, colors := 0, 0
	for range 300 {
		scene, prompt := Sample(ColorAttr, rng)
		flawed, _, err := Flaw(scene, prompt, rng)
		if err != nil {
			t.Fatal(err)
		}
		if o := flawed.Objects; len(o) == 2 {
			same := o[0].Color == o[1].Color
			if o[0].Class == o[1].Class && same {
				objects++
			} else if same {
				colors++
			}
		}
	}
	if objects < 20 || colors < 20 {
		t.Errorf("of 300 flawed scenes %d show one object twice, %d two in one color", objects, colors)
	}
}

func unchanged(a, b Scene) int {
	n := 0
	for _, o := range a.Objects {
		if slices.Contains(b.Objects, o) {
			n++
		}
	}
	return n
}

func TestFlawRejectsInvalidInput(t *testing.T) {
	rng := newRand(21)
	scene, prompt := Sample(TwoObject, rng)
	for name, f := range map[string]struct {
		scene  Scene
		prompt reflectionflow.Prompt
	}{
		"nothing required": {scene, reflectionflow.Prompt{Text: "x"}},
		"prompt not met":   {Scene{}, prompt},
		"invalid scene":    {Scene{Background: -1}, prompt},
	} {
		if _, _, err := Flaw(f.scene, f.prompt, rng); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFlawUsesTheSamplersClasses(t *testing.T) {
	known := []string{"clock", "dog", "cup"}
	s, err := NewSampler(known...)
	if err != nil {
		t.Fatal(err)
	}
	rng := newRand(22)
	for range 500 {
		scene, prompt := s.SampleMixed(Train, rng)
		flawed, _, err := s.Flaw(scene, prompt, rng)
		if err != nil {
			t.Fatalf("%q: %v", prompt.Text, err)
		}
		for _, o := range flawed.Objects {
			if !slices.Contains(known, o.Class) {
				t.Fatalf("%q: the flawed scene has a %s", prompt.Text, o.Class)
			}
		}
	}
}

// see returns objects such as "dog", "red dog" or "dog@left", most confident first.
func see(t *testing.T, names ...string) []reflectionflow.Object {
	t.Helper()
	var objects []reflectionflow.Object
	for i, name := range names {
		o := reflectionflow.Object{Class: name, Confidence: 1 - float64(i)/100}
		if color, class, ok := strings.Cut(name, " "); ok && slices.Contains(Colors(), color) {
			o.Color, o.Class = color, class
		}
		x, y := 0.5, 0.5
		if class, at, ok := strings.Cut(o.Class, "@"); ok {
			o.Class = class
			x, y = spots[at][0], spots[at][1]
		}
		o.Box = [4]float64{x - 0.15, y - 0.15, x + 0.15, y + 0.15}
		objects = append(objects, o)
	}
	return objects
}

var spots = map[string][2]float64{"left": {0.2, 0.5}, "right": {0.8, 0.5}, "top": {0.5, 0.2}, "bottom": {0.5, 0.8}}

func TestInstruction(t *testing.T) {
	for _, test := range []struct {
		prompt string
		seen   []string
		want   string
	}{
		{"a dog", []string{"dog"}, ""},
		{"a dog", nil, "add a dog"},
		{"three clocks", []string{"clock", "clock"}, "add one more clock"},
		{"four clocks", []string{"clock"}, "add three more clocks"},
		{"four clocks", nil, "add four clocks"},
		{"two dogs", []string{"dog", "dog", "dog"}, "remove one dog"},
		{"two dogs", []string{"dog", "dog", "dog", "dog"}, "remove two dogs"},
		{"a cup and no dog", []string{"cup", "dog"}, "remove the dog"},
		{"a cup and no dog", []string{"cup", "dog", "dog"}, "remove all dogs"},
		{"a blue cup", []string{"red cup"}, "make the cup blue"},
		{"a blue cup", []string{"cup"}, "make the cup blue"},
		{"a blue cup", []string{"red cup", "blue cup"}, "make the red cup blue"},
		{"three red cups", []string{"cup", "red cup", "red cup"}, "make one cup red"},
		{"three red cups", []string{"blue cup", "red cup", "red cup"}, "make the blue cup red"},
		{"two red cups", []string{"blue cup", "green cup"}, "make all cups red"},
		{"three red cups", []string{"blue cup"}, "make the cup red and add two more red cups"},
		{"a red cup and a blue book", []string{"blue cup", "red book"}, "make the cup red and make the book blue"},
		{"a red cup and a blue cup", []string{"red cup", "red cup"}, "make one red cup blue"},
		{"a dog and a cat", []string{"dog", "horse"}, "replace the horse with a cat"},
		{"a dog and a red cat", []string{"dog", "horse"}, "replace the horse with a red cat"},
		{"a dog and a cat", []string{"dog"}, "add a cat"},
		{"a dog left of a cat", []string{"dog@right", "cat@left"}, "move the dog to the left of the cat"},
		{"a dog above a cat", []string{"dog@right", "cat@left"}, "move the dog above the cat"},
		{"a dog left of a cat", []string{"cat@right"}, "add a dog to the left of the cat"},
		{"a dog left of a cat", []string{"dog@left"}, "add a cat to the right of the dog"},
		{"a dog left of a cat", []string{"dog@left", "horse@right"}, "replace the horse with a cat"},
		{"a dog left of a cat", []string{"dog@right", "horse@left"}, "replace the horse with a cat and move the dog to the left of the cat"},
		{"a red dog left of a blue cat", []string{"blue dog@right", "blue cat@left"}, "make the dog red and move the dog to the left of the cat"},
		{"a red cup left of a blue cup", []string{"red cup@right", "blue cup@left"}, "move the red cup to the left of the blue cup"},
		{"a dog left of a cat", []string{"dog@right", "cat@top", "dog@left"}, "remove one dog"},
		{"a dog left of a cat", []string{"blue dog@right", "cat@top", "red dog@left"}, "remove the blue dog"},
		{"a dog left of a cat", []string{"dog@right", "cat@top", "dog@right"}, "move the dog to the left of the cat"},
		{"a red dog left of a cat and a blue dog", []string{"blue dog@right", "cat@top", "red dog@left"}, "move the red dog to the left of the cat"},
		{"two dogs left of a cat", []string{"dog@right", "cat@top", "dog@left"}, "move the dogs to the left of the cat"},
		{"a dog left of a cat", nil, "add a dog to the left of the cat and add a cat"},
	} {
		prompt, err := Parse(test.prompt)
		if err != nil {
			t.Fatal(err)
		}
		if got := Instruction(Fixes(prompt, see(t, test.seen...))); got != test.want {
			t.Errorf("%q, seen %v:\n got %q\nwant %q", test.prompt, test.seen, got, test.want)
		}
	}
}
