package assemble_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
	"reflectionflow/weights/safetensors"
)

// write writes files below a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// What is found is described in one line each, and what cannot be read says why.
func TestLibraryListsModels(t *testing.T) {
	card := "---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n# FLUX\n"
	folder := write(t, map[string]string{
		"dev/model_index.json":            `{"_class_name": "FluxPipeline"}`,
		"dev/transformer/config.json":     `{"guidance_embeds": true}`,
		"dev/README.md":                   card,
		"dev/flux1-dev.safetensors":       strings.Repeat("x", 4000), // of no component
		"dev/vae/a.safetensors":           strings.Repeat("x", 2000),
		"sdxl/model_index.json":           `{"_class_name": "StableDiffusionXLPipeline"}`,
		"damaged/model_index.json":        "[",
		"deep/er/too/far/x.safetensors":   "",
		"page.safetensors":                "<!doctype html>",
		"notes.txt":                       "none of ours",
		".hidden/vae.safetensors":         "",
		"pointer.gguf":                    "version https://git-lfs.github.com/spec/v1",
		"text_encoders/empty.safetensors": "",
	})
	vae := filepath.Join(folder, "vae", "ae.safetensors")
	if err := os.MkdirAll(filepath.Dir(vae), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(vae, []safetensors.Tensor{{Name: "decoder.conv_in.weight", Shape: []int{4, 16, 1, 1}, DType: safetensors.BF16, Values: make([]float32, 64)}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(folder, "broken.safetensors")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(folder, "loop")); err != nil {
		t.Fatal(err)
	}
	cache := write(t, map[string]string{
		"models--org--whole/refs/main":                              "abc\n",
		"models--org--whole/snapshots/abc/model_index.json":         `{"_class_name": "FluxPipeline"}`,
		"models--org--whole/snapshots/old/model_index.json":         "[",
		"models--org--llm/snapshots/1/model.safetensors":            "junk",
		"models--org--hostile/refs/main":                            "../../..",
		"models--org--hostile/snapshots/1/model_index.json":         `{"_class_name": "FluxPipeline"}`,
		"models--org--partial/refs/main":                            "abc",
		"datasets--org--pictures/snapshots/1/model_index.json":      "",
		"models--org--one--more/snapshots/1/unet/x.safetensors.tmp": "",
	})
	library := assemble.Library{Folders: []string{folder, filepath.Join(folder, "missing")}, Caches: []string{cache, filepath.Join(cache, "missing")}}
	got := map[string]string{}
	for _, f := range library.List() {
		if f.Err != nil {
			f.What = "error: " + f.Err.Error()
		}
		if strings.HasPrefix(f.Name, "loop/") {
			continue // as often as it is deep
		}
		got[f.Name] = strings.Join([]string{f.What, f.License}, "|")
		if f.Name == "dev" && f.Bytes != 2000+25+31 {
			t.Errorf("dev has %d bytes", f.Bytes)
		}
	}
	for name, want := range map[string]string{
		"dev":                             "FLUX.1 with guidance (as dev and Krea)|flux-1-dev-non-commercial-license",
		"sdxl":                            "StableDiffusionXLPipeline, which this program does not run|",
		"damaged":                         "error: model_index.json is no JSON object|",
		"page.safetensors":                "error: it is a web page",
		"pointer.gguf":                    "error: it is a git-lfs pointer",
		"text_encoders/empty.safetensors": "error: the file is empty",
		"broken.safetensors":              "error: cannot be read: no such file or directory|",
		"vae/ae.safetensors":              "safetensors: autoencoder 16 channels, as FLUX.1's, BF16|",
		"org/whole":                       "FLUX.1 without guidance (as schnell)|",
		"org/hostile":                     "FLUX.1 without guidance (as schnell)|",
		"org/llm/model.safetensors":       "error: ",
		"org/partial":                     "error: the download is incomplete|",
	} {
		if text, ok := got[name]; !ok || !strings.HasPrefix(text, want) {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
		delete(got, name)
	}
	for name, text := range got {
		t.Errorf("it lists %s as well: %s", name, text)
	}
	for name, want := range map[string]string{
		"dev": filepath.Join(folder, "dev"), "org/whole": filepath.Join(cache, "models--org--whole/snapshots/abc"),
		"org/llm/model.safetensors": filepath.Join(cache, "models--org--llm/snapshots/1/model.safetensors"), folder: folder,
	} {
		if path, err := library.Find(name); err != nil || path != want {
			t.Errorf("%s is %s (%v), want %s", name, path, err, want)
		}
	}
	for _, name := range []string{"nothing", "org/nothing", "org/whole/../../x", "./x", ".."} {
		if path, err := library.Find(name); name != ".." && err == nil {
			t.Errorf("%s is %s", name, path)
		}
	}
}
