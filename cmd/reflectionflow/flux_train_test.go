package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/genref"
)

// tinySet writes a GenRef set of two triplets of 64×64 pixels.
func tinySet(t *testing.T) string {
	t.Helper()
	dir, shard := t.TempDir(), &bytes.Buffer{}
	w := tar.NewWriter(shard)
	for i, c := range []color.Color{color.White, color.RGBA{G: 200, A: 255}} {
		m := image.NewRGBA(image.Rect(0, 0, 64, 64))
		flawed, err := genref.EncodeImage(m)
		draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
		enhanced, err2 := genref.EncodeImage(m)
		for _, member := range []struct {
			name string
			data []byte
		}{
			{"bad_image.jpg", flawed},
			{"good_image.jpg", enhanced},
			{"prompt.txt", []byte("a photo of two clocks")},
			{"reflection.txt", []byte("Add a clock.")},
			{"subset.txt", []byte("rule")},
		} {
			header := &tar.Header{Name: fmt.Sprintf("%06d.%s", i, member.name), Mode: 0o644, Size: int64(len(member.data))}
			err = errors.Join(err, err2, w.WriteHeader(header))
			if _, failed := w.Write(member.data); errors.Join(err, failed) != nil {
				t.Fatal(err, failed)
			}
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(dir, genref.ShardName(0)), shard.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tinyTraining writes a recipe of a corrector on a model.
func tinyTraining(t *testing.T, model, triplets string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recipe.yaml")
	text := fmt.Sprintf("corrector: {model: %q, triplets: %q, size: 64, rank: 2, train: {steps: 4, batch: 1, learning_rate: 0.05, seed: 1}}\n", model, triplets)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A LoRA that is trained on a model changes its images: FLUX.2's as a LoRA, and FLUX.1's
// as a corrector.
func TestFluxCorrectorsAreTrained(t *testing.T) {
	two, err := filepath.Abs(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	set := tinySet(t)
	for name, c := range map[string]struct{ model, key string }{
		"flux1": {tinyModel(t, "flux1"), "corrector: %q"}, "flux2": {two, "loras: [{path: %q}]"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, recipe := t.TempDir(), tinyTraining(t, c.model, set)
			out, err := embedded(dir, "train", "corrector", "--config", recipe, "--out", "tuned", "--dry-run").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "single block: forward") {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err := embedded(dir, "train", "corrector", "--config", recipe, "--out", "tuned").CombinedOutput(); err != nil || !strings.Contains(string(out), "stay in the files") {
				t.Fatalf("%v\n%s", err, out)
			}
			file := filepath.Join(dir, "tuned", "model", "pytorch_lora_weights.safetensors")
			config := filepath.Join(dir, "tuned.yaml")
			text := fmt.Sprintf("generators: {tiny: {type: flux, model: %q, "+c.key+"}}\nuse: {generator: tiny}\n", c.model, file)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			args := generateConfigured(config)
			if name == "flux1" { // it acts on corrections only
				args = append(args, "--strategy", "reflection", "--budget", "2", "--size", "64x64")
			}
			if out, err := embedded(dir, args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if name == "flux2" && readFile(t, filepath.Join(dir, "run", "best.png")) == readFile(t, filepath.Join("testdata", "tiny", "flux2.png")) {
				t.Error("the LoRA changes nothing")
			}
		})
	}
}

// What cannot be trained is refused in one line.
func TestFluxCorrectorsRefused(t *testing.T) {
	set := tinySet(t)
	broken := tinyCopy(t, "flux1")
	if err := os.Remove(filepath.Join(broken, "transformer", "diffusion_pytorch_model.safetensors")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stage, model, triplets, want string
	}{
		"missing":       {"corrector", "nowhere", set, "no model nowhere"},
		"no model":      {"corrector", set, set, ""},
		"no weights":    {"corrector", broken, set, "transformer"},
		"no triplets":   {"corrector", tinyModel(t, "flux1"), t.TempDir(), "no GenRef shards"},
		"another stage": {"base", tinyModel(t, "flux1"), set, "the recipe is for the stage corrector"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := embedded(t.TempDir(), "train", c.stage, "--config", tinyTraining(t, c.model, c.triplets), "--out", "tuned", "--quiet").CombinedOutput()
			if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), c.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
