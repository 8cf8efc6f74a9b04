// Command outside uses the library as another module does: it searches by noise with
// the embedded model and writes the best image as a PNG.
package main

import (
	"context"
	"fmt"
	"image/png"
	"os"

	"reflectionflow/models/clipart"
	"reflectionflow/search"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	model, err := clipart.Open(ctx, clipart.Options{})
	if err != nil {
		return err
	}
	defer model.Close()
	prompt, err := model.Parse("a photo of two apples")
	if err != nil {
		return err
	}
	if _, err := chatSearch(model.Search().Generator); err != nil {
		return err
	}
	cfg := model.Config(search.Noise)
	cfg.Budget.Images, cfg.Seed, cfg.EarlyStop = 2, 7, false
	result, err := model.Search().Run(ctx, prompt, cfg)
	if err != nil {
		return err
	}
	fmt.Printf("%d images, the best of %v\n", result.Cost.Images, result.BestImage.Bounds().Size())
	f, err := os.Create("best.png")
	if err != nil {
		return err
	}
	if err := png.Encode(f, result.BestImage); err != nil {
		return err
	}
	return f.Close()
}
