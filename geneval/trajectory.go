package geneval

import (
	"context"
	"image"

	"reflectionflow"
)

// Detector lists the objects of images, one list each, in order, with boxes as fractions
// of the sides and confidences in [0, 1]. The result for an image depends on that image
// alone. Detect is called from one goroutine at a time. When ctx ends it returns ctx.Err()
// soon. [ByRules] makes a judge of it.
type Detector interface {
	Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error)
}

// Strategy is a way to spend a budget of images on prompts.
//
// Search generates up to job.Budget candidates for every task of the job and calls
// job.Done once for each as soon as it is complete, from one goroutine, in any order.
// It stops with the error that Done returns, and soon when ctx ends.
//
// With Nested, a search with a smaller budget must generate the first candidates of one
// with a larger budget: the budget decides when it stops, not what it does.
type Strategy struct {
	Arm
	Search func(ctx context.Context, job Job) error
}

// Job is the work of one call of a strategy.
type Job struct {
	Tasks  []Task
	Budget int // images for each task
	Sample int // from 0; how often the tasks were searched for before; -1 for probes of difficulty
	Done   func(task int, t Trajectory) error
}

// Task is one prompt, and the seed of everything that is random about it.
type Task struct {
	Prompt reflectionflow.Prompt
	Seed   uint64
}

// Trajectory holds all candidates of a prompt with their images, in ID order. A
// candidate with an error has no image.
type Trajectory struct {
	Candidates []reflectionflow.Candidate
	Images     []image.Image
}

// Best is the candidate that a search with a budget of so many images would have
// answered with: the best by the verifier among the first, ties to the lower ID,
// -1 when none has an image. A search that stopped early keeps its best.
func (t Trajectory) Best(budget int) int {
	best := -1
	for i, c := range t.Candidates[:min(budget, len(t.Candidates))] {
		if c.Error == "" && t.Images[i] != nil && (best < 0 || c.Score.Value > t.Candidates[best].Score.Value) {
			best = i
		}
	}
	return best
}

// Cost is what a search with a budget of so many images would have cost.
func (t Trajectory) Cost(budget int) reflectionflow.Cost {
	var cost reflectionflow.Cost
	for _, c := range t.Candidates[:min(budget, len(t.Candidates))] {
		cost = cost.Add(c.Cost)
	}
	return cost
}
