package tuning

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
)

// tinyRecipe trains every stage in seconds, without a useful result.
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
  edited: {scenes: 10, share: 0.5}
  steps: 1
  guidance: 2
  train: {steps: 2, batch: 2, learning_rate: 0.001, save_every: 1, seed: 2}
corrector:
  {edits: 10, mix: {over: 2, editing: [1, 0.5]}, redraw: {pictures: 4, low: 0.3, high: 0.5, steps: 2}, rank: 2, all_streams: true, drop_text: 0.2, drop_image: 0.2, drop_reflection: 0.2,
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

func TestStagesMakeAModelThatGenerates(t *testing.T) {
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
	folder, err := flux1.OpenFolder(filepath.Join(out, "model"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(out, "model", flux1.AdapterConfigFile)); err != nil {
		t.Error(err)
	}
	if files, err := folder.VerifyChecksums(t.Context()); err != nil || files < 12 {
		t.Errorf("%d files have checksums: %v", files, err)
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
	generated, err := flux.NewPipeline(backend(t), model, flux.Options{}).Generate(t.Context(), []reflectionflow.Request{request})
	if err != nil || generated[0].Err != nil {
		t.Fatal(err, generated)
	}
}

func TestInterruptedStagesGiveTheSameModel(t *testing.T) {
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

// Settings out of range are refused before scenes are encoded.
func TestEditedValidate(t *testing.T) {
	out := t.TempDir()
	if err := trainStage(t, t.Context(), "autoencoder", out, nil); err != nil {
		t.Fatal(err)
	}
	for _, edited := range []Edited{{Scenes: 21, Share: 0.5}, {Scenes: -1}, {Scenes: 5, Share: 1}, {Scenes: 5, Share: math.NaN()}} {
		r := tiny(t)
		r.Base.Edited = edited
		err := Train(t.Context(), "base", r, StageOptions{Backend: backend(t), Out: out})
		if !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", edited, err)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "base", "scenes.safetensors")); err == nil {
		t.Error("scenes were encoded")
	}
}

func TestStagesNeedEarlierOnes(t *testing.T) {
	for _, stage := range []string{"base", "corrector", "flux-dev"} {
		if err := trainStage(t, t.Context(), stage, t.TempDir(), nil); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", stage, err)
		}
	}
}

func TestRecipeRefusesUnknownKeys(t *testing.T) {
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

func TestMixChangesWithOptimizerSteps(t *testing.T) {
	m := Mix{Over: 10, Editing: [2]float64{1, 0}, Rule: [2]float64{0, 1}, Length: [2]float64{5, 5}}
	rows, err := m.available(func(subset string) bool { return subset != subsetLength })
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range map[int]float64{0: 0, 5: 0.5, 10: 1, 1000: 1} {
		rng := rand.New(rand.NewPCG(1, 2))
		rule := 0.0
		const draws = 4000
		for range draws {
			switch m.choose(rows, step, rng) {
			case subsetRule:
				rule++
			case subsetEditing:
			default:
				t.Fatal("a subset without samples was chosen")
			}
		}
		if got := rule / draws; got < want-0.03 || got > want+0.03 {
			t.Errorf("step %d: %.3f from rule, want %.2f", step, got, want)
		}
	}
	all := func(string) bool { return true }
	for name, bad := range map[string]Mix{
		"nothing": {}, "ends at nothing": {Editing: [2]float64{1, 0}}, "negative": {Rule: [2]float64{-1, 1}}, "not a number": {Rule: [2]float64{math.NaN(), 1}},
	} {
		if _, err := bad.available(all); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.available(func(subset string) bool { return subset == subsetRule }); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a mix that starts at nothing of what there is: %v", err)
	}
}

// The corrector is measured by its corrections.
func TestCorrectorIsMeasuredByItsCorrections(t *testing.T) {
	r, err := ParseRecipe([]byte(tinyVerifiers))
	if err != nil {
		t.Fatal(err)
	}
	var measured map[string]float64
	opts := StageOptions{Backend: backend(t), Out: t.TempDir(), Notify: func(p Progress) { measured = p.Sampled }}
	for _, stage := range []string{"autoencoder", "base", "detector", "corrector"} {
		if err := Train(t.Context(), stage, r, opts); err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
	}
	for _, name := range []string{"validation_loss", "right", "flawed_right"} {
		if v, found := measured[name]; !found || math.IsNaN(v) {
			t.Errorf("%s is %v in %v", name, v, measured)
		}
	}
}

// The progress of work before the first step is reported per image.
func TestPreparingIsReported(t *testing.T) {
	r, out := tiny(t), t.TempDir()
	last := map[string][2]int{}
	opts := StageOptions{Backend: backend(t), Out: out, Preparing: func(what string, done, of int) {
		if done < last[what][0] && last[what][0] < last[what][1] {
			t.Errorf("%s: %d images after %v", what, done, last[what])
		}
		last[what] = [2]int{done, of}
	}}
	for _, c := range []struct{ stage, what string }{
		{"autoencoder", "encode images"}, {"base", "encode images"}, {"corrector", "redraw scenes"},
	} {
		clear(last)
		if err := Train(t.Context(), c.stage, r, opts); err != nil {
			t.Fatal(err)
		}
		if got := last[c.what]; got[0] == 0 || got[0] != got[1] {
			t.Errorf("%s: %s ended at %v", c.stage, c.what, got)
		}
	}
}

func TestInParallelStopsWithItsContext(t *testing.T) {
	var done atomic.Int64
	ignore, reports := func(int) {}, 0
	count := func(n int) {
		if reports++; n != reports {
			t.Errorf("reported %d done, then %d", reports-1, n)
		}
	}
	if err := inParallel(t.Context(), 100, count, func(int) error { done.Add(1); return nil }); err != nil || done.Load() != 100 || reports != 100 {
		t.Errorf("%d of 100 done, %d reports: %v", done.Load(), reports, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done.Store(0)
	err := inParallel(ctx, 1000, ignore, func(int) error {
		switch n := done.Add(1); {
		case n == 5:
			cancel()
		case n > 5: // started before the end: no other call may start
			<-ctx.Done()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || int(done.Load()) > 5+runtime.GOMAXPROCS(0) {
		t.Errorf("%d done after the end: %v", done.Load(), err)
	}
	broken := errors.New("broken")
	if err := inParallel(t.Context(), 3, ignore, func(i int) error { return map[int]error{1: broken}[i] }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}
