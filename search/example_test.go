package search_test

import (
	"context"
	"fmt"

	"reflectionflow"
	"reflectionflow/search"
)

// The parts are fakes here, networks elsewhere. The journal keeps every image.
func ExampleSearch_Run() {
	var journal search.Memory
	s := &search.Search{
		Generator: &fakeGenerator{}, Verifier: &fakeVerifier{}, Reflector: fakeWriter{}, Refiner: fakeWriter{},
		Journal: &journal,
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
	fmt.Printf("best %d after %d images, stopped: %s, size %v\n",
		result.Best, result.Cost.Images, result.Stopped, journal.Image(result.Best).Bounds().Size())
	// Output:
	// 0: explore of -1, score 0.77
	// 1: reflect of 0, score 0.91
	// best 1 after 2 images, stopped: right, size (128,128)
}

// Several prompts fill the batches of one call. Each result is that of the prompt alone.
func ExampleSearch_RunMany() {
	s := &search.Search{Generator: &fakeGenerator{}, Verifier: &fakeVerifier{}, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
	cfg := search.Default(search.NoisePrompt)
	cfg.Budget.Images = 3

	var tasks []search.Task
	for _, text := range []string{"one clock", "two clocks"} {
		tasks = append(tasks, search.Task{Prompt: reflectionflow.Prompt{Text: text}})
	}
	results, err := s.RunMany(context.Background(), tasks, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range results {
		best := result.Candidates[result.Best]
		fmt.Printf("%s: %s %q, score %.2f\n", result.Prompt.Text, best.Action, best.Request.Prompt, best.Score.Value)
	}
	// Output:
	// one clock: rewrite "one clock clearly clearly", score 0.58
	// two clocks: rewrite "two clocks clearly", score 0.78
}

// A journal makes a search resumable. Here a finished search continues with a larger
// budget and generates only the images that the journal lacks.
func ExampleMemory() {
	var journal search.Memory
	s := &search.Search{Generator: &fakeGenerator{}, Verifier: &fakeVerifier{}, Journal: &journal}
	cfg := search.Default(search.Noise)
	cfg.Budget.Images = 2
	if _, err := s.Run(context.Background(), prompt, cfg); err != nil {
		fmt.Println(err)
		return
	}
	s.Notify = func(e search.Event) {
		if e.Kind == search.Generated || e.Kind == search.Recalled {
			fmt.Println(e.Kind, e.Candidate.ID)
		}
	}
	cfg.Budget.Images = 4
	result, err := s.Run(context.Background(), prompt, cfg)
	fmt.Println(len(result.Candidates), "candidates", err)
	// Unordered output:
	// recalled 0
	// recalled 1
	// generated 2
	// generated 3
	// 4 candidates <nil>
}
