package tuning_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"reflectionflow/nn"
	"reflectionflow/tuning"
)

// Train a tiny autoencoder for two steps.
func ExampleTrain() {
	recipe, err := tuning.ParseRecipe([]byte(`
world: {size: 32, classes: [apple, dog, cup]}
autoencoder:
  {widths: [8, 8, 8, 8], latent: 4, layers: 1, groups: 4, crop: 16,
   train: {steps: 2, batch: 2, learning_rate: 0.002, seed: 1}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := os.MkdirTemp("", "world")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(out)
	backend, err := nn.OpenBackend("")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = tuning.Train(context.Background(), "autoencoder", recipe, tuning.StageOptions{
		Backend: backend, Out: out,
		Notify: func(p tuning.Progress) { fmt.Println("step", p.Step, "of", p.Steps) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = os.Stat(filepath.Join(out, "model", "vae", "config.json"))
	fmt.Println("model written:", err == nil)
	// Output:
	// step 1 of 2
	// step 2 of 2
	// model written: true
}

// List the stages in the order in which they build on each other.
func ExampleStages() {
	for _, stage := range tuning.Stages() {
		fmt.Printf("%s: %s\n", stage.Name, stage.Summary)
	}
	// Output:
	// autoencoder: Train the autoencoder: images to latents and back
	// base: Train the base: the transformer and both text encoders
	// detector: Train the detector, on which the embedded verifier is built
	// corrector: Train the corrector: a LoRA that follows reflections
	// verifier: Train the pairwise verifier: which of two images fits a prompt better
	// judge: Train the judge: the detector of evaluations, which no search uses
}
