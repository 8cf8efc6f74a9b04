package assemble

import (
	"context"
	"fmt"
	"image"
	"io"
	"io/fs"
	"math"
	"sync"

	"reflectionflow"
	"reflectionflow/clipart/template"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/geneval"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/nn"
	"reflectionflow/reflector"
	"reflectionflow/verifier"
	"reflectionflow/verifier/detect"
)

// FolderModel describes a model of the clip-art world: a diffusers folder that
// also holds a corrector, a detector, a verifier and a judge, as `train` makes it.
func FolderModel(name string, files fs.FS) (Model, error) {
	folder, err := clipartmodel.ReadFolder(name, files)
	if err != nil {
		return Model{}, err
	}
	w := world{folder}
	card, err := fs.ReadFile(files, "README.md")
	if err != nil {
		card = nil // a model fresh from training has none
	}
	s := folder.Settings
	return Model{
		Name:    name,
		Summary: fmt.Sprintf("clip-art scenes of %d kinds of object in %d colors, by a small FLUX", len(folder.Classes), len(folder.Colors)),
		Card:    string(card),
		Width:   s.Width, Height: s.Height, Steps: s.Steps, Guidance: s.Guidance,
		Classes: folder.Classes, Colors: folder.Colors,
		Policy:    folder.Policy,
		Abilities: (*verifier.Embedded)(nil).Abilities(), NeedsFindings: reflectionflow.NeedsFindings(reflector.Embedded{}),
		Parse: Free(folder.Parse), Edited: w.edited,
		CheckSize:   folder.CheckSize,
		Fingerprint: func(ctx context.Context) (string, error) { return Fingerprint(ctx, files) },
		Verify:      w.verify,
		Check:       w.check,
		Open:        w.open,
		OpenJudge:   w.openJudge,
		Verifiers:   []string{"detector", "reward"}, OpenVerifier: w.openVerifier,
	}, nil
}

// PolicyFile holds the adaptive strategy's policy in a model folder.
const PolicyFile = clipartmodel.PolicyFile

// world is a model of the clip-art world.
type world struct{ *clipartmodel.Folder }

// IsWorldFolder tells whether a folder is of a model of the clip-art world, whole or
// not, by the parts that no other diffusers folder has.
func IsWorldFolder(files fs.FS) bool {
	for _, part := range []string{"detector", "verifier", "judge", PolicyFile} {
		if _, err := fs.Stat(files, part); err == nil {
			return true
		}
	}
	return false
}

// verify compares the files with their checksums. What does not fit the networks is
// found when they are loaded.
func (w world) verify(ctx context.Context) (fingerprint string, err error) {
	if _, err := fs.Stat(w.Files, flux1.CorrectorFile); err != nil {
		return "", fmt.Errorf("%w: %s is missing: strategies that correct images need it", reflectionflow.ErrInvalid, flux1.CorrectorFile)
	}
	var damage error
	var sums sync.WaitGroup
	sums.Go(func() { _, damage = flux.VerifyChecksums(ctx, w.Files) })
	fingerprint, err = Fingerprint(ctx, w.Files)
	sums.Wait()
	if damage != nil {
		return "", damage
	}
	return fingerprint, err
}

// check does what a search and an evaluation need: it reads every file, compares the
// weights and checksums, and loads every network.
func (w world) check(ctx context.Context) (string, error) {
	folder, err := flux1.OpenFolderFS(w.Files)
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
	fingerprint, err := w.verify(ctx)
	if err != nil {
		return "", err
	}
	return fingerprint, w.checkNetworks(ctx)
}

// checkNetworks loads the networks of a search, and the judge.
func (w world) checkNetworks(ctx context.Context) error {
	e, err := w.open(ctx, "")
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	judge, err := w.openJudge(ctx, "")
	if err != nil {
		return fmt.Errorf("judge, which evaluate needs: %w", err)
	}
	if closer, ok := judge.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// open loads the networks of a search.
func (w world) open(ctx context.Context, backend string) (*Engine, error) {
	m, err := w.Open(ctx, clipartmodel.Options{Backend: backend})
	if err != nil {
		return nil, err
	}
	return &Engine{Generator: m.Generator, Verifier: m.Verifier, Reflector: m.Reflector, Refiner: m.Refiner, Closer: m}, nil
}

// openJudge loads the detector that only evaluations use.
func (w world) openJudge(_ context.Context, backendName string) (geneval.Detector, error) {
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, err
	}
	detector, err := detect.Load(backend, w.Files, "judge")
	if err != nil {
		return nil, err
	}
	return worldJudge{detector}, nil
}

// worldJudge uses the threshold that was fitted with its network.
type worldJudge struct{ *detect.Detector }

// Detect implements [geneval.Detector]. Objects that nobody can see do not count.
func (j worldJudge) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found, err := j.Detector.Detect(ctx, images)
	if err != nil {
		return nil, err
	}
	err = detect.ForEach(ctx, len(images), func(i int) error {
		seen, err := template.Visible(images[i], found[i])
		var kept []reflectionflow.Object
		for k, o := range found[i] {
			if err == nil && seen[k] {
				kept = append(kept, o)
			}
		}
		found[i] = kept
		return err
	})
	return found, err
}

// Thresholds implements [geneval.Calibrated]: one threshold for all tasks.
func (j worldJudge) Thresholds() geneval.Thresholds {
	fitted := math.Nextafter(j.Config().Threshold, 0) // at the threshold itself an object is listed
	return geneval.Thresholds{Score: fitted, Counting: fitted}
}

// openVerifier loads a variant of the default verifier: detector has no reward network;
// reward ranks by that network alone, with the detector's findings for reflections.
func (w world) openVerifier(_ context.Context, backendName, name string) (reflectionflow.Verifier, error) {
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return nil, err
	}
	weight := -1.0
	if name == "reward" {
		weight = 1e6 // far above what requirements add
	}
	return verifier.Load(backend, w.Files, verifier.Options{RewardWeight: weight})
}
