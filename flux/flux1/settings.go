package flux1

import (
	"fmt"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/flux"
)

// Settings are what generating with a checkpoint needs to know beyond diffusers'
// files: the optional reflectionflow.json of its folder, which diffusers ignores.
type Settings struct {
	// ClassifierFreeGuidance makes a request's guidance the scale of classifier-free
	// guidance (diffusers' true_cfg_scale) against the empty prompt; 1 switches it
	// off. It is for models that are not guidance-distilled.
	ClassifierFreeGuidance bool `json:"classifier_free_guidance"`
	// GuidanceRescale, in [0, 1], is phi of [flux.RescaleGuidance] (diffusers'
	// guidance_rescale), for classifier-free guidance; 0 switches it off.
	GuidanceRescale float64 `json:"guidance_rescale,omitempty"`
	// TextLength is the number of T5 tokens with padding (diffusers'
	// max_sequence_length); 512 in a folder without settings.
	TextLength int `json:"text_length"`
	// AlignedReference says that the corrector was trained on references of the image's
	// size and at the image's positions, as FLUX.1 Kontext is. Otherwise references are
	// half as large and left of the image, as for FLUX-Corrector.
	AlignedReference bool `json:"aligned_reference,omitempty"`
	// ReferenceScale is [Condition.Scale], the weight of attention between a reference
	// and the rest (OminiControl's condition_scale); 0 means 1. Below 1, corrections
	// keep less of the reference.
	ReferenceScale float64 `json:"reference_scale,omitempty"`
	// MinSide and MaxSide bound the sides of the images that the checkpoint was made
	// for, in pixels; 0 where it does not say, see [Folder.Sizes].
	MinSide int `json:"min_side,omitempty"`
	MaxSide int `json:"max_side,omitempty"`
	// The recommended values of a request; 0 where the checkpoint has none.
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Steps    int     `json:"steps,omitempty"`
	Guidance float64 `json:"guidance,omitempty"`
}

// Names of the files that a folder may have besides diffusers' own.
const (
	SettingsFile  = "reflectionflow.json"              // see [Settings]
	CorrectorFile = "pytorch_lora_weights.safetensors" // the corrector's LoRA
)

const (
	defaultTextLength = 512 // FLUX.1-dev
	maxTextLength     = 4096
	maxReferenceScale = 100
)

// Validate reports settings out of range for the transformer, as an error
// wrapping [reflectionflow.ErrInvalid].
func (s Settings) Validate(p Params) error {
	if s.TextLength < 1 || s.TextLength > maxTextLength {
		return fmt.Errorf("%w: %s: text_length is %d, must be from 1 to %d", reflectionflow.ErrInvalid, SettingsFile, s.TextLength, maxTextLength)
	}
	if s.ClassifierFreeGuidance && p.GuidanceEmbeds {
		return fmt.Errorf("%w: %s: classifier_free_guidance is for models whose guidance_embeds is false", reflectionflow.ErrInvalid, SettingsFile)
	}
	if !(s.GuidanceRescale >= 0 && s.GuidanceRescale <= 1) || s.GuidanceRescale > 0 && !s.ClassifierFreeGuidance {
		return fmt.Errorf("%w: %s: guidance_rescale is %v, must be from 0 to 1, and 0 without classifier_free_guidance", reflectionflow.ErrInvalid, SettingsFile, s.GuidanceRescale)
	}
	if s.MinSide < 0 || s.MaxSide < 0 || s.MaxSide > 0 && s.MaxSide < s.MinSide {
		return fmt.Errorf("%w: %s: min_side %d and max_side %d must not be negative, and max_side not below min_side", reflectionflow.ErrInvalid, SettingsFile, s.MinSide, s.MaxSide)
	}
	if !(s.ReferenceScale >= 0 && s.ReferenceScale <= maxReferenceScale) {
		return fmt.Errorf("%w: %s: reference_scale is %v, must be from 0 to %d", reflectionflow.ErrInvalid, SettingsFile, s.ReferenceScale, maxReferenceScale)
	}
	return nil
}

// ConditionGrid returns the grid of a reference for an image of the grid given: the
// same for aligned references, otherwise half of each side (a reference of 512 pixels
// for an image of 1024).
func (s Settings) ConditionGrid(image flux.Grid) flux.Grid {
	if s.AlignedReference {
		return image
	}
	return flux.Grid{Rows: max(1, image.Rows/2), Cols: max(1, image.Cols/2)}
}

// Write writes the settings into the folder dir.
func (s Settings) Write(dir string) error {
	if err := flux.WriteConfig(filepath.Join(dir, SettingsFile), "", "", s); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// Settings reads the folder's reflectionflow.json; a folder without it has the
// settings of FLUX.1-dev. Settings that do not suit the transformer give an error
// wrapping [reflectionflow.ErrInvalid].
func (f *Folder) Settings() (Settings, error) {
	settings := Settings{TextLength: defaultTextLength}
	if f.Files.Has(SettingsFile) {
		if err := f.Files.ReadConfig(SettingsFile, &settings); err != nil {
			return Settings{}, err
		}
	}
	return settings, settings.Validate(f.Transformer)
}
