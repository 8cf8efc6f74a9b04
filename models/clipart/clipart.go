// Package clipart is the model that the program embeds: a small FLUX of the clip-art
// world with its corrector, verifier, detector and judge, in Hugging Face's folder
// layout, and the recipe that trained them. README.md is its model card.
//
// [Open] loads it as the parts of a search:
//
//	model, err := clipart.Open(ctx, clipart.Options{})
//	defer model.Close()
//	prompt, err := model.Parse("a photo of two apples and a dog")
//	result, err := model.Search().Run(ctx, prompt, model.Config(search.Reflection))
//
// result.BestImage is the image. [ReadFolder] reads other models of the same world, as
// "reflectionflow train" makes them.
package clipart

import (
	"context"
	"embed"
)

// Files is the model's folder.
//
//go:embed README.md recipe.yaml SHA256SUMS *.json pytorch_lora_weights.safetensors
//go:embed scheduler text_encoder text_encoder_2 tokenizer tokenizer_2 transformer vae
//go:embed detector verifier judge
var Files embed.FS

// Name is the name of the embedded model.
const Name = "clipart"

// Recipe returns the YAML of the training recipe, see package tuning.
func Recipe() []byte {
	recipe, err := Files.ReadFile("recipe.yaml")
	if err != nil {
		panic(err) // embedded above
	}
	return recipe
}

// Options say how a model is loaded. The zero value is the default.
type Options struct {
	// Backend is what the networks compute on: empty for the CPU, "cpu:bf16" or "cpu:int8" for another precision, or "xla:PLUGIN" in
	// programs built with -tags xla.
	Backend string
	// Workers bounds the images generated at once; 0 is the number of processors.
	Workers int
}

// Open loads the embedded model. It takes a fraction of a second and about 100 MB.
func Open(ctx context.Context, o Options) (*Model, error) {
	folder, err := ReadFolder(Name, Files)
	if err != nil {
		return nil, err
	}
	return folder.Open(ctx, o)
}
