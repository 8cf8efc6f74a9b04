package clipart_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

func TestCritique(t *testing.T) {
	at := func(class, color string, x, y float64) reflectionflow.Object {
		return reflectionflow.Object{Class: class, Color: color, Box: [4]float64{x, y, x + 0.2, y + 0.2}, Confidence: 0.9}
	}
	for _, c := range []struct {
		prompt string
		seen   []reflectionflow.Object
		want   string
	}{
		{"a photo of a red clock", nil, "there is no red clock. add a red clock"},
		{"a photo of three dogs", []reflectionflow.Object{at("dog", "", 0.1, 0.1)}, "there is one dog. add two more dogs"},
		{"a photo of one dog", []reflectionflow.Object{at("dog", "", 0.1, 0.1), at("dog", "", 0.6, 0.1)}, "there are two dogs. remove one dog"},
		{"a photo of a blue cup", []reflectionflow.Object{at("cup", "red", 0.1, 0.1)}, "no cup is blue. make the cup blue"},
		{"a photo of a dog right of a tie", []reflectionflow.Object{at("dog", "", 0.1, 0.1), at("tie", "", 0.7, 0.2)}, "the dog is left of the tie. move the dog to the right of the tie"},
		{"a photo of a dog", []reflectionflow.Object{at("cat", "", 0.1, 0.1)}, "there is no dog. replace the cat with a dog"},
		{"a photo of a dog", []reflectionflow.Object{at("dog", "", 0.1, 0.1)}, ""},
	} {
		prompt, err := clipart.Parse(c.prompt)
		if err != nil {
			t.Fatal(err)
		}
		if got := clipart.Critique(prompt, c.seen); got != c.want {
			t.Errorf("%s: got %q, want %q", c.prompt, got, c.want)
		}
	}
}

// TestCritiqueWords: a critique of a flawed scene has words that the corrector knows, and no place.
func TestCritiqueWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5)) //nolint:gosec // a test
	vocabulary := clipart.Vocabulary()
	empty := 0
	const scenes = 300
	for range scenes {
		scene, prompt := clipart.Sampler{}.SampleMixed(clipart.Train, rng)
		flawed, _, err := clipart.Flaw(scene, prompt, rng)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := flawed.Truth(128, 128)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{clipart.Critique(prompt, seen), clipart.VariedCritique(prompt, seen, rng)} {
			if text == "" {
				empty++
			}
			words := clipart.Words(text)
			if len(words) > 25 || strings.Contains(text, " at the ") {
				t.Errorf("%s: %q is too long or has a place", prompt.Text, text)
			}
			for _, w := range words {
				if !slices.Contains(vocabulary, w) {
					t.Errorf("%q: %q is not in the vocabulary", text, w)
				}
			}
		}
	}
	if empty > scenes/25 {
		t.Errorf("%d of %d flawed scenes have no critique", empty, scenes)
	}
}
