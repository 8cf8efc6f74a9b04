package requirements_test

import (
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/requirements"
)

func TestWish(t *testing.T) {
	for instruction, want := range map[string]string{
		"add a dog":                                    "a dog",
		"Please add two dogs to the picture.":          "two dogs",
		"Add the cat to the left of the sofa":          "a cat to the left of the sofa",
		`Add the text "Hello. World" at the top`:       `a text "Hello. World" at the top`,
		"put a hat on the man":                         "a hat on the man",
		"remove the cat":                               "no cat",
		"Delete all the cars from the image, please":   "no cars",
		"There are three clocks. Remove one.":          "2 clocks",
		"There are three clocks; remove two of them":   "1 clocks",
		"There is no dog. Add one.":                    "a dog. Add one",
		"The umbrella is missing.":                     "an umbrella",
		"make the sofa red":                            "a red sofa",
		"Turn the two dogs dark brown":                 "two dark brown dogs",
		"Change the color of the cars to blue":         "blue cars",
		"change the dog to a cat":                      "a cat and no dog",
		"Replace the red car with a bus":               "a bus and no red car",
		"Move the cat to the left":                     "a cat on the left",
		"move the cup onto the table":                  "a cup on the table",
		"add a dog and remove the cat":                 "a dog and no cat",
		"Make the cup green, remove the fork.":         "a green cup and no fork",
		"There should be two dogs, not three":          "two dogs, not three",
		"make it brighter":                             "make it brighter",
		"Add a dog. Make it brighter.":                 "a dog. Make it brighter",
		"remove one":                                   "remove one",
		"a photo of a cat and a dog":                   "a photo of a cat and a dog",
		"Two dogs on a red sofa. Golden evening light": "Two dogs on a red sofa. Golden evening light",
		"":    "",
		"add": "add",
	} {
		if got := requirements.Wish(instruction); got != want {
			t.Errorf("%q: %q, want %q", instruction, got, want)
		}
	}
}

// TestInstructionThatIsNoWish: what a verifier cannot judge is no object.
func TestInstructionThatIsNoWish(t *testing.T) {
	for _, text := range []string{"make it brighter", "brighter, please", "Remove one.", "sharpen the background", "crop it at the top", "less contrast"} {
		prompt, err := requirements.Parse(requirements.Wish(text))
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(prompt.Requirements, func(r reflectionflow.Requirement) bool { return r.Kind == reflectionflow.AtLeast }) {
			t.Errorf("%q asks for %v", text, prompt.Requirements)
		}
	}
}

func FuzzWish(f *testing.F) {
	for _, seed := range []string{"add a dog and remove the cat", "There are three. Remove one", `add "a`, "make the red", ", , .", "turn to to", "and then and"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		wish := requirements.Wish(text)
		if strings.TrimSpace(wish) == "" && strings.TrimSpace(text) != "" || len(wish) > 2*len(text)+16 {
			t.Errorf("the wish of %q is %q", text, wish)
		}
	})
}
