package clipart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
	"reflectionflow/reflector"
	"reflectionflow/search"
	"reflectionflow/verifier"
	"reflectionflow/verifier/detect"
)

// PolicyFile holds the policy of the adaptive strategy in a model folder.
const PolicyFile = "policy.json"

// Folder is a model folder of the clip-art world: diffusers' FluxPipeline with a
// corrector, a detector and a verifier. Its weights are not loaded.
type Folder struct {
	Name     string
	Files    fs.FS
	Settings flux1.Settings // with the model's image size, steps and guidance
	// Classes and Colors are what the model knows.
	Classes, Colors []string
	// Policy was fitted for the adaptive strategy; nil where none was.
	Policy *search.Policy
}

// ReadFolder reads the configuration of a model folder. Missing and damaged files are
// errors wrapping [reflectionflow.ErrInvalid].
func ReadFolder(name string, files fs.FS) (*Folder, error) {
	f := &Folder{Name: name, Files: files}
	var known detect.Config
	for file, into := range map[string]any{flux1.SettingsFile: &f.Settings, "detector/config.json": &known} {
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("%w: %s is not a model of the clip-art world: %s is missing", reflectionflow.ErrInvalid, name, file)
		}
		if err := json.Unmarshal(data, into); err != nil {
			return nil, fmt.Errorf("%w: %s: %s: %v", reflectionflow.ErrInvalid, name, file, err)
		}
	}
	f.Classes, f.Colors = known.Classes, known.Colors
	var err error
	f.Policy, err = readPolicy(name, files)
	return f, err
}

func readPolicy(name string, files fs.FS) (*search.Policy, error) {
	data, err := fs.ReadFile(files, PolicyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p, err := search.ReadPolicy(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, PolicyFile, err)
	}
	return &p, nil
}

// Parse reads the requirements of a prompt and words it as the networks were trained
// to read it. A prompt about objects that the model does not know is an error wrapping
// [reflectionflow.ErrInvalid].
func (f *Folder) Parse(text string) (reflectionflow.Prompt, error) {
	prompt, err := clipart.Parse(text)
	if err != nil {
		return prompt, err
	}
	for _, r := range prompt.Requirements {
		for _, object := range []string{r.Object, r.Target} {
			if object != "" && !slices.Contains(f.Classes, object) {
				return reflectionflow.Prompt{}, fmt.Errorf("%w: the model %s does not know %q; it knows %s",
					reflectionflow.ErrInvalid, f.Name, object, strings.Join(f.Classes, ", "))
			}
		}
	}
	prompt.Text = clipart.ShortCaption(prompt.Requirements)
	return prompt, nil
}

// CheckSize reports an image size that the model was not made for, with the memory
// that it would take, as an error wrapping [reflectionflow.ErrInvalid]. Only sides that
// are no multiples of 16 pixels are impossible; other sizes give images that look wrong.
func (f *Folder) CheckSize(width, height int) error {
	folder, err := flux1.OpenFolderFS(f.Files)
	if err != nil {
		return err
	}
	size := folder.Sizes(f.Settings).Check(width, height)
	if size == nil {
		return nil
	}
	memory, err := f.memory(folder, width, height)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w, and an image of this size takes about %s of memory", size, gigabytes(memory))
}

// memory is what correcting an image takes, with the weights.
func (f *Folder) memory(folder *flux1.Folder, width, height int) (int64, error) {
	backend, err := nn.OpenBackend("")
	if err != nil {
		return 0, err
	}
	defer backend.Finalize()
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		return 0, err
	}
	r := reflectionflow.Request{Width: width, Height: height, Steps: f.Settings.Steps, Guidance: f.Settings.Guidance}
	if model.Spec().Corrects {
		r.Reference = &image.Alpha{Rect: image.Rect(0, 0, width, height)}
	}
	return flux.NewPipeline(backend, model, flux.Options{Workers: 1}).Memory(r)
}

func gigabytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Open loads the networks.
func (f *Folder) Open(_ context.Context, o Options) (*Model, error) {
	backend, err := nn.OpenBackend(o.Backend)
	if err != nil {
		return nil, err
	}
	folder, err := flux1.OpenFolderFS(f.Files)
	if err != nil {
		return nil, err
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		return nil, err
	}
	v, err := verifier.Load(backend, f.Files, verifier.Options{})
	if err != nil {
		return nil, err
	}
	return &Model{
		Generator: flux.NewPipeline(backend, model, flux.Options{Workers: o.Workers}),
		Verifier:  v,
		Reflector: reflector.Embedded{Plan: true},
		Refiner:   reflector.Refiner{Words: model.Settings.TextLength - 1},
		folder:    f, close: v.Close,
	}, nil
}

// Model is a loaded model: the parts of a search. It may be used from several
// goroutines.
type Model struct {
	Generator reflectionflow.Generator
	Verifier  reflectionflow.Verifier
	Reflector reflectionflow.Reflector
	Refiner   reflectionflow.Refiner

	folder *Folder
	close  func() error
}

// Parse is [Folder.Parse].
func (m *Model) Parse(text string) (reflectionflow.Prompt, error) { return m.folder.Parse(text) }

// Search returns a search with the parts of the model. Its journal and notifications
// are the caller's to set.
func (m *Model) Search() *search.Search {
	return &search.Search{Generator: m.Generator, Verifier: m.Verifier, Reflector: m.Reflector, Refiner: m.Refiner}
}

// Config returns the default settings of a strategy (see [search.Strategies]) with the
// model's image size, steps, guidance and policy.
func (m *Model) Config(strategy string) search.Config {
	cfg, s := search.Default(strategy), m.folder.Settings
	cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Guidance = s.Width, s.Height, s.Steps, s.Guidance
	if cfg.Adaptive != nil && m.folder.Policy != nil {
		cfg.Adaptive.Policy = *m.folder.Policy
	}
	return cfg
}

// Close frees the networks of the verifier.
func (m *Model) Close() error { return m.close() }
