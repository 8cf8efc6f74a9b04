package assemble

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/nn"
	"reflectionflow/geneval"
	"reflectionflow/reflector"
	"reflectionflow/search"
	"reflectionflow/verifier"
	"reflectionflow/verifier/detect"
)

// FolderModel describes a model of the clip-art world: a diffusers folder that
// also holds a corrector, a detector, a verifier and a judge, as `train` makes it.
func FolderModel(name string, files fs.FS) (Model, error) {
	var settings flux.Settings
	var known detect.Config
	for file, into := range map[string]any{flux.SettingsFile: &settings, "detector/config.json": &known} {
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return Model{}, fmt.Errorf("%w: %s is not a model of the clip-art world: %s is missing", reflectionflow.ErrInvalid, name, file)
		}
		if err := json.Unmarshal(data, into); err != nil {
			return Model{}, fmt.Errorf("%w: %s: %s: %v", reflectionflow.ErrInvalid, name, file, err)
		}
	}
	policy, err := readPolicy(name, files)
	if err != nil {
		return Model{}, err
	}
	w := world{name: name, files: files, classes: known.Classes}
	card, err := fs.ReadFile(files, "README.md")
	if err != nil {
		card = nil // a model fresh from training has none
	}
	return Model{
		Name:    name,
		Summary: fmt.Sprintf("clip-art scenes of %d kinds of object in %d colours, drawn by a small FLUX", len(known.Classes), len(known.Colors)),
		Card:    string(card),
		Width:   settings.Width, Height: settings.Height, Steps: settings.Steps, Guidance: settings.Guidance,
		Classes: known.Classes, Colors: known.Colors,
		Policy:    policy,
		Parse:     Free(w.parse),
		Check:     w.check,
		Open:      w.open,
		OpenJudge: w.openJudge,
		Verifiers: []string{"detector", "reward"}, OpenVerifier: w.openVerifier,
	}, nil
}

// PolicyFile holds the adaptive strategy's policy in a model folder.
const PolicyFile = "policy.json"

// readPolicy reads the policy that was fitted for a model; nil where none was.
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

// world is a model of the clip-art world by its files.
type world struct {
	name    string
	files   fs.FS
	classes []string
}

// parse reads a prompt and puts it in GenEval's wording, the one the networks
// were trained on.
func (w world) parse(text string) (reflectionflow.Prompt, error) {
	prompt, err := clipart.Parse(text)
	if err != nil {
		return prompt, err
	}
	for _, r := range prompt.Requirements {
		for _, object := range []string{r.Object, r.Target} {
			if object != "" && !slices.Contains(w.classes, object) {
				return reflectionflow.Prompt{}, fmt.Errorf("%w: the model %s does not know how to draw %q; it knows %s",
					reflectionflow.ErrInvalid, w.name, object, strings.Join(w.classes, ", "))
			}
		}
	}
	prompt.Text = clipart.ShortCaption(prompt.Requirements)
	return prompt, nil
}

// check reads every file and loads every network.
func (w world) check(ctx context.Context) (string, error) {
	folder, err := flux.OpenFolderFS(w.files)
	if err != nil {
		return "", err
	}
	problems, err := folder.CheckWeights()
	if err != nil {
		return "", err
	}
	if err := problems.Err(); err != nil {
		return "", err
	}
	if _, err := folder.VerifyChecksums(ctx); err != nil {
		return "", err
	}
	e, err := w.open(ctx, "")
	if err != nil {
		return "", err
	}
	if err := e.Close(); err != nil {
		return "", err
	}
	if _, err := w.openJudge(ctx, ""); err != nil {
		return "", err
	}
	return Fingerprint(ctx, w.files)
}

// open loads what draws, verifies and corrects.
func (w world) open(_ context.Context, backendName string) (*Engine, error) {
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, err
	}
	folder, err := flux.OpenFolderFS(w.files)
	if err != nil {
		return nil, err
	}
	model, err := flux.LoadModel(folder, nil)
	if err != nil {
		return nil, err
	}
	judged, err := verifier.Load(backend, w.files, verifier.Options{})
	if err != nil {
		return nil, err
	}
	return &Engine{
		Generator: flux.NewPipeline(backend, model, flux.Options{}),
		Verifier:  judged,
		Reflector: reflector.Embedded{Plan: true},
		Refiner:   reflector.Refiner{Words: model.Settings.TextLength - 1},
		Closer:    judged,
	}, nil
}

// openJudge loads the detector that only evaluations use.
func (w world) openJudge(_ context.Context, backendName string) (geneval.Detector, error) {
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, err
	}
	detector, err := detect.Load(backend, w.files, "judge")
	if err != nil {
		return nil, err
	}
	return worldJudge{detector}, nil
}

// worldJudge goes by the threshold that was fitted with its network.
type worldJudge struct{ *detect.Detector }

// Thresholds implements [geneval.Calibrated]: one threshold for all tasks.
func (j worldJudge) Thresholds() geneval.Thresholds {
	fitted := math.Nextafter(j.Config().Threshold, 0) // at the threshold itself an object is listed
	return geneval.Thresholds{Score: fitted, Counting: fitted}
}

// openVerifier loads a verifier that leaves out a part of the default one: detector
// has no reward network, and reward goes by that network alone (the detector still
// says what is wrong, for reflections).
func (w world) openVerifier(_ context.Context, backendName, name string) (reflectionflow.Verifier, error) {
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, err
	}
	weight := -1.0
	if name == "reward" {
		weight = 1e6 // far above what requirements add
	}
	return verifier.Load(backend, w.files, verifier.Options{RewardWeight: weight})
}
