package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
