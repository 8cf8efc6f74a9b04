package reflector

import (
	"testing"

	"reflectionflow"
)

func TestRefinerLeavesPromptsThatAReflectionFollows(t *testing.T) {
	observation := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "a photo of two clocks"}, Seed: 4}
	reflected := observation
	reflected.Reflection = "add one more clock"
	refined, err := Refiner{}.Refine(t.Context(), []reflectionflow.Observation{observation, reflected})
	if err != nil {
		t.Fatal(err)
	}
	if refined[0].Text == "" || refined[0].Text == observation.Prompt.Text {
		t.Errorf("without a reflection the prompt became %q", refined[0].Text)
	}
	if refined[1].Text != "" {
		t.Errorf("with a reflection the prompt became %q", refined[1].Text)
	}
}
