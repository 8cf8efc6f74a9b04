package tuning

import (
	"context"
	"image"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
)

// sampleColumns is the width of a sample sheet: four prompts per task make two tasks per row.
const sampleColumns = 8

// generateSamples generates images and saves them as a sheet.
func generateSamples(ctx context.Context, backend compute.Backend, model *flux1.Model, path string, requests []reflectionflow.Request) error {
	generations, err := flux.NewPipeline(backend, model, flux.Options{}).Generate(ctx, requests)
	if err != nil {
		return err
	}
	var images []image.Image
	for _, g := range generations {
		images = append(images, g.Image) // nil leaves its cell empty
	}
	return saveGrid(path, images, sampleColumns)
}
