package flux

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"reflectionflow"
)

// maxConfigBytes bounds the JSON files of a model folder, except those of tokenizers.
// Real ones have a few thousand bytes.
const maxConfigBytes = 1 << 20

// sizeLimit is a number of a configuration file and the range it must lie in.
type sizeLimit struct {
	name             string
	value, low, high int
}

// checkSizes reports the first number outside its range, as an error wrapping
// [reflectionflow.ErrInvalid] that begins with what.
func checkSizes(what string, limits []sizeLimit) error {
	for _, l := range limits {
		if l.value < l.low || l.value > l.high {
			return fmt.Errorf("%w: %s: %s is %d, must be %d to %d", reflectionflow.ErrInvalid, what, l.name, l.value, l.low, l.high)
		}
	}
	return nil
}

// readConfig decodes the JSON object in the file name. The required fields must be
// there and not null; fields that into does not have are ignored.
func readConfig(fsys fs.FS, name string, into any, required ...string) error {
	data, err := readBounded(fsys, name, maxConfigBytes)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("%w: %s is no JSON object: %v", reflectionflow.ErrInvalid, name, err)
	}
	for _, field := range required {
		if value, ok := fields[field]; !ok || string(value) == "null" {
			return fmt.Errorf("%w: %s has no %q", reflectionflow.ErrInvalid, name, field)
		}
	}
	switch err := json.Unmarshal(data, into); {
	case errors.Is(err, reflectionflow.ErrInvalid):
		return fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, name, err)
	}
	return nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, missingFile(name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%w: %s is no file of at most %d bytes", reflectionflow.ErrInvalid, name, limit)
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, missingFile(name, err)
	}
	return data, nil
}

// ModelIndex is a diffusers pipeline's model_index.json: which class of which
// library each subfolder belongs to.
type ModelIndex struct {
	ClassName string
	Version   string // of the diffusers release whose format it is
	// Components maps subfolders to library and class; an optional component that
	// is not there has two empty strings.
	Components map[string][2]string
}

// fluxComponents lists the subfolders of a FLUX folder and the classes each may
// have, the first being the one written.
var fluxComponents = []struct {
	name, library string
	classes       []string
}{
	{"scheduler", "diffusers", []string{"FlowMatchEulerDiscreteScheduler"}},
	{"text_encoder", "transformers", []string{"CLIPTextModel"}},
	{"text_encoder_2", "transformers", []string{"T5EncoderModel"}},
	{"tokenizer", "transformers", []string{"CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast"}},
	{"tokenizer_2", "transformers", []string{"T5TokenizerFast", "T5Tokenizer", "PreTrainedTokenizerFast"}},
	{"transformer", "diffusers", []string{"FluxTransformer2DModel"}},
	{"vae", "diffusers", []string{"AutoencoderKL"}},
}

// NewModelIndex returns the index of a FluxPipeline. With plainTokenizers both
// tokenizers are bare tokenizer.json files (PreTrainedTokenizerFast).
func NewModelIndex(plainTokenizers bool) ModelIndex {
	index := ModelIndex{ClassName: "FluxPipeline", Version: "0.30.0", Components: map[string][2]string{}}
	for _, c := range fluxComponents {
		class := c.classes[0]
		if plainTokenizers && strings.HasPrefix(c.name, "tokenizer") {
			class = "PreTrainedTokenizerFast"
		}
		index.Components[c.name] = [2]string{c.library, class}
	}
	return index
}

// MarshalJSON writes the form diffusers reads.
func (m ModelIndex) MarshalJSON() ([]byte, error) {
	out := map[string]any{"_class_name": m.ClassName, "_diffusers_version": m.Version}
	for name, c := range m.Components {
		if c == [2]string{} {
			out[name] = [2]any{}
			continue
		}
		out[name] = c
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the form diffusers writes; entries that are no pair of
// names are ignored.
func (m *ModelIndex) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	*m = ModelIndex{Components: map[string][2]string{}}
	for name, raw := range fields {
		var pair []*string
		switch {
		case name == "_class_name":
			if err := json.Unmarshal(raw, &m.ClassName); err != nil {
				return fmt.Errorf("_class_name: %w", err)
			}
		case name == "_diffusers_version":
			if err := json.Unmarshal(raw, &m.Version); err != nil {
				return fmt.Errorf("_diffusers_version: %w", err)
			}
		case json.Unmarshal(raw, &pair) == nil && len(pair) == 2:
			m.Components[name] = [2]string{orEmpty(pair[0]), orEmpty(pair[1])}
		}
	}
	return nil
}

// orEmpty returns what s points to, "" for JSON's null.
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Validate reports an index that is not a FluxPipeline's, as an error wrapping
// [reflectionflow.ErrInvalid].
func (m ModelIndex) Validate() error {
	if m.ClassName != "FluxPipeline" {
		return fmt.Errorf("%w: model_index.json is of a %q, only FluxPipeline is supported", reflectionflow.ErrInvalid, m.ClassName)
	}
	for _, c := range fluxComponents {
		have, ok := m.Components[c.name]
		if !ok {
			return fmt.Errorf("%w: model_index.json lists no %s", reflectionflow.ErrInvalid, c.name)
		}
		if !slices.Contains(c.classes, have[1]) {
			return fmt.Errorf("%w: model_index.json: %s is a %q, supported: %s", reflectionflow.ErrInvalid, c.name, have[1], strings.Join(c.classes, ", "))
		}
	}
	return nil
}
