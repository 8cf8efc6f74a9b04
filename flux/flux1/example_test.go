package flux1_test

import (
	"context"
	"fmt"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/models/clipart"
	"reflectionflow/nn"
)

// Generate one image with the embedded model. A folder on disk is opened with
// [flux1.OpenFolder] instead.
func Example() {
	folder, err := flux1.OpenFolderFS(clipart.Files)
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	backend, err := nn.OpenBackend("")
	if err != nil {
		fmt.Println(err)
		return
	}
	pipeline := flux.NewPipeline(backend, model, flux.Options{})
	s := model.Settings
	generations, err := pipeline.Generate(context.Background(), []reflectionflow.Request{
		{Prompt: "a photo of two clocks", Seed: 1, Width: s.Width, Height: s.Height, Steps: s.Steps, Guidance: s.Guidance},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(generations[0].Image.Bounds(), generations[0].Cost.DenoiseSteps)
	// Output: (0,0)-(128,128) 6
}

// Check a folder without loading its weights.
func ExampleFolder_CheckWeights() {
	folder, err := flux1.OpenFolderFS(clipart.Files)
	if err != nil {
		fmt.Println(err)
		return
	}
	problems, err := folder.CheckWeights()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range problems.Report() {
		fmt.Println(line)
	}
	files, err := folder.VerifyChecksums(context.Background())
	fmt.Println(len(problems), "problems,", files, "files with the right sum,", err)
	// Output: 0 problems, 24 files with the right sum, <nil>
}

// Refuse a size that a model was not made for.
func ExampleFolder_Sizes() {
	folder, err := flux1.OpenFolderFS(clipart.Files)
	if err != nil {
		fmt.Println(err)
		return
	}
	settings, err := folder.Settings()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(folder.Sizes(settings).Check(1024, 1024))
	// Output: invalid input: size 1024×1024: the model was made for 128×128 pixels
}
