package tuning

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v4"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Recipe is everything that determines the networks of one embedded world: what
// it shows, how large its networks are, how each is trained. It is read from a
// YAML file; the world's own is models/clipart/recipe.yaml.
type Recipe struct {
	World World `yaml:"world"`
	// Start is a model folder whose autoencoder, base, detector and judge go on
	// learning, in this recipe's world; they must have its sizes. Empty: all begin
	// from nothing.
	Start       string      `yaml:"start"`
	Autoencoder Autoencoder `yaml:"autoencoder"`
	Base        Base        `yaml:"base"`
	Corrector   Corrector   `yaml:"corrector"`
	Detector    Detector    `yaml:"detector"`
	Verifier    Reward      `yaml:"verifier"`
	Judge       Detector    `yaml:"judge"`
}

// World is what the pictures show.
type World struct {
	Classes []string `yaml:"classes"` // empty for all of GenEval's
	Size    int      `yaml:"size"`    // side of a picture in pixels, a multiple of 32
}

// ReadRecipe reads a recipe; a key it does not know is an error that names the
// line, wrapping [reflectionflow.ErrInvalid].
func ReadRecipe(path string) (Recipe, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Recipe{}, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	return ParseRecipe(data)
}

// ParseRecipe is [ReadRecipe] on a file's content.
func ParseRecipe(data []byte) (Recipe, error) {
	var r Recipe
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return Recipe{}, fmt.Errorf("%w: recipe: %v", reflectionflow.ErrInvalid, err)
	}
	return r, r.World.Validate()
}

// Validate reports a world that cannot be drawn, as an error wrapping
// [reflectionflow.ErrInvalid].
func (w World) Validate() error {
	if w.Size < 32 || w.Size > 1024 || w.Size%32 != 0 {
		return fmt.Errorf("%w: world size %d: must be a multiple of 32 from 32 to 1024", reflectionflow.ErrInvalid, w.Size)
	}
	_, err := clipart.NewSampler(w.Classes...)
	return err
}
