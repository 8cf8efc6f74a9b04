package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"reflectionflow"
)

// modelEntry is a model this program can draw with, and what can be said about
// it without loading it.
type modelEntry struct {
	Name    string
	Summary string // one line
	Card    string // the model card, Markdown
	// Defaults of a request.
	Width, Height, Steps int
	Guidance             float64
	// What the model knows; empty for a model without such bounds.
	Classes, Colors []string
	// Parse reads a prompt into requirements. A prompt that the model does not
	// know is an error wrapping reflectionflow.ErrInvalid.
	Parse func(text string) (reflectionflow.Prompt, error)
	// Check reads all files of the model and returns a checksum over them.
	Check func(ctx context.Context) (fingerprint string, err error)
	// Open loads the model for the backend, empty for the default on the CPU.
	Open func(ctx context.Context, backend string) (*engine, error)
}

// engine is a loaded model: all that a search needs.
type engine struct {
	reflectionflow.Generator
	reflectionflow.Verifier
	reflectionflow.Reflector
	reflectionflow.Refiner
	io.Closer // may be nil
}

// model finds a model by name; the empty name is the first one.
func (p *program) model(name string) (modelEntry, error) {
	var names []string
	for _, m := range p.catalog {
		if m.Name == name || name == "" {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return modelEntry{}, fmt.Errorf("%w: no model is called %q: there is %s", reflectionflow.ErrInvalid, name, strings.Join(names, ", "))
}

// checkBackend reports a backend that this binary does not have.
func checkBackend(backend string) error {
	kind, _, _ := strings.Cut(backend, ":")
	switch {
	case backend == "":
		return nil
	case kind != "xla":
		return fmt.Errorf("%w: unknown backend %q: leave it out for the CPU, or use xla:PLUGIN", reflectionflow.ErrInvalid, backend)
	case !hasXLA:
		return fmt.Errorf("%w: backend %q is not in this binary: build it with -tags xla", reflectionflow.ErrInvalid, backend)
	}
	return nil
}
