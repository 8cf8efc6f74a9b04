package flux1

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/weights/safetensors"
)

// A bit that flips in a finite number leaves a model that loads: only the sums show it.
func TestChecksumsFindAFlippedBit(t *testing.T) {
	dir := writeTinyFolder(t, tinyFolder(), safetensors.BF16)
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("a card"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := folder.VerifyChecksums(t.Context()); n != 0 || err != nil {
		t.Errorf("without a list: %d files, %v", n, err)
	}
	if err := flux.WriteChecksums(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if n, err := folder.VerifyChecksums(t.Context()); n != 10 || err != nil {
		t.Errorf("%d files, %v, want 10", n, err)
	}
	if program, err := exec.LookPath("sha256sum"); err == nil {
		check := exec.Command(program, "--check", "--strict", "--quiet", flux.ChecksumsFile)
		check.Dir = dir
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v: %s", err, out)
		}
	}
	const damaged = "vae/diffusion_pytorch_model.safetensors"
	data, err := os.ReadFile(filepath.Join(dir, damaged))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(filepath.Join(dir, damaged), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("another card"), 0o600); err != nil {
		t.Fatal(err)
	}
	loadStore(t, dir) // it passes all other checks
	_, err = folder.VerifyChecksums(t.Context())
	wantInvalid(t, err, "1 of 10 files differ from SHA256SUMS: "+damaged+" has changed")
	if err := os.Remove(filepath.Join(dir, "model_index.json")); err != nil {
		t.Fatal(err)
	}
	_, err = folder.VerifyChecksums(t.Context())
	wantInvalid(t, err, "2 of 10 files differ from SHA256SUMS: model_index.json is missing")
}

func TestChecksumsNameAnUnlistedFile(t *testing.T) {
	dir := writeTinyFolder(t, tinyFolder(), safetensors.BF16)
	if err := flux.WriteChecksums(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, flux.ChecksumsFile)
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "  vae/config.json\n") {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(list, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = flux.VerifyChecksums(t.Context(), os.DirFS(dir))
	wantInvalid(t, err, "1 of 10 files differ from SHA256SUMS: vae/config.json is not listed")
}
