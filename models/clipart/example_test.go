package clipart_test

import (
	"context"
	"fmt"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"reflectionflow/models/clipart"
	"reflectionflow/search"
)

// A search with the embedded model: generate, verify, reflect, correct, and save the
// best image.
func ExampleOpen() {
	ctx := context.Background()
	model, err := clipart.Open(ctx, clipart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	prompt, err := model.Parse("a photo of two apples and a dog")
	if err != nil {
		log.Fatal(err)
	}
	cfg := model.Config(search.Reflection)
	cfg.Seed, cfg.Budget.Images = 7, 4
	result, err := model.Search().Run(ctx, prompt, cfg)
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(os.TempDir(), "best.png")
	f, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(path)
	if err := png.Encode(f, result.BestImage); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
	best := result.Candidates[result.Best]
	fmt.Println(prompt.Text, result.BestImage.Bounds().Size(), best.Score.Right())
	// Output: a photo of two apples and a dog (128,128) true
}
