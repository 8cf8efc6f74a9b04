package tuning

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
)

// tinyRecipe trains every stage in seconds; nothing it learns is of use.
const tinyRecipe = `
world: {size: 32, classes: [apple, dog, cup]}
autoencoder:
  {widths: [8, 8, 8, 8], latent: 4, layers: 1, groups: 4, crop: 16, gradient: 1, kl: 0.0001,
   train: {steps: 2, batch: 2, learning_rate: 0.002, save_every: 1, seed: 1}}
base:
  scenes: 20
  text_length: 40
  t5: {dim: 8, heads: 2, layers: 1, feed_forward: 8}
  clip: {dim: 8, heads: 2, layers: 1}
  transformer: {heads: 1, head_dim: 16, axes: [4, 6, 6], double: 1, single: 1}
  drop_text: 0.1
  reflected: 0.3
  steps: 1
  guidance: 2
  train: {steps: 2, batch: 2, learning_rate: 0.001, save_every: 1, seed: 2}
corrector:
  {edits: 10, redraw: {pictures: 4, low: 0.3, high: 0.5, steps: 2}, rank: 2, all_streams: true, drop_text: 0.2, drop_image: 0.2, drop_reflection: 0.2,
   train: {steps: 2, batch: 2, learning_rate: 1, optimizer: prodigy, save_every: 1, seed: 3}}
`

func tiny(t *testing.T) Recipe {
	t.Helper()
	r, err := ParseRecipe([]byte(tinyRecipe))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func trainStage(t *testing.T, ctx context.Context, stage, out string, notify func(Progress)) error {
	t.Helper()
	return Train(ctx, stage, tiny(t), StageOptions{Backend: backend(t), Out: out, Resume: true, Notify: notify})
}

func TestStagesMakeAModelThatDraws(t *testing.T) {
	out := t.TempDir()
	for _, stage := range []string{"autoencoder", "base", "corrector"} {
		if err := trainStage(t, t.Context(), stage, out, nil); err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
		for _, file := range []string{checkpointFile, "loss.png", "sample-000002.png", "metrics.jsonl"} {
			if _, err := os.Stat(filepath.Join(out, stage, file)); err != nil {
				t.Error(err)
			}
		}
	}
	folder, err := flux.OpenFolder(filepath.Join(out, "model"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := flux.LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	if model.Corrector == nil || !model.Corrector.AllStreams || model.Corrector.Rank != 2 {
		t.Errorf("corrector %+v", model.Corrector)
	}
	file, err := os.Open(filepath.Join(out, "corrector", "sample-000002.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	grid, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	request := reflectionflow.Request{
		Prompt: "a photo of two apples", Reflection: "add one more apple", Reference: grid,
		Width: 32, Height: 32, Steps: 1, Guidance: 2,
	}
	drawn, err := flux.NewPipeline(backend(t), model, flux.Options{}).Generate(t.Context(), []reflectionflow.Request{request})
	if err != nil || drawn[0].Err != nil {
		t.Fatal(err, drawn)
	}
}

func TestInterruptedStagesEndAlike(t *testing.T) {
	whole, parts := t.TempDir(), t.TempDir()
	for _, stage := range []string{"autoencoder", "base", "corrector"} {
		if err := trainStage(t, t.Context(), stage, whole, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := trainStage(t, ctx, stage, parts, func(Progress) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v", stage, err)
		}
		if err := trainStage(t, t.Context(), stage, parts, nil); err != nil {
			t.Fatal(err)
		}
	}
	compared := 0
	err := filepath.WalkDir(filepath.Join(whole, "model"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, _ := filepath.Rel(whole, path)
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(parts, relative))
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs", relative)
		}
		compared++
		return err
	})
	if err != nil || compared < 12 {
		t.Errorf("compared %d files: %v", compared, err)
	}
}

func TestStagesNeedTheOnesBefore(t *testing.T) {
	for _, stage := range []string{"base", "corrector", "flux-dev"} {
		if err := trainStage(t, t.Context(), stage, t.TempDir(), nil); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", stage, err)
		}
	}
}

func TestRecipeIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		"world: {size: 33}":                   "world size 33",
		"world: {size: 32, classes: [gnome]}": `unknown class "gnome"`,
		"world:\n  size: 32\n  sizes: 3":      "line 3: field sizes not found",
		"base: {train: {steps: many}}":        "line 1",
	} {
		_, err := ParseRecipe([]byte(text))
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
