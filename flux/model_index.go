package flux

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// ModelIndex is a diffusers pipeline's model_index.json: which class of which
// library each subfolder belongs to.
type ModelIndex struct {
	ClassName string
	Version   string // of the diffusers release whose format it is
	// Components maps subfolders to library and class; an optional component that
	// is not there has two empty strings.
	Components map[string][2]string
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

// Part is a subfolder of a pipeline and the classes that it may have, the first being
// the one written.
type Part struct {
	Name, Library string
	Classes       []string
}

// NewModelIndex returns the index of a pipeline of these parts, each of its first class.
func NewModelIndex(class, version string, parts []Part) ModelIndex {
	index := ModelIndex{ClassName: class, Version: version, Components: map[string][2]string{}}
	for _, p := range parts {
		index.Components[p.Name] = [2]string{p.Library, p.Classes[0]}
	}
	return index
}

// Check reports an index of another pipeline or of other parts, as an error wrapping
// [reflectionflow.ErrInvalid].
func (m ModelIndex) Check(class string, parts []Part) error {
	if m.ClassName != class {
		return fmt.Errorf("%w: model_index.json is of a %q, only %s is supported", reflectionflow.ErrInvalid, m.ClassName, class)
	}
	for _, p := range parts {
		have, ok := m.Components[p.Name]
		if !ok {
			return fmt.Errorf("%w: model_index.json lists no %s", reflectionflow.ErrInvalid, p.Name)
		}
		if !slices.Contains(p.Classes, have[1]) {
			return fmt.Errorf("%w: model_index.json: %s is a %q, supported: %s", reflectionflow.ErrInvalid, p.Name, have[1], strings.Join(p.Classes, ", "))
		}
	}
	return nil
}
