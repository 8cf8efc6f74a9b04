package assemble

import (
	"context"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/search"
)

// Model describes a model, or the parts of a configuration, that is not loaded.
type Model struct {
	Name    string
	Shown   string // the name in the records of images; empty means Name
	Summary string // one line
	Card    string // the model card, Markdown
	// Defaults of a request.
	Width, Height, Steps int
	Guidance             float64
	// Concurrency is how many images the generator generates at a time; 0 for one that
	// takes batches.
	Concurrency int
	// What the model knows; empty for a model without such bounds.
	Classes, Colors []string
	// Policy is what the adaptive strategy knows of the model beforehand; nil for
	// the defaults.
	Policy *search.Policy
	// Abilities are those of the model's own verifier, and NeedsFindings is set where
	// its own reflector works from findings.
	Abilities     reflectionflow.Abilities
	NeedsFindings bool
	// Parse reads prompts. The model does not know the objects of a prompt that it
	// refuses.
	Parse ParseFunc
	// Edited words what an image shall show once an instruction for its correction is
	// followed, as a prompt that Parse reads; v is the model's own verifier. Nil for a model that keeps
	// what its prompt does not name: there [requirements.Wish] says it.
	Edited func(ctx context.Context, v reflectionflow.Verifier, img image.Image, instruction string) (string, error)
	// References is how many reference images the generator takes, see
	// [reflectionflow.MostReferences]; 0 for one, if any.
	References int
	// CheckSize reports an image size that the model was not made for, with the memory
	// that it would take; nil for a model of any size.
	CheckSize func(width, height int) error
	// Serves reports a search that the parts cannot run together, before anything is
	// sent; nil where they run any.
	Serves func(cfg search.Config) error
	// Suits reports a parsed prompt that a part which the axes need cannot use; nil where
	// the parts can use every prompt that Parse accepts.
	Suits func(ctx context.Context, prompt reflectionflow.Prompt, axes search.Axes) error
	// Warning says what is wrong with a search of the settings here, such as too little
	// memory; empty for nothing. It is nil where nothing can be.
	Warning func(cfg search.Config) (string, error)
	// Precision is what [config.Auto] is for the model's weights on a backend and this
	// processor; nil for f32.
	Precision func(backend string) (string, error)
	// Fingerprint is a checksum over the files that decide what the model generates; nil
	// for the parts of a configuration.
	Fingerprint func(ctx context.Context) (string, error)
	// Verify looks for damage in the model's files, without the networks that Open loads,
	// and returns the fingerprint.
	Verify func(ctx context.Context) (fingerprint string, err error)
	// Check does the same and loads everything, the judge too.
	Check func(ctx context.Context) (fingerprint string, err error)
	// Open loads the model for the backend, empty for the default on the CPU.
	Open func(ctx context.Context, backend string) (*Engine, error)
	// OpenJudge loads the judge that evaluations score with: not a network of the
	// Engine. A judge that is an io.Closer is closed. Nil for a model without one.
	OpenJudge func(ctx context.Context, backend string) (geneval.Detector, error)
	// Verifiers names variants of the engine's verifier, for comparison; OpenVerifier
	// loads one. A verifier that is an io.Closer is closed.
	Verifiers    []string
	OpenVerifier func(ctx context.Context, backend, name string) (reflectionflow.Verifier, error)
}

// PrecisionOf returns the precision that a model computes in where one is asked for.
func (m Model) PrecisionOf(backend, asked string) (string, error) {
	switch {
	case asked != config.Auto:
		return asked, nil
	case m.Precision == nil:
		return "f32", nil
	}
	return m.Precision(backend)
}

// Free is a parser without cost.
func Free(parse func(string) (reflectionflow.Prompt, error)) ParseFunc {
	return func(_ context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
		prompt, err := parse(text)
		return prompt, reflectionflow.Cost{}, err
	}
}

// Engine is a loaded model: all that a search needs.
type Engine struct {
	reflectionflow.Generator
	reflectionflow.Verifier
	reflectionflow.Reflector
	reflectionflow.Refiner
	// Comparer chooses among images that the verifier scores alike; nil for none.
	Comparer  reflectionflow.Comparer
	io.Closer // may be nil
	// Watch sets the receiver of the generator's progress; nil for one that reports none.
	Watch func(func(remote.Progress))
	// Ledger records calls to servers once the run has a folder; nil where no part is at a
	// server.
	Ledger *endpoint.Ledger
}

// Find finds a model by name; the empty name is the first one. A path with a
// slash is the folder of a model of the clip-art world, fresh from training.
func (c Catalog) Find(name string) (Model, error) {
	if IsPath(name) {
		return FolderModel(name, os.DirFS(name))
	}
	var names []string
	for _, m := range c {
		if m.Name == name || name == "" {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, fmt.Errorf("%w: no model is called %q: this program has %s, and reflectionflow models list shows those on this machine (a folder is written with a slash, as ./model)", reflectionflow.ErrInvalid, name, strings.Join(names, ", "))
}

// Own reports whether Find knows the model: one of the catalog, or a folder of the
// clip-art world. What is neither there nor in the library counts as known, for Find to
// say what there is.
func (c Catalog) Own(name string, library Library) bool {
	if slices.ContainsFunc(c, func(m Model) bool { return m.Name == name || name == "" }) {
		return true
	}
	path, err := library.Find(name)
	if err != nil {
		return !IsPath(name)
	}
	return IsPath(name) && IsWorldFolder(os.DirFS(path))
}

// IsPath tells a path from the name of a model.
func IsPath(name string) bool { return strings.ContainsRune(name, filepath.Separator) }
