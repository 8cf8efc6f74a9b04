package reflector_test

import (
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	"reflectionflow/reflector"
)

var _ geneval.Separable = reflector.Embedded{}

// The caption goes with the layout, and a reflection without a plan has none.
func TestEmbeddedParts(t *testing.T) {
	layout, instruction := reflector.Embedded{}.Parts(reflectionflow.Reflection{Text: "dog top left. add a dog", Caption: "cat top left."})
	if layout.Text != "dog top left" || layout.Caption != "cat top left." || instruction.Text != "add a dog" || instruction.Caption != "" {
		t.Errorf("%+v and %+v", layout, instruction)
	}
	if layout, instruction = (reflector.Embedded{}).Parts(reflectionflow.Reflection{Text: "add a dog"}); layout.Text+layout.Caption != "" || instruction.Text != "add a dog" {
		t.Errorf("without a plan %+v and %+v", layout, instruction)
	}
}

// A critic says what is wrong and what to do, and nothing about an image that is right.
func TestCritic(t *testing.T) {
	prompt, err := clipart.Parse("a photo of three dogs")
	if err != nil {
		t.Fatal(err)
	}
	observe := func(verdict reflectionflow.Verdict) reflectionflow.Observation {
		dog := reflectionflow.Object{Class: "dog", Box: [4]float64{0.1, 0.1, 0.4, 0.4}, Confidence: 1}
		return reflectionflow.Observation{Prompt: prompt, Score: reflectionflow.Score{
			Objects: []reflectionflow.Object{dog}, Requirements: []reflectionflow.Finding{{Requirement: prompt.Requirements[0], Verdict: verdict, Confidence: 1}},
		}}
	}
	got, err := reflector.Critic{}.Reflect(t.Context(), []reflectionflow.Observation{observe(reflectionflow.NotMet), observe(reflectionflow.Met)})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Text != "there is one dog. add two more dogs" || got[0].Caption != "" || got[1].Text != "" {
		t.Errorf("%+v", got)
	}
}
