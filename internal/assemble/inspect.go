package assemble

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/internal/config"
	"reflectionflow/weights"
)

// Inspection is what a FLUX model is and what it needs.
type Inspection struct {
	What       string // one line
	Parameters int
	Corrects   bool
	Checksums  int // files that were compared with their checksums
	// Width, Height and Steps are those of the image that the rest is about.
	Width, Height, Steps int
	// Stored is the size of the weights in bytes by the types that they are stored in;
	// they stay mapped.
	Stored map[string]int64
	// Working is the bytes of memory that generating the image takes beside the weights,
	// Correcting those of correcting it, 0 for a model that does not, and Free is what the
	// machine has.
	Working, Correcting, Free int64
	// StepWork is the multiplications and additions of a denoising step, two each, and
	// Speed how many of them this machine does in a second, by a product with one of
	// the model's matrices.
	StepWork, Speed float64
}

// Weights returns the size of all weights in bytes.
func (i *Inspection) Weights() int64 {
	total := int64(0)
	for _, n := range i.Stored {
		total += n
	}
	return total
}

// StepSeconds estimates how long a denoising step takes.
func (i *Inspection) StepSeconds() float64 { return i.StepWork / i.Speed }

// Inspected is a FLUX model that can be checked.
type Inspected struct{ *fluxModel }

// OpenInspected opens a model to check it. Files that it lacks are those of w.
func OpenInspected(path string, w config.Weights) (*Inspected, error) {
	family, err := openFlux(path, w)
	if err != nil {
		return nil, err
	}
	return &Inspected{&fluxModel{path: path, family: family}}, nil
}

// Problems compares the weights with what the networks need.
func (m *Inspected) Problems() (flux.Problems, error) { return m.family.check() }

// Inspect verifies checksums, loads everything, and measures. A size of 0 is the model's
// own. A model that cannot generate is an error.
func (m *Inspected) Inspect(ctx context.Context, backend string, width, height int) (*Inspection, error) {
	f := m.family
	i := &Inspection{What: f.what, Corrects: f.corrects, Width: f.width, Height: f.height, Steps: f.steps, Free: cpu.FreeMemory()}
	if width > 0 {
		i.Width, i.Height = width, height
	}
	var err error
	if i.Checksums, err = f.checksums(ctx); err != nil {
		return nil, err
	}
	if err := m.checkFinite(); err != nil {
		return nil, err
	}
	p, err := m.pipeline(backend)
	if err != nil {
		return nil, err
	}
	spec := p.Model().Spec()
	i.Parameters = spec.Store.Parameters("")
	if i.Stored, err = m.stored(); err != nil {
		return nil, err
	}
	transformer, file, err := f.components[0].Open(f.files)
	if err != nil {
		return nil, err
	}
	i.Speed, err = measureSpeed(backend, transformer)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	image := flux.Grid{Rows: i.Height / spec.Unit, Cols: i.Width / spec.Unit}
	variables, err := f.components[0].Variables()
	if err != nil {
		return nil, err
	}
	i.StepWork = stepWork(variables, tokenCounts{text: f.text, image: image.Tokens()})
	r := reflectionflow.Request{Prompt: "any", Width: i.Width, Height: i.Height, Steps: i.Steps, Guidance: f.guidance}
	if i.Working, err = p.Memory(r); err == nil && i.Corrects {
		i.Correcting, err = p.Memory(correctionOf(r))
	}
	return i, err
}

// countStored adds the sizes of a source's tensors, in bytes, by their type.
func countStored(source weights.Source, into map[string]int64) error {
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return err
		}
		if !info.Float() {
			continue
		}
		t, err := weights.Find(source, name)
		if err != nil {
			return err
		}
		into[info.Type] += int64(t.Bytes())
	}
	return nil
}

// StoredTypes lists the types of the weights, the largest share first.
func (i *Inspection) StoredTypes() string {
	types := slices.SortedFunc(maps.Keys(i.Stored), func(a, b string) int {
		if i.Stored[a] != i.Stored[b] {
			return int(min(max(i.Stored[b]-i.Stored[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	return strings.Join(types, ", ")
}
