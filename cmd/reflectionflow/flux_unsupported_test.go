package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/flux/flux2"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// TestUnsupportedFlux2 refuses FLUX.2 [dev] and [klein] 9B-KV by name, as folders and as files.
func TestUnsupportedFlux2(t *testing.T) {
	folder := func(class string) string {
		dir := filepath.Join(t.TempDir(), "model")
		if err := os.CopyFS(dir, os.DirFS(fluxTwo)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "model_index.json")
		index, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(index), "Flux2KleinPipeline", class, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	file := func(name string, guidance bool) string {
		f, err := flux2.OpenFolder(fluxTwo)
		if err != nil {
			t.Fatal(err)
		}
		f.Transformer.GuidanceEmbeds = guidance
		store, dir, transformer := nn.NewStore(), t.TempDir(), f.Components()[:1]
		randomise(t, store, transformer)
		if err := transformer[0].Save(store, dir, safetensors.BF16); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.Rename(filepath.Join(dir, flux2.TransformerPrefix, flux.DiffusersStem+".safetensors"), path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const dev, kv = "FLUX.2 [dev] needs the text encoder Mistral Small 3, which this program does not read: use FLUX.2 [klein] 4B or 9B", "FLUX.2 [klein] 9B-KV is trained to keep"
	for name, c := range map[string]struct{ path, want string }{
		"dev":           {folder("Flux2Pipeline"), dev},
		"9B-KV":         {folder("Flux2KleinKVPipeline"), kv},
		"file of dev":   {file("model.safetensors", true), dev},
		"file of 9B-KV": {file("flux-2-klein-9b-kv-fp8.safetensors", false), kv},
	} {
		for _, args := range [][]string{generateTiny(c.path), {"models", "check", c.path}} {
			t.Run(name+" "+args[0], func(t *testing.T) {
				out, err := embedded(t.TempDir(), args...).CombinedOutput()
				lines := strings.Split(strings.TrimSpace(string(out)), "\n")
				if last := lines[len(lines)-1]; exitOf(t, err) != exitInvalid || !strings.HasPrefix(last, "reflectionflow: ") || !strings.Contains(last, c.want) || args[0] == "generate" && len(lines) > 1 {
					t.Errorf("%v, want one line with %q:\n%s", err, c.want, out)
				}
			})
		}
	}
}
