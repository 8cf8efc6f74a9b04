package search_test

import (
	"context"
	"fmt"

	"reflectionflow"
	"reflectionflow/search"
)

// The painter draws, the critic judges and the coach says what to mend: fakes
// here, networks elsewhere.
func ExampleSearch_Run() {
	var pictures search.Memory
	s := &search.Search{
		Generator: &painter{}, Verifier: &critic{}, Reflector: coach{}, Refiner: coach{},
		Journal: &pictures,
		Notify: func(e search.Event) {
			if e.Kind == search.Scored {
				fmt.Printf("%d: %s of %d, score %.2f\n", e.Candidate.ID, e.Candidate.Action, e.Candidate.Parent, e.Candidate.Score.Value)
			}
		},
	}
	cfg := search.Default(search.Reflection)
	cfg.Seed = 1

	prompt := reflectionflow.Prompt{Text: "two clocks", Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.Exactly, Object: "clock", Count: 2},
	}}
	result, err := s.Run(context.Background(), prompt, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("best %d after %d images, stopped: %s, picture %v\n",
		result.Best, result.Cost.Images, result.Stopped, pictures.Image(result.Best).Bounds().Size())
	// Output:
	// 0: explore of -1, score 0.77
	// 1: reflect of 0, score 0.90
	// best 1 after 2 images, stopped: right, picture (128,128)
}
