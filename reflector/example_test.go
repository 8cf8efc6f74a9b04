package reflector_test

import (
	"context"
	"fmt"

	"reflectionflow"
	"reflectionflow/reflector"
)

// The rules of package clipart word what must change.
func ExampleEmbedded() {
	two := reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "dog", Count: 2}
	dog := reflectionflow.Object{Class: "dog", Confidence: 0.9, Box: [4]float64{0.1, 0.1, 0.4, 0.4}}
	reflections, err := reflector.Embedded{}.Reflect(context.Background(), []reflectionflow.Observation{{
		Prompt: reflectionflow.Prompt{Text: "two dogs", Requirements: []reflectionflow.Requirement{two}},
		Score: reflectionflow.Score{
			Objects:      []reflectionflow.Object{dog},
			Requirements: []reflectionflow.Finding{{Requirement: two, Verdict: reflectionflow.NotMet}},
		},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reflections[0].Text)
	// Output: add one more dog
}

// Another seed describes another layout.
func ExampleRefiner() {
	prompt := reflectionflow.Prompt{Text: "two dogs and a cup"}
	refinements, err := reflector.Refiner{}.Refine(context.Background(), []reflectionflow.Observation{{Prompt: prompt, Seed: 1}, {Prompt: prompt, Seed: 2}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range refinements {
		fmt.Println(r.Text)
	}
	// Output:
	// a photo of two dogs and a cup. dog top right, dog bottom left, cup bottom right.
	// a photo of two dogs and a cup. dog top left, dog bottom left, cup bottom right.
}
