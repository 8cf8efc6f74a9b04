package assemble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/lora"
	"reflectionflow/internal/config"
	"reflectionflow/nn"
	"reflectionflow/weights"
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

// fluxModel is a FLUX model whose weights are not loaded. It is a generator that can be
// checked.
type fluxModel struct {
	path      string
	corrector string // file of its LoRA; empty for the folder's own
	loras     []config.LoRA
	img2img   float64
	memory    int64 // bound in bytes; 0 for none
	family    *fluxFamily
	weights   config.Weights                    // where the files are
	cacheDir  func(kind string) (string, error) // for embeddings of texts; nil for none
	warn      func(error)

	loading sync.Mutex
	loaded  map[string]*flux.Pipeline // by backend
}

func (b *Builder) flux(g config.Generator) (*fluxModel, error) {
	path, err := b.env.Library.Find(g.Model)
	if err != nil {
		return nil, err
	}
	family, err := openFlux(path, g.Weights)
	if err != nil {
		return nil, err
	}
	if g.Corrector != "" && !family.takesCorrector {
		return nil, fmt.Errorf("%w: %s edits images by itself: leave out the corrector", reflectionflow.ErrInvalid, family.what)
	}
	switch {
	case g.Img2Img > 0 && family.corrects:
		return nil, fmt.Errorf("%w: %s corrects images by itself, so that img2img has no effect: leave it out", reflectionflow.ErrInvalid, family.what)
	case g.Img2Img > 0 && g.Corrector != "":
		return nil, fmt.Errorf("%w: img2img has no effect beside a corrector: leave one of them out", reflectionflow.ErrInvalid)
	}
	m := &fluxModel{path: path, corrector: g.Corrector, loras: g.LoRAs, img2img: g.Img2Img, family: family, weights: g.Weights}
	m.cacheDir, m.warn = b.env.CacheDir, b.env.Warn
	if g.Memory != "" {
		m.memory, err = config.ParseMemory(g.Memory)
	}
	return m, err
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
	if err := r.CheckReferences(max(1, m.family.references)); err != nil {
		return err
	}
	if r.Reference != nil && !m.corrects() {
		return fmt.Errorf("%w: this model cannot correct images: %s", reflectionflow.ErrInvalid, remedies)
	}
	if m.family.frame == nil {
		return nil
	}
	for _, reference := range r.References() {
		if err := m.family.frame(reference.Bounds().Size()); err != nil {
			return err
		}
	}
	return nil
}

// largeModel is from how many parameters on images are generated one at a time: one keeps
// all processors busy then, and takes gigabytes.
const largeModel = 1e9

// remedies are what helps a model that cannot correct.
const remedies = "name the LoRA of a corrector in the configuration (corrector: FILE), let it start from the noised image (img2img: 0.6), use FLUX.2 or FLUX.1 Kontext, which edit images, or a strategy without reflection (--strategy noise-prompt)"

// describe sets the defaults and bounds of the model.
func (m *fluxModel) describe(entry *Model) {
	if entry.Name == config.GivenModel {
		entry.Name = filepath.Base(m.path)
	}
	f := m.family
	entry.Width, entry.Height, entry.Steps, entry.Guidance = f.width, f.height, f.steps, f.guidance
	entry.CheckSize, entry.Precision = m.checkSize, m.family.precision
}

// checkSize reports sizes that the model was not made for. Sides that the model cannot
// have at all are left to [reflectionflow.Request.Validate].
func (m *fluxModel) checkSize(width, height int) error {
	if width%16 != 0 || height%16 != 0 {
		return nil
	}
	return m.family.sizes.Check(width, height)
}

// stored are the sizes of the weights in bytes by the types that they are stored in.
func (m *fluxModel) stored() (map[string]int64, error) {
	stored := map[string]int64{}
	for _, c := range m.family.components {
		source, file, err := c.Open(m.family.files)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(countStored(source, stored), file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Prefix, err)
		}
	}
	return stored, nil
}

// smallTensor is up to how many bytes a tensor is read to check a model. Larger ones are
// checked before their first use.
const smallTensor = 16 << 20

// checkFinite reports a small tensor with a value that is not finite.
func (m *fluxModel) checkFinite() error {
	for _, c := range m.family.components {
		source, file, err := c.Open(m.family.files)
		if err != nil {
			return err
		}
		if err := errors.Join(checkSmall(source), file.Close()); err != nil {
			return fmt.Errorf("%s: %w", c.Prefix, err)
		}
	}
	return nil
}

func checkSmall(source weights.Source) error {
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return err
		}
		if !info.Float() {
			continue
		}
		t, err := weights.Find(source, name)
		if err == nil && t.Bytes() <= smallTensor {
			err = t.CheckFinite()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// corrects reports whether the model takes references.
func (m *fluxModel) corrects() bool { return m.corrector != "" || m.img2img > 0 || m.family.corrects }

// OpenFlux opens the FLUX model of the files, whose weights stay mapped until the model is
// closed. Errors about the files wrap [reflectionflow.ErrInvalid].
func (l Library) OpenFlux(w config.Weights) (flux.Model, io.Closer, error) {
	path, err := l.Find(w.Model)
	if err != nil {
		return nil, nil, err
	}
	family, err := openFlux(path, w)
	if err != nil {
		return nil, nil, err
	}
	model, err := family.load(nil)
	if err != nil {
		return nil, nil, errors.Join(err, closers(family.open).Close())
	}
	return model, closers(family.open), nil
}

// open reads the weights, which stay mapped, and the LoRAs.
func (m *fluxModel) open() (flux.Model, error) {
	var corrector *safetensors.File
	if m.corrector != "" {
		var err error
		if corrector, err = safetensors.Open(m.corrector); err != nil {
			return nil, fmt.Errorf("corrector: %w", err)
		}
	}
	model, err := m.family.load(corrector)
	if err != nil {
		return nil, err
	}
	return m.adapt(model)
}

// adapt returns the model with the LoRAs of the configuration.
func (m *fluxModel) adapt(model flux.Model) (flux.Model, error) {
	if len(m.loras) == 0 {
		return model, nil
	}
	networks, err := m.family.networks()
	if err != nil {
		return nil, err
	}
	files := make([]lora.File, len(m.loras))
	for i, l := range m.loras {
		if files[i], err = lora.Open(l.Path, cmp.Or(l.Weight, 1)); err != nil {
			return nil, err
		}
	}
	return lora.Adapt(model, networks, files)
}

// load reads the weights for a backend, see [Model.Open].
func (m *fluxModel) load(_ context.Context, backendName string) (reflectionflow.Generator, io.Closer, error) {
	p, err := m.pipeline(backendName)
	if err != nil {
		return nil, nil, err
	}
	return p, closers(m.family.open), nil
}

// pipeline returns the loaded model on a backend. It is loaded once: what it takes is
// asked before its parts are opened.
func (m *fluxModel) pipeline(backendName string) (*flux.Pipeline, error) {
	m.loading.Lock()
	defer m.loading.Unlock()
	if p := m.loaded[backendName]; p != nil {
		return p, nil
	}
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, err
	}
	model, err := m.open()
	if err != nil {
		return nil, err
	}
	options := flux.Options{Img2Img: m.img2img, Memory: m.memory, Embeddings: m.lastingEmbeddings(model, backendName)}
	if model.Spec().Store.Parameters("") > largeModel {
		options.Workers = 1
	}
	if m.loaded == nil {
		m.loaded = map[string]*flux.Pipeline{}
	}
	m.loaded[backendName] = flux.NewPipeline(backend, model, options)
	return m.loaded[backendName], nil
}
