package clipart

import (
	"slices"
	"strings"
	"testing"

	"reflectionflow"
)

// inCorners puts the named objects in the corners in reading order, "" for an empty corner. The
// first is the most confident.
func inCorners(t *testing.T, names ...string) []reflectionflow.Object {
	t.Helper()
	var objects []reflectionflow.Object
	for corner, name := range names {
		if name == "" {
			continue
		}
		o := see(t, name)[0]
		x, y := cornerAt(corner)
		o.Box = [4]float64{x - 0.19, y - 0.19, x + 0.19, y + 0.19}
		o.Confidence = 1 - float64(corner)/100
		objects = append(objects, o)
	}
	return objects
}

func TestLocatedCorrections(t *testing.T) {
	for _, test := range []struct {
		prompt string
		seen   []string // in the corners
		want   string
	}{
		{"a dog", []string{"dog"}, ""},
		{"two dogs", []string{"dog", "dog", "", "dog"}, "dog top left, dog top right. remove one dog"},
		{"two dogs", []string{"dog", "dog", "dog", "dog"}, "dog top left, dog top right. remove two dogs"},
		{"four dogs", []string{"dog", "", "dog", "dog"}, "dog top left, dog top right, dog bottom left, dog bottom right. add one more dog at the top right"},
		{"a dog and a cat", []string{"dog", "dog", "horse", "horse"}, "dog top left, dog top right, cat bottom left. replace the horse at the bottom left with a cat"},
		{"a dog and a cat", []string{"dog", "horse"}, "dog top left, cat top right. replace the horse with a cat"},
		{"a red dog", []string{"blue dog"}, "red dog top left. make the dog red"},
		{"a dog left of a cat", []string{"cat", "cup", "", "dog"}, "dog top left, cat bottom right. move the dog to the top left and move the cat to the bottom right"},
		{"a dog left of a cat", []string{"cat", "cup", "dog", "cup"}, "dog bottom left, cat bottom right. move the cat to the bottom right"},
		{"a dog left of a cat", []string{"cat", "dog", "cup", "cup"}, "dog top left, cat top right. move the dog to the top left and move the cat to the top right"},
		{"a dog left of a cat", []string{"cup", "cat", "", "cup"}, "dog top left, cat top right. replace the cup at the top left with a dog"},
		{"a red cup", []string{"red cup", "blue cup", "blue cup"}, "red cup top left. remove all blue cups"},
		{"a dog left of a cat", []string{"dog", "cat", "", "dog"}, "dog top left, cat top right. remove one dog"},
	} {
		prompt, err := Parse(test.prompt)
		if err != nil {
			t.Fatal(err)
		}
		objects := inCorners(t, test.seen...)
		fixes, outline := LocatedCorrections(prompt, objects, 1)
		if got := Directions(outline, Instruction(fixes)); got != test.want {
			t.Errorf("%q, seen %q:\n got %q\nwant %q", test.prompt, test.seen, got, test.want)
		}
		for i := range objects {
			objects[i].Box = [4]float64{}
		}
		fixes, outline = LocatedCorrections(prompt, objects, 1)
		if got := Instruction(fixes); strings.Contains(got, " top ") || strings.Contains(got, " bottom ") || outline != "" {
			t.Errorf("%q, objects without boxes: %q after %q names a place", test.prompt, got, outline)
		}
	}
}

// TestPlacesMatchThePlan compares the places of corrections with the planned scene.
func TestPlacesMatchThePlan(t *testing.T) {
	rng := newRand(41)
	s, err := NewSampler("dog", "cat", "cup", "person")
	if err != nil {
		t.Fatal(err)
	}
	vocabulary, placed := Vocabulary(), 0
	for i := range 6000 {
		_, prompt := s.Sample(Tasks()[rng.IntN(6)], rng)
		objects := anything(s, rng)
		scene, err := Repair(prompt, objects, 0, uint64(i))
		if err != nil || CheckAll(prompt.Requirements, objects) {
			continue
		}
		fixes, outline := LocatedCorrections(prompt, objects, uint64(i))
		if want := Outline(scene, prompt.Requirements); outline != want {
			t.Fatalf("%q, seen %+v: %q, planned %q", prompt.Text, objects, outline, want)
		}
		for _, f := range fixes {
			if f.Place == "" {
				continue
			}
			placed++
			there := slices.ContainsFunc(scene.Objects, func(p Placement) bool { return p.Class == f.Object && place(p.X, p.Y) == f.Place })
			was := slices.ContainsFunc(objects, func(o reflectionflow.Object) bool {
				return o.Class == f.From && place(cornerAt(cornerOf(o))) == f.Place
			})
			if arrives := f.Kind == AddObject || f.Kind == MoveObject; arrives && !there || !arrives && !was {
				t.Fatalf("%q, seen %+v: %q, planned %+v", prompt.Text, objects, f, scene)
			}
		}
		for _, word := range Words(Directions(outline, Instruction(fixes))) {
			if !slices.Contains(vocabulary, word) {
				t.Fatalf("%q is not in the vocabulary", word)
			}
		}
	}
	if placed < 500 {
		t.Errorf("%d places were named", placed)
	}
}
