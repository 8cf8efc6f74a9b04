package reflector

import (
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// A prompt that a reflection follows is rewritten only where both can be read.
func TestRefinerLeavesRoomForAReflection(t *testing.T) {
	for name, test := range map[string]struct {
		prompt, reflection string
		words              int
		refined            bool
	}{
		"no reflection":    {"a photo of two clocks", "", 31, true},
		"room for both":    {"a photo of a dog", "add a dog", 31, true},
		"no room for both": {"a photo of four clocks", "add one more clock and remove the dog and make the cup red", 31, false},
	} {
		observation := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: test.prompt}, Seed: 4}
		observation.Reflection = test.reflection
		refined, err := Refiner{Words: test.words}.Refine(t.Context(), []reflectionflow.Observation{observation})
		if err != nil {
			t.Fatal(err)
		}
		text := refined[0].Text
		if got := text != "" && text != test.prompt; got != test.refined {
			t.Errorf("%s: the prompt became %q", name, text)
		}
		if test.reflection != "" && len(clipart.Words(text))+1+len(clipart.Words(test.reflection)) > test.words {
			t.Errorf("%s: %q leaves no room for %q", name, text, test.reflection)
		}
	}
}
