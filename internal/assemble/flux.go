package assemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/internal/config"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// fluxType is the type of generators that run a FLUX model in this process.
func fluxType() partType[config.Generator, reflectionflow.Generator] {
	return partType[config.Generator, reflectionflow.Generator]{
		Type: config.Type{
			Kind: config.Generators, Name: config.Flux, Summary: "a FLUX model on this machine: a diffusers folder, or files",
			Keys: []string{"model", "text_encoder", "text_encoder_2", "vae", "tokenizer", "loras", "corrector", "img2img", "memory", "size", "steps", "guidance"},
		},
		build: func(b *Builder, name string, g config.Generator) (reflectionflow.Generator, error) {
			part, err := b.flux(g)
			if err != nil {
				return nil, b.config.Errorf("generators."+name, "%v", err)
			}
			return part, nil
		},
	}
}

// local is a generator that runs in this process: it is described before its weights
// are loaded.
type local interface {
	reflectionflow.Generator
	reflectionflow.RequestChecker
	// describe sets the defaults and bounds of the model.
	describe(entry *Model)
	// load reads the weights for a backend, see [Model.Open].
	load(ctx context.Context, backend string) (reflectionflow.Generator, io.Closer, error)
}

// fluxModel is a FLUX model whose weights are not loaded.
type fluxModel struct {
	path      string
	corrector string // file of its LoRA; empty for the folder's own
	family    *fluxFamily
}

func (b *Builder) flux(g config.Generator) (*fluxModel, error) {
	path, err := b.env.Library.Find(g.Model)
	if err != nil {
		return nil, err
	}
	for _, other := range []string{g.TextEncoder, g.TextEncoder2, g.VAE, g.Tokenizer} {
		if other != "" {
			return nil, fmt.Errorf("%w: %s: parts in files of their own are not read yet: use a diffusers folder", reflectionflow.ErrInvalid, other)
		}
	}
	family, err := openFlux(path)
	if err != nil {
		return nil, err
	}
	if g.Corrector != "" && !family.takesCorrector {
		return nil, fmt.Errorf("%w: %s edits images by itself: leave out the corrector", reflectionflow.ErrInvalid, family.what)
	}
	return &fluxModel{path: path, corrector: g.Corrector, family: family}, nil
}

var errNotLoaded = errors.New("the model is not loaded")

// Generate implements [reflectionflow.Generator]. It only fails: the loaded model
// generates.
func (m *fluxModel) Generate(context.Context, []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return nil, errNotLoaded
}

// Check implements [reflectionflow.RequestChecker], as far as that is known without the
// weights.
func (m *fluxModel) Check(r reflectionflow.Request) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Reference != nil && m.corrector == "" && !m.family.corrects {
		return fmt.Errorf("%w: this model cannot correct images: %s", reflectionflow.ErrInvalid, remedies)
	}
	if r.Reference != nil && m.family.frame != nil {
		return m.family.frame(r.Reference.Bounds().Size())
	}
	return nil
}

// remedies are what helps a model that cannot correct.
const remedies = "name the LoRA of a corrector in the configuration (corrector: FILE), use FLUX.2 or FLUX.1 Kontext, which edit images, or a strategy without reflection (--strategy noise-prompt)"

func (m *fluxModel) describe(entry *Model) {
	if entry.Name == config.GivenModel {
		entry.Name = filepath.Base(m.path)
	}
	f := m.family
	entry.Width, entry.Height, entry.Steps, entry.Guidance = f.width, f.height, f.steps, f.guidance
	entry.CheckSize = m.checkSize
}

// checkSize reports sizes that the model was not made for. Sides that the model cannot
// have at all are left to [reflectionflow.Request.Validate].
func (m *fluxModel) checkSize(width, height int) error {
	if width%16 != 0 || height%16 != 0 {
		return nil
	}
	return m.family.sizes.Check(width, height)
}

func (m *fluxModel) load(_ context.Context, backendName string) (reflectionflow.Generator, io.Closer, error) {
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, nil, err
	}
	var corrector *safetensors.File
	if m.corrector != "" {
		if corrector, err = safetensors.Open(m.corrector); err != nil {
			return nil, nil, fmt.Errorf("corrector: %w", err)
		}
	}
	model, err := m.family.load(corrector)
	if err != nil {
		return nil, nil, err
	}
	return flux.NewPipeline(backend, model, flux.Options{}), nil, nil
}
