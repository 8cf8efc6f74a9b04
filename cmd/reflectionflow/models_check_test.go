package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/internal/assemble"
	clipartmodel "reflectionflow/models/clipart"
)

// A folder whose tensors have other names loads, but cannot generate: the check must find it.
func TestModelsCheckFindsWeightsThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, clipartmodel.Files); err != nil {
		t.Fatal(err)
	}
	if out, err := embedded(dir, "models", "check", dir).CombinedOutput(); err != nil || !strings.Contains(string(out), "  ok  ") {
		t.Fatalf("%v\n%s", err, out)
	}
	path := filepath.Join(dir, "transformer", "diffusion_pytorch_model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(data, []byte(`"x_embedder.bias"`), []byte(`"X_embedder.bias"`), 1)
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := embedded(dir, "models", "check", dir).CombinedOutput()
	for _, want := range []string{`transformer: tensor "x_embedder.bias" is missing`, `transformer: tensor "X_embedder.bias" is unexpected`, "the weights do not fit the model"} {
		if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q in\n%s", err, want, out)
		}
	}
}

// clipartFolder returns a copy of the embedded model as a folder without checksums.
func clipartFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, clipartmodel.Files); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, flux.ChecksumsFile)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Files of a variant that pass the check generate as well.
func TestModelFolderOfVariantFilesGenerates(t *testing.T) {
	dir := clipartFolder(t)
	for _, part := range []string{"transformer", "vae", "text_encoder", "text_encoder_2", "detector", "verifier", "judge"} {
		files, err := filepath.Glob(filepath.Join(dir, part, "*.safetensors"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %q, %v", part, files, err)
		}
		if err := os.Rename(files[0], strings.TrimSuffix(files[0], ".safetensors")+".fp16.safetensors"); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"models", "check", dir},
		{"generate", "a clock", "--model", dir, "--budget", "1", "--steps", "1", "--out", filepath.Join(dir, "run")},
	} {
		if out, err := embedded(dir, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
	}
}

// The reward network is optional: generate works without it.
func TestModelsCheckNamesTheMissingRewardNetwork(t *testing.T) {
	dir := clipartFolder(t)
	if err := os.RemoveAll(filepath.Join(dir, "verifier")); err != nil {
		t.Fatal(err)
	}
	out, err := embedded(dir, "models", "check", dir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "corrects images, no reward network (folder verifier), no checksums") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The check finds whatever would stop generate or evaluate.
func TestModelsCheckFindsWhatStopsTheClipartModel(t *testing.T) {
	rename := func(path, tensor string) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, path)
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			other := bytes.Replace(data, []byte(`"`+tensor+`"`), []byte(`"X`+tensor[1:]+`"`), 1)
			if bytes.Equal(data, other) {
				return errors.New(path + " has no " + tensor)
			}
			return os.WriteFile(path, other, 0o600)
		}
	}
	remove := func(name string) func(dir string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
	}
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string
	}{
		"detector":    {rename("detector/model.safetensors", "head.bias"), "head.bias"},
		"judge":       {rename("judge/model.safetensors", "head.bias"), "judge, which evaluate needs: load detector: "},
		"verifier":    {rename("verifier/model.safetensors", "words.weight"), "words.weight"},
		"no detector": {remove("detector"), "detector/config.json is missing"},
		"no judge":    {remove("judge"), "judge/config.json is missing"},
		"no LoRA":     {remove(flux1.CorrectorFile), flux1.CorrectorFile + " is missing"},
		"policy": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, assemble.PolicyFile), []byte("junk"), 0o600)
		}, "policy.json: "},
		"settings": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, flux1.SettingsFile), []byte("junk"), 0o600)
		}, flux1.SettingsFile},
	} {
		dir := clipartFolder(t)
		if err := c.damage(dir); err != nil {
			t.Fatal(err)
		}
		out, err := embedded(dir, "models", "check", dir).CombinedOutput()
		if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v, want one line with %q:\n%s", name, err, c.want, out)
		}
	}
}
