package tuning

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// stillRecipe is [tinyRecipe] with a detector and a negligible learning rate.
func stillRecipe(t *testing.T, start string, classes ...string) Recipe {
	t.Helper()
	r := tiny(t)
	r.Start = start
	r.World.Classes = classes
	r.Detector = Detector{Architecture: "transformer", Cell: 16, Width: 8, Depth: 1, Heads: 2, Hidden: 8, Train: Config{Steps: 1, Batch: 2, SaveEvery: 1}}
	for _, c := range []*Config{&r.Autoencoder.Train, &r.Base.Train, &r.Detector.Train} {
		c.Steps, c.LearningRate = 1, 1e-12
	}
	return r
}

func TestStagesStartFromAModel(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	stages := []string{"autoencoder", "base", DetectorPrefix}
	train := func(r Recipe, out string) {
		t.Helper()
		for _, stage := range stages {
			if err := Train(t.Context(), stage, r, StageOptions{Backend: backend(t), Out: out}); err != nil {
				t.Fatalf("%s: %v", stage, err)
			}
		}
	}
	train(stillRecipe(t, "", "apple", "dog", "cup"), first)
	start := filepath.Join(first, "model")
	train(stillRecipe(t, start, "apple", "dog", "cup", "pizza"), second)

	for prefix, stem := range map[string]string{
		flux1.VAEPrefix: flux.DiffusersStem, flux1.TransformerPrefix: flux.DiffusersStem, flux1.CLIPPrefix: flux.TransformersStem,
		flux1.T5Prefix: flux.TransformersStem, DetectorPrefix: flux.TransformersStem,
	} {
		old, more := nn.NewStore(), nn.NewStore()
		for store, out := range map[*nn.Store]string{old: first, more: second} {
			if err := flux.LoadWeights(store, prefix, filepath.Join(out, "model", prefix), stem); err != nil {
				t.Fatal(err)
			}
		}
		same := 0
		for _, name := range old.Names(prefix + ".") {
			a, errA := old.Values(name)
			b, errB := more.Values(name)
			if err := errors.Join(errA, errB); err != nil {
				t.Fatal(err)
			}
			head := strings.HasPrefix(name, DetectorPrefix+".head.")
			kept := slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-9 })
			if kept == head {
				t.Errorf("%s: the weights are the first model's: %v", name, kept)
			}
			same++
		}
		if same == 0 {
			t.Errorf("%s has no weights", prefix)
		}
	}
}

func TestStartRefusesModelsThatDoNotFit(t *testing.T) {
	out := t.TempDir()
	r := stillRecipe(t, filepath.Join(out, "nowhere"), "apple", "dog", "cup")
	err := Train(t.Context(), "autoencoder", r, StageOptions{Backend: backend(t), Out: out})
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("no model to start from: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "model")); err == nil {
		t.Error("a model was written")
	}
	r.Start = ""
	if err := Train(t.Context(), "autoencoder", r, StageOptions{Backend: backend(t), Out: out}); err != nil {
		t.Fatal(err)
	}
	r.Start, r.Autoencoder.Widths = filepath.Join(out, "model"), []int{16, 8, 8, 8}
	err = Train(t.Context(), "autoencoder", r, StageOptions{Backend: backend(t), Out: t.TempDir()})
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "vae.encoder.conv_in.weight") {
		t.Errorf("a model of other sizes: %v", err)
	}
}

// Images that are stored with another key are generated again.
func TestRedrawCacheKeyIsStable(t *testing.T) {
	r := Redraw{Images: 800, Share: 0.5, Low: 0.4, High: 0.75, Steps: 5}
	if got := r.cacheKey(); got != "{Pictures:800 Share:0.5 Low:0.4 High:0.75 Steps:5}" {
		t.Errorf("key %s", got)
	}
}
