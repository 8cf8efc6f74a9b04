package tuning

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v4"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Recipe determines the networks of one embedded world: what it shows, the sizes of its
// networks, and how each is trained. It is read from a YAML file; the embedded model's is
// models/clipart/recipe.yaml.
type Recipe struct {
	World World `yaml:"world"`
	// Start is a model folder from which the autoencoder, the base, the detector and the judge
	// continue to learn, in this recipe's world. They must have the recipe's sizes. Empty:
	// all weights start random.
	Start       string      `yaml:"start"`
	Autoencoder Autoencoder `yaml:"autoencoder"`
	Base        Base        `yaml:"base"`
	Corrector   Corrector   `yaml:"corrector"`
	Detector    Detector    `yaml:"detector"`
	Verifier    Reward      `yaml:"verifier"`
	Judge       Detector    `yaml:"judge"`
}

// World is what the images show.
type World struct {
	Classes []string `yaml:"classes"` // empty for all 80 classes of GenEval
	Size    int      `yaml:"size"`    // side of an image in pixels, a multiple of 32 from 32 to 1024
}

// ReadRecipe reads a recipe. An unknown key, a missing file and an invalid world are errors
// wrapping [reflectionflow.ErrInvalid]; those of the file's content name the line.
func ReadRecipe(path string) (Recipe, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Recipe{}, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	return ParseRecipe(data)
}

// ParseRecipe parses the content of a recipe file. Its errors are those of [ReadRecipe].
func ParseRecipe(data []byte) (Recipe, error) {
	var r Recipe
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return Recipe{}, fmt.Errorf("%w: recipe: %v", reflectionflow.ErrInvalid, err)
	}
	if r.Corrector.Model != "" {
		return r, nil // it needs no world
	}
	return r, r.World.Validate()
}

// Precision returns what a stage of the recipe is trained in, by the stage's name: f32 or bf16, or what an invalid recipe says.
func (r Recipe) Precision(stage string) string {
	configs := map[string]Config{
		"autoencoder": r.Autoencoder.Train, "base": r.Base.Train, "corrector": r.Corrector.Train,
		DetectorPrefix: r.Detector.Train, VerifierPrefix: r.Verifier.Train, JudgePrefix: r.Judge.Train,
	}
	return cmp.Or(configs[stage].Precision, "f32")
}

// Validate reports unknown classes and a size out of range, as errors wrapping
// [reflectionflow.ErrInvalid].
func (w World) Validate() error {
	if w.Size < 32 || w.Size > 1024 || w.Size%32 != 0 {
		return fmt.Errorf("%w: world size %d: must be a multiple of 32 from 32 to 1024", reflectionflow.ErrInvalid, w.Size)
	}
	_, err := clipart.NewSampler(w.Classes...)
	return err
}
