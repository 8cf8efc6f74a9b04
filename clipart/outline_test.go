package clipart

import (
	"testing"

	"reflectionflow"
)

func TestOutline(t *testing.T) {
	at := func(class, color string, x, y float64) Placement {
		return Placement{Class: class, Color: color, X: x, Y: y, Size: 0.3}
	}
	scene := Scene{Objects: []Placement{
		at("cup", "blue", 0.8, 0.8), at("dog", "red", 0.2, 0.2), at("dog", "black", 0.8, 0.2), at("bench", "", 0.2, 0.5),
	}}
	for prompt, want := range map[string]string{
		"a dog and a cup":              "dog top left, dog top right, cup bottom right",
		"a red dog and a cup":          "red dog top left, black dog top right, cup bottom right",
		"a bench left of a blue cup":   "bench at the left, blue cup bottom right",
		"a cat":                        "",
		"two dogs, a bench and no cat": "dog top left, dog top right, bench at the left",
	} {
		p, err := Parse(prompt)
		if err != nil {
			t.Fatal(err)
		}
		if got := Outline(scene, p.Requirements); got != want {
			t.Errorf("%q: got %q, want %q", prompt, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	seen := []reflectionflow.Object{
		{Class: "cup", Color: "red", Box: [4]float64{0.6, 0.55, 0.9, 0.95}}, {Class: "dog", Color: "blue", Box: [4]float64{0.1, 0.2, 0.4, 0.5}},
	}
	for prompt, want := range map[string]string{
		"a blue cup and a dog": "dog top left, red cup bottom right.",
		"a dog":                "dog top left.",
		"a cat":                "",
	} {
		p, err := Parse(prompt)
		if err != nil {
			t.Fatal(err)
		}
		if got := Describe(seen, p.Requirements); got != want {
			t.Errorf("%q: got %q, want %q", prompt, got, want)
		}
	}
}

func TestDirections(t *testing.T) {
	for _, test := range [][3]string{
		{"dog top left", "add a dog at the top left", "dog top left. add a dog at the top left"},
		{"", "add a dog", "add a dog"},
		{"dog top left", "", ""},
	} {
		if got := Directions(test[0], test[1]); got != test[2] {
			t.Errorf("%q, %q: got %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

func TestUndirected(t *testing.T) {
	for _, want := range [][2]string{{"dog top left, cat at the right", "add a dog and make the cat red"}, {"", "add a dog"}, {"", ""}} {
		if outline, instruction := Undirected(Directions(want[0], want[1])); outline != want[0] || instruction != want[1] {
			t.Errorf("%q became %q and %q", want, outline, instruction)
		}
	}
}
