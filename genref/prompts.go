package genref

import (
	"fmt"
	"math/rand/v2"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Prompts draws a prompt. It is a function of the random source alone.
type Prompts func(*rand.Rand) (reflectionflow.Prompt, error)

// TrainingPrompts draws from the training split of the embedded world over the
// given classes: GenEval's six tasks and [clipart.Free], evenly.
func TrainingPrompts(classes []string) (Prompts, error) {
	sampler, err := clipart.NewSampler(classes...)
	if err != nil {
		return nil, err
	}
	tasks := append(clipart.Tasks(), clipart.Free)
	return func(rng *rand.Rand) (reflectionflow.Prompt, error) {
		// With few classes a task may have no prompt of the split: try another.
		for range 4 * len(tasks) {
			if p := sampler.Prompts(tasks[rng.IntN(len(tasks))], clipart.Train, 1, rng); len(p) == 1 {
				return p[0], nil
			}
		}
		return reflectionflow.Prompt{}, fmt.Errorf("%w: there are no training prompts about %d classes", reflectionflow.ErrInvalid, len(sampler.Known()))
	}, nil
}
