// Command outside uses the library as another module does: it searches by noise with
// the embedded model and prints the best candidate's score.
package main

import (
	"context"
	"fmt"
	"os"

	"reflectionflow/clipart"
	"reflectionflow/flux"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/nn"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	backend, err := nn.OpenBackend("")
	if err != nil {
		return err
	}
	folder, err := flux.OpenFolderFS(clipartmodel.Files)
	if err != nil {
		return err
	}
	model, err := flux.LoadModel(folder, nil)
	if err != nil {
		return err
	}
	judge, err := verifier.Load(backend, clipartmodel.Files, verifier.Options{})
	if err != nil {
		return err
	}
	prompt, err := clipart.Parse("a photo of two apples")
	if err != nil {
		return err
	}
	cfg := search.Default(search.Noise)
	cfg.Budget.Images, cfg.Seed, cfg.EarlyStop = 2, 7, false
	s := search.Search{Generator: flux.NewPipeline(backend, model, flux.Options{}), Verifier: judge}
	result, err := s.Run(ctx, prompt, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("%d images\n", result.Cost.Images)
	return nil
}
