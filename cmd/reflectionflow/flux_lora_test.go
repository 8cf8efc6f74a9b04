package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
)

// tinyConfig writes a configuration of one FLUX model with LoRAs, each a path and a
// weight.
func tinyConfig(t *testing.T, model, loras string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flux.yaml")
	text := fmt.Sprintf("generators: {tiny: {type: flux, model: %q, loras: [%s]}}\nuse: {generator: tiny}\n", model, loras)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyLoRA names a file of testdata/tiny/loras in a configuration.
func tinyLoRA(t *testing.T, name, weight string) string {
	t.Helper()
	return fmt.Sprintf("{path: %q, weight: %s}", tinyModel(t, "loras/"+name+".safetensors"), weight)
}

// generateConfigured are the arguments of [generateTiny] with a configuration.
func generateConfigured(config string, more ...string) []string {
	args := generateTiny("", more...)
	for i, arg := range args {
		if arg == "--model" {
			args[i], args[i+1] = "--config", config
		}
	}
	return args
}

// LoRAs of several conventions at once, with their weights, generate what diffusers
// generates with them.
func TestFluxLoRAsGenerateWhatDiffusersDoes(t *testing.T) {
	two, err := filepath.Abs(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ model, loras string }{
		"flux1": {tinyModel(t, "flux1"), tinyLoRA(t, "flux1-style", "0.8") + ", " + tinyLoRA(t, "flux1-kohya", "-0.5")},
		"flux2": {two, tinyLoRA(t, "flux2-style", "1.5")},
	} {
		dir := t.TempDir()
		if out, err := embedded(dir, generateConfigured(tinyConfig(t, c.model, c.loras))...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		sameImage(t, filepath.Join(dir, "run", "best.png"), filepath.Join("testdata", "tiny", "loras", name+".png"))
		plain := filepath.Join("testdata", "tiny", name+".png")
		if a, b := readFile(t, plain), readFile(t, filepath.Join("testdata", "tiny", "loras", name+".png")); a == b {
			t.Errorf("%s: the LoRAs change nothing", name)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A LoRA that cannot be applied is refused in one line.
func TestFluxLoRAsThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct{ loras, want string }{
		"another model": {tinyLoRA(t, "flux2-style", "1"), "flux2-style.safetensors: 2 of its 8 tensors belong to no layer of this model, the LoRA is for FLUX.2: "},
		"missing":       {`{path: nothing.safetensors}`, "nothing.safetensors"},
		"no LoRA":       {fmt.Sprintf("{path: %q}", tinyModel(t, "flux1/vae/diffusion_pytorch_model.safetensors")), "the file is no LoRA for this model"},
		"weight":        {tinyLoRA(t, "flux1-style", "1000"), "the weight of the LoRA is 1000, must be from -100 to 100"},
	} {
		dir := t.TempDir()
		out, err := embedded(dir, generateConfigured(tinyConfig(t, tinyModel(t, "flux1"), c.loras))...).CombinedOutput()
		if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v, want one line with %q:\n%s", name, err, c.want, out)
		}
	}
}

// The configurations of the guide are valid. Their models cannot be had here.
func TestLoRAGuide(t *testing.T) {
	const page = "../../docs/guides/loras.md"
	found := regexp.MustCompile(`(?m)^    generators:\n(?:(?:    .*)?\n)+`).FindAllString(readFile(t, page), -1)
	if len(found) != 2 {
		t.Fatalf("%d configurations on the page", len(found))
	}
	for _, text := range found {
		if _, err := assemble.ParseConfig(page, []byte(strings.ReplaceAll("\n"+text, "\n    ", "\n")), "/"); err != nil {
			t.Error(err)
		}
	}
}

// What would drop settings of the configuration in silence is refused, before a folder is
// made.
func TestFluxSettingsThatWouldBeLost(t *testing.T) {
	model, err := filepath.Abs(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config string
		more   []string
		says   string
	}{
		"model beside a generator": {"", []string{"--model", model}, "--model and --config with the generator"},
		"img2img of an editor":     {"img2img: 0.5", nil, "img2img has no effect"},
	} {
		t.Chdir(t.TempDir())
		config := fmt.Sprintf("generators: {mine: {type: flux, model: %q, size: 64, %s}}\n", model, test.config)
		if err := os.WriteFile("c.yaml", []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, said := here(t, append([]string{"generate", "two dogs", "--config", "c.yaml", "--out", "run"}, test.more...)...)
		if _, err := os.Stat("run"); code != 2 || err == nil || !strings.Contains(said, test.says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", name, code, said)
		}
	}
}
