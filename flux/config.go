package flux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// maxConfigBytes bounds the JSON files of a model folder, except those of tokenizers.
// Real ones have a few thousand bytes.
const maxConfigBytes = 1 << 20

// Limit is a number of a configuration file and the range it must lie in.
type Limit struct {
	Name             string
	Value, Low, High int
}

// CheckLimits reports the first number outside its range, as an error wrapping
// [reflectionflow.ErrInvalid] that begins with what.
func CheckLimits(what string, limits []Limit) error {
	for _, l := range limits {
		if l.Value < l.Low || l.Value > l.High {
			return fmt.Errorf("%w: %s: %s is %d, must be %d to %d", reflectionflow.ErrInvalid, what, l.Name, l.Value, l.Low, l.High)
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
			return fmt.Errorf("%w: %s%s has no %q", reflectionflow.ErrInvalid, name, described(fields), field)
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

// described names the class that a configuration is of: one of another model lacks what is looked for.
func described(fields map[string]json.RawMessage) string {
	var class string
	if json.Unmarshal(fields["_class_name"], &class) != nil || class == "" {
		return ""
	}
	return fmt.Sprintf(", of the class %.64q,", class)
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

// WriteConfig writes value to a file as an indented JSON object with its keys sorted, as
// diffusers does; a class is recorded with the version.
func WriteConfig(path, class, version string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	if class != "" {
		fields["_class_name"], _ = json.Marshal(class)
		fields["_diffusers_version"], _ = json.Marshal(version)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(fields); err != nil {
		return err
	}
	return WriteFile(path, out.Bytes())
}

// WriteFile writes a file atomically and creates its folder if need be.
func WriteFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return disk.WriteFile(path, data)
}
