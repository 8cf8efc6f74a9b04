package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"reflectionflow"
)

// maxBytes bounds a configuration.
const maxBytes = 1 << 20

// Read reads a configuration from a file; relative paths in it are relative to the
// file's folder. types are the types of parts that there are.
func Read(path string, types []Type) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: open the configuration: %v", reflectionflow.ErrInvalid, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%w: open the configuration: %s is a folder", reflectionflow.ErrInvalid, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(path, data, dir, types)
}

// Parse reads a configuration that is in memory. name is what errors call it, dir
// what relative paths are relative to.
func Parse(name string, data []byte, dir string, types []Type) (*Config, error) {
	c := &Config{types: types, file: name, lines: map[string]int{}}
	if len(data) > maxBytes {
		return nil, c.invalid(0, "the file has more than %d bytes", maxBytes)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, c.syntax(err)
	}
	if len(root.Content) == 0 {
		return nil, c.invalid(0, "the configuration is empty")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil {
		return nil, c.syntax(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, c.invalid(0, "a second document follows: a configuration is one YAML document")
	}
	if _, err := json.Marshal(c); err != nil {
		return nil, c.invalid(0, "a number is not finite")
	}
	c.index("", root.Content[0])
	c.choose()
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.checkSeeds(); err != nil {
		return nil, err
	}
	c.resolve(dir)
	return c, nil
}

// checkSeeds refuses seeds that readers of run.json could not hold. A record of an
// earlier version may have them.
func (c *Config) checkSeeds() error {
	for _, name := range slices.Sorted(maps.Keys(c.Verifiers)) {
		if c.Verifiers[name].Seed > reflectionflow.MaxSeed {
			return c.Errorf("verifiers."+name+".seed", "must be from 0 to %d", uint64(reflectionflow.MaxSeed))
		}
	}
	return nil
}

// New returns the configuration in which all parts are embedded; name is what errors
// call it.
func New(name string, types []Type) *Config {
	c := &Config{types: types, file: name}
	c.choose()
	return c
}

// UseGenerator replaces the generator of the configuration with the remote one at a URL. Relative paths in the URL are relative to dir.
func (c *Config) UseGenerator(rawURL, dir string) error {
	return c.give("--generator", GivenURL, Generator{Type: Remote, URL: rawURL}, dir)
}

// UseModel replaces the generator of the configuration with one of type flux that runs the model of the files. Relative paths are relative to dir.
func (c *Config) UseModel(files Weights, dir string) error {
	return c.give("--model", GivenModel, Generator{Type: Flux, Weights: files}, dir)
}

// UseNATS replaces the cluster of the configuration. Relative paths are relative to dir.
func (c *Config) UseNATS(n NATS, dir string) error {
	if err := n.check(c); err != nil {
		return err
	}
	c.NATS = n
	c.resolve(dir)
	return nil
}

// give replaces the generators with one that a flag chose.
func (c *Config) give(flag, name string, g Generator, dir string) error {
	c.Generators = map[string]Generator{name: g}
	maps.DeleteFunc(c.lines, func(path string, _ int) bool { return strings.HasPrefix(path, "generators.") }) // of those that are gone
	c.Use.Generator, c.given = name, flag
	c.chooseAgain()
	if err := c.check(); err != nil {
		return err
	}
	c.resolve(dir)
	return nil
}

// FromRecord reads the JSON form. Its errors have no lines.
func FromRecord(data []byte, types []Type) (*Config, error) {
	c := &Config{types: types, file: "the recorded configuration"}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return nil, c.invalid(0, "it is damaged")
	}
	return c, c.check()
}

// index notes the lines of all keys by their paths, as in "verifiers.seen.type".
func (c *Config) index(path string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			at := join(path, n.Content[i].Value)
			c.lines[at] = n.Content[i].Line
			c.index(at, n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			at := join(path, fmt.Sprint(i+1))
			c.lines[at] = item.Line
			c.index(at, item)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Errorf is an error about the value at a path, with file and line where they are known.
// It wraps [reflectionflow.ErrInvalid] whatever its arguments are.
func (c *Config) Errorf(path, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if key, of := strings.CutPrefix(path, "generators."+c.Use.Generator); of && c.given != "" {
		return fmt.Errorf("%w: %s: %s", reflectionflow.ErrInvalid, c.flag(key), text)
	}
	return c.invalid(c.lines[path], "%s: %s", path, text)
}

// flag names the flag that gave a key of the generator.
func (c *Config) flag(key string) string {
	switch key = strings.TrimPrefix(key, "."); {
	case key == "" || key == "url" || key == "model":
		return c.given
	case strings.HasPrefix(key, "loras."):
		return "--lora"
	}
	return "--" + strings.ReplaceAll(key, "_", "-")
}

func (c *Config) invalid(line int, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if line > 0 {
		return fmt.Errorf("%w: %s: line %d: %s", reflectionflow.ErrInvalid, c.file, line, text)
	}
	return fmt.Errorf("%w: %s: %s", reflectionflow.ErrInvalid, c.file, text)
}

var (
	unknownKey = regexp.MustCompile(`^line (\d+): field (.*) not found in type .*$`)
	wrongType  = regexp.MustCompile(`(?s)^line (\d+): cannot construct (!!\w+).* into (\S+)$`)
	twice      = regexp.MustCompile(`^line (\d+): mapping key (.*) already defined at line (\d+)$`)
	position   = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)
	anchor     = regexp.MustCompile(`unknown anchor '.*'`)
)

// wanted describes the values of Go types.
var wanted = map[string]string{
	"int": "a whole number", "uint64": "a whole number from 0", "float64": "a number", "bool": "true or false",
	"string": "a text", "[]string": "a list of texts",
}

// syntax words the first error of the YAML package, without the values that it
// repeats: one could be a secret in the wrong place.
func (c *Config) syntax(err error) error {
	var types *yaml.LoadErrors
	if !errors.As(err, &types) || len(types.Errors) == 0 {
		if m := position.FindStringSubmatch(err.Error()); m != nil {
			return c.invalid(0, "line %s: this is not YAML: %s", m[1], anchor.ReplaceAllString(m[2], "unknown anchor"))
		}
		return c.invalid(0, "this is not YAML")
	}
	first := fmt.Sprintf("line %d: %s", types.Errors[0].Mark.Line, types.Errors[0].Message)
	if m := unknownKey.FindStringSubmatch(first); m != nil {
		return c.invalid(0, "line %s: unknown key %.60q", m[1], m[2])
	}
	if m := twice.FindStringSubmatch(first); m != nil {
		return c.invalid(0, "line %s: the key %.60s is given twice, first in line %s", m[1], m[2], m[3])
	}
	if m := wrongType.FindStringSubmatch(first); m != nil {
		want, ok := wanted[m[3]]
		if !ok {
			want = "a group of keys"
		}
		return c.invalid(0, "line %s: the value must be %s", m[1], want)
	}
	return c.invalid(0, "this is not a configuration")
}
