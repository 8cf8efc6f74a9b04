package reflector

import (
	"testing"

	"reflectionflow"
)

// A prompt is rewritten for an image from noise and unchanged for a correction, for any
// limit of words.
func TestRefinerLeavesCorrectionsAlone(t *testing.T) {
	for reflection, rewritten := range map[string]bool{"": true, "add a dog": false} {
		observation := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "a photo of a dog"}, Reflection: reflection, Seed: 4}
		refined, err := Refiner{Words: 60}.Refine(t.Context(), []reflectionflow.Observation{observation})
		if err != nil {
			t.Fatal(err)
		}
		if got := refined[0].Text != ""; got != rewritten {
			t.Errorf("before the reflection %q the prompt became %q", reflection, refined[0].Text)
		}
	}
}
