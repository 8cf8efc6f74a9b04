// Package clipart holds the embedded checkpoint of the clip-art world: a small
// FLUX in Hugging Face's folder layout, its corrector, verifier, detector and
// judge, and the recipe that trained them. README.md is its model card.
package clipart

import "embed"

// Files is the model's folder.
//
//go:embed README.md recipe.yaml SHA256SUMS *.json pytorch_lora_weights.safetensors
//go:embed scheduler text_encoder text_encoder_2 tokenizer tokenizer_2 transformer vae
//go:embed detector verifier judge
var Files embed.FS

// Recipe returns the YAML of the training recipe, see package tuning.
func Recipe() []byte {
	recipe, err := Files.ReadFile("recipe.yaml")
	if err != nil {
		panic(err) // embedded above
	}
	return recipe
}
