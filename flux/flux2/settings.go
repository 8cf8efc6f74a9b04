package flux2

import (
	"encoding/json"
	"slices"

	"reflectionflow/flux"
	"reflectionflow/flux/qwen3"
)

// SettingsFile is an optional file of a model folder that diffusers ignores; see
// [Settings].
const SettingsFile = "reflectionflow.json"

// Settings are what generating with a folder needs to know beyond diffusers' files. A
// folder without them has those of FLUX.2 [klein].
type Settings struct {
	// TextLength is the number of tokens of a prompt with padding (diffusers'
	// max_sequence_length).
	TextLength int `json:"text_length"`
	// TextLayers are the hidden states of the text encoder that are read, see
	// [qwen3.Taps] (diffusers' text_encoder_out_layers).
	TextLayers []int `json:"text_layers"`
}

func defaultSettings() Settings {
	return Settings{TextLength: qwen3.Length, TextLayers: slices.Clone(qwen3.Taps)}
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (s Settings) Validate() error {
	return flux.CheckLimits(SettingsFile, []flux.Limit{
		{Name: "text_length", Value: s.TextLength, Low: 1, High: 4096},
		{Name: "number of text_layers", Value: len(s.TextLayers), Low: 1, High: 64},
	})
}

// distilledIndex is a model_index.json with the key that FLUX.2 [klein] adds.
type distilledIndex struct {
	index     flux.ModelIndex
	distilled bool
}

// MarshalJSON writes the form diffusers reads.
func (d distilledIndex) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(d.index)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	fields["is_distilled"] = d.distilled
	return json.Marshal(fields)
}
