// Package clipart holds the embedded checkpoint of the clip-art world: a small
// FLUX in Hugging Face's folder layout, its corrector, verifier, detector and
// judge, and the recipe that trained them. README.md is its model card.
package clipart

import _ "embed" // the files below

// Recipe is the YAML of the training recipe, see package tuning.
//
//go:embed recipe.yaml
var Recipe []byte
