package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tinyModel is the path of a model of testdata/tiny, which diffusers wrote with random
// weights.
func tinyModel(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "tiny", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyCopy is a copy of a model of testdata/tiny, to damage.
func tinyCopy(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(tinyModel(t, name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// generateTiny are the arguments of the image that testdata/tiny/make_tiny_models.py has
// of diffusers.
func generateTiny(model string, more ...string) []string {
	return append([]string{
		"generate", "a photo of two clocks and a red cup", "--model", model, "--size", "64x48", "--any-size",
		"--steps", "3", "--seed", "5", "--strategy", "noise", "--budget", "1", "--out", "run",
	}, more...)
}

// sameImage demands that no pixel differs by more than 1.
func sameImage(t *testing.T, got, want string) {
	t.Helper()
	a, b := decodeImage(t, got), decodeImage(t, want)
	if a.Bounds() != b.Bounds() {
		t.Fatalf("%s is %v, want %v", got, a.Bounds(), b.Bounds())
	}
	worst := 0.0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range [][2]uint32{{r, r2}, {g, g2}, {b1, b2}} {
				worst = max(worst, math.Abs(float64(d[0]>>8)-float64(d[1]>>8)))
			}
		}
	}
	if worst > 1 {
		t.Errorf("%s differs from %s by %v", got, want, worst)
	}
}

func decodeImage(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// A folder that diffusers wrote generates what diffusers generates, by its path, by its
// name in a folder of models, and by its repository in the cache of Hugging Face.
func TestFluxFolderGeneratesWhatDiffusersDoes(t *testing.T) {
	home := t.TempDir()
	hub := filepath.Join(home, "hub")
	for _, path := range []string{"hub/models--tiny--flux1/refs", "hub/models--tiny--flux1/snapshots/1234", "hub/models--tiny--flux1/snapshots/0000", "models"} {
		if err := os.MkdirAll(filepath.Join(home, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(hub, "models--tiny--flux1/refs/main"), []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(hub, "models--tiny--flux1/snapshots/1234"), os.DirFS(tinyModel(t, "flux1"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(tinyModel(t, "flux1"), filepath.Join(home, "models", "small")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HF_HUB_CACHE", hub)
	t.Setenv("REFLECTIONFLOW_MODELS", filepath.Join(home, "models"))
	renamed := tinyCopy(t, "flux1") // as transformers 5 names plain tokenizers
	index := filepath.Join(renamed, "model_index.json")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, bytes.Replace(data, []byte(`"T5Tokenizer"`), []byte(`"TokenizersBackend"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{tinyModel(t, "flux1"), "tiny/flux1", "small", renamed} {
		dir := t.TempDir()
		if out, err := embedded(dir, generateTiny(model)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", model, err, out)
		}
		sameImage(t, filepath.Join(dir, "run", "best.png"), filepath.Join("testdata", "tiny", "flux1.png"))
	}
}

// fluxTwo is the folder of a tiny FLUX.2 that diffusers wrote.
const fluxTwo = "../../flux/flux2/testdata/tiny"

// A folder of FLUX.2 generates what diffusers generates, corrects with the defaults for
// photographs, and refuses references that it cannot use before a run begins.
func TestFlux2FolderGeneratesWhatDiffusersDoes(t *testing.T) {
	model, err := filepath.Abs(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := embedded(dir, generateTiny(model)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameImage(t, filepath.Join(dir, "run", "best.png"), filepath.Join("testdata", "tiny", "flux2.png"))
	reflection := []string{"--strategy", "reflection", "--budget", "4", "--early-stop=false", "--out", "again"}
	if out, err := embedded(dir, generateTiny(model, append(reflection, "--size", "64")...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	candidates, err := os.ReadFile(filepath.Join(dir, "again", "candidates.jsonl"))
	if err != nil || !strings.Contains(string(candidates), `"action":"reflect"`) {
		t.Errorf("%v: no image was corrected:\n%s", err, candidates)
	}
	out, err := embedded(dir, generateTiny(model, append(reflection, "--out", "small")...)...).CombinedOutput()
	if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), "the reference image is 64×48 pixels: its sides must be at least 64") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "small")); err == nil {
		t.Error("a run folder was left behind")
	}
}

// A run resumes with the weights that it started with, and with no others.
func TestFluxRunChecksItsWeights(t *testing.T) {
	dir, model := t.TempDir(), tinyCopy(t, "flux1")
	if out, err := embedded(dir, generateTiny(model)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(dir, "run", "result.json")); err != nil {
		t.Fatal(err)
	}
	if out, err := embedded(dir, "generate", "--resume", "run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	path := filepath.Join(model, "vae", "diffusion_pytorch_model.safetensors")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"generate", "--resume", "run"}, {"generate", "--replay", "run/run.json", "--out", "again"}} {
		out, err := embedded(dir, args...).CombinedOutput()
		if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), "the weights of "+model+" are not those that the run started with") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v\n%s", args[1], err, out)
		}
	}
}

// What cannot generate is refused in one line before anything is generated.
func TestFluxModelsThatCannotGenerate(t *testing.T) {
	write := func(name, text string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	none := func(string) error { return nil }
	for name, c := range map[string]struct {
		change func(dir string) error
		args   []string
		want   string
	}{
		"no such folder":   {none, []string{"--model", "./nowhere"}, "there is no such file or folder"},
		"no such model":    {none, []string{"--model", "org/nothing"}, "no model org/nothing"},
		"another pipeline": {write("model_index.json", `{"_class_name": "StableDiffusionPipeline"}`), nil, "StableDiffusionPipeline"},
		"damaged index":    {write("model_index.json", "junk"), nil, "--model: model_index.json is no JSON object"},
		"cut short": {func(dir string) error {
			return os.Truncate(filepath.Join(dir, "vae", "diffusion_pytorch_model.safetensors"), 30000)
		}, nil, "vae: "},
		"wrong tokenizer": {func(dir string) error {
			return os.Rename(filepath.Join(dir, "tokenizer"), filepath.Join(dir, "tokenizer_2", "x"))
		}, nil, "tokenizer"},
		"an encoder of another": {func(dir string) error {
			return copyFile(filepath.Join(dir, "text_encoder", "model.safetensors"), filepath.Join(dir, "text_encoder_2", "model.safetensors"))
		}, nil, "text_encoder_2: "},
		"a pointer":     {write("vae/diffusion_pytorch_model.safetensors", "version https://git-lfs.github.com/spec/v1"), nil, "vae: load weights: diffusion_pytorch_model.safetensors: it is a git-lfs pointer"},
		"a web page":    {write("transformer/diffusion_pytorch_model.safetensors", "<!doctype html>"), nil, "transformer: load weights: diffusion_pytorch_model.safetensors: it is a web page"},
		"a huge header": {write("transformer/diffusion_pytorch_model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x0f{}"), nil, "transformer: load weights: diffusion_pytorch_model.safetensors: "},
		"T5's tokenizer as CLIP's": {func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, "tokenizer")), os.CopyFS(filepath.Join(dir, "tokenizer"), os.DirFS(filepath.Join(dir, "tokenizer_2"))))
		}, nil, "tokenizer has 33 tokens, its encoder's vocabulary has 517: it belongs to another encoder"},
		"FLUX.2's autoencoder": {func(dir string) error {
			return copyFile(filepath.Join(fluxTwo, "vae", "config.json"), filepath.Join(dir, "vae", "config.json"))
		}, nil, `vae/config.json, of the class "AutoencoderKLFlux2", has no "scaling_factor"`},
		"FLUX.2's transformer": {func(dir string) error {
			return copyFile(filepath.Join(fluxTwo, "transformer", "config.json"), filepath.Join(dir, "transformer", "config.json"))
		}, nil, `transformer/config.json, of the class "Flux2Transformer2DModel", has no "pooled_projection_dim"`},
		"a hostile index":       {write("model_index.json", `{"_class_name": "Flux2KleinPipeline", "transformer": [1]}`), nil, "model_index.json lists no scheduler"},
		"corrections":           {none, []string{"--strategy", "reflection", "--budget", "8"}, "this model cannot correct images: name the LoRA of a corrector"},
		"size":                  {none, []string{"--size", "1000x500"}, "sides must be multiples of 16 from 16 to 4096: the nearest is 1008x496"},
		"unusual size":          {none, []string{"--size", "96", "--any-size=false"}, "the model was made for sides of 256 to 2048 pixels"},
		"files without a model": {none, []string{"--model", "", "--vae", "vae.safetensors"}, "--vae needs --model"},
		"memory":                {none, []string{"--memory", "plenty"}, `--memory: invalid input: memory "plenty"`},
		"too little memory":     {none, []string{"--memory", "1MB", "--size", "512"}, "--memory: an image of 512×512 pixels takes "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HF_HUB_CACHE", t.TempDir())
			dir, model := t.TempDir(), tinyCopy(t, "flux1")
			if err := c.change(model); err != nil {
				t.Fatal(err)
			}
			out, err := embedded(dir, generateTiny(model, c.args...)...).CombinedOutput()
			text := strings.ReplaceAll(string(out), "invalid input: ", "")
			if exitOf(t, err) != exitInvalid || !strings.Contains(text, strings.ReplaceAll(c.want, "invalid input: ", "")) || strings.Count(text, "\n") != 1 {
				t.Errorf("%v, want one line with %q:\n%s", err, c.want, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
				t.Error("a run folder was left behind")
			}
		})
	}
}

// A bound that a correction exceeds is refused before the first image, with the bound that
// suffices.
func TestFluxMemoryIsBounded(t *testing.T) {
	model, err := filepath.Abs(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	generate := func(bound string) (string, error) {
		out, err := embedded(dir, generateTiny(model, "--strategy", "reflection", "--budget", "2", "--size", "256", "--steps", "1", "--early-stop=false", "--memory", bound)...).CombinedOutput()
		return string(out), err
	}
	out, err := generate("1MB")
	_, needed, ok := strings.Cut(out, "raise the bound to ")
	needed = strings.TrimSpace(needed)
	if exitOf(t, err) != exitInvalid || !ok || !strings.Contains(out, "--memory: a correction of 256×256 pixels takes ") || strings.Count(out, "\n") != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	megabytes, err := strconv.Atoi(strings.TrimSuffix(needed, "MB"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err = generate(fmt.Sprintf("%dMB", megabytes-1)); exitOf(t, err) != exitInvalid || !strings.Contains(out, needed) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
		t.Error("a run folder was left behind")
	}
	if out, err = generate(needed); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if candidates, err := os.ReadFile(filepath.Join(dir, "run", "candidates.jsonl")); err != nil || !strings.Contains(string(candidates), `"action":"reflect"`) {
		t.Errorf("%v: no image was corrected:\n%s", err, candidates)
	}
}

// So does a worker, before it looks for tasks; of a model that cannot correct, an image is what must fit.
func TestWorkerMemoryIsBounded(t *testing.T) {
	for name, want := range map[string]string{fluxTwo: "a correction of 1024×1024", tinyModel(t, "flux1"): "an image of 1024×1024"} {
		model, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		for bound, code := range map[string]int{"1MB": exitInvalid, "4GB": exitFailure} { // there is no server
			out, err := embedded(t.TempDir(), "worker", "--nats", "nats://127.0.0.1:1", "--model", model, "--memory", bound).CombinedOutput()
			if exitOf(t, err) != code || strings.Count(string(out), "\n") != 1 {
				t.Errorf("%s, %s: %v\n%s", name, bound, err, out)
			}
			if refusal := "--memory: " + want; code == exitInvalid && (!strings.Contains(string(out), refusal) || !strings.Contains(string(out), "raise the bound to ")) {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
}

// A model that cannot correct starts from the noised image where the configuration says
// so, and FLUX.2 edits.
func TestFluxCorrections(t *testing.T) {
	for name, generator := range map[string]string{
		"img2img": "{type: flux, model: " + tinyModel(t, "flux1") + ", img2img: 0.6}",
		"FLUX.2":  "{type: flux, model: " + fluxTwo + "}",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if name == "FLUX.2" {
				path, err := filepath.Abs(fluxTwo)
				if err != nil {
					t.Fatal(err)
				}
				generator = strings.Replace(generator, fluxTwo, path, 1)
			}
			text := "generators: {mine: " + generator + "}\nuse: {parser: embedded, verifier: embedded, reflector: embedded}\nsearch: {strategy: reflection, budget: 2, width: 1, steps: 2, size: 64, any_size: true, early_stop: false, axes: [reflection]}\n"
			if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := embedded(dir, "generate", "a clock and a cup", "--config", "c.yaml", "--out", "run").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			candidates, err := os.ReadFile(filepath.Join(dir, "run", "candidates.jsonl"))
			if err != nil || !strings.Contains(string(candidates), `"action":"reflect"`) {
				t.Errorf("%v: no image was corrected:\n%s", err, candidates)
			}
		})
	}
}

// config check loads the weights of a generator of type flux.
func TestConfigCheckOfFlux(t *testing.T) {
	dir, model := t.TempDir(), tinyCopy(t, "flux1")
	text := "generators: {mine: {type: flux, model: " + model + ", size: 256, steps: 2}}\nuse: {verifier: embedded, reflector: embedded, refiner: embedded, parser: embedded}\nsearch: {strategy: noise}\n"
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := embedded(dir, "config", "check", "c.yaml").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "FLUX.1 with guidance (as dev and Krea), seeds, no corrections") {
		t.Errorf("%v\n%s", err, out)
	}
	index := filepath.Join(model, "model_index.json")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, bytes.Replace(data, []byte(`"FluxPipeline"`), []byte(`"FluxKontextPipeline"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = embedded(dir, "config", "check", "c.yaml").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "FLUX.1 Kontext, seeds, corrections") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(model, "text_encoder_2", "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	out, err = embedded(dir, "config", "check", "c.yaml").CombinedOutput()
	if exitOf(t, err) != exitFailure || !strings.Contains(string(out), "generator mine") || !strings.Contains(string(out), "text_encoder_2: ") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A weight that is NaN is found before it is used.
func TestFluxWeightsThatAreNaN(t *testing.T) {
	dir, model := t.TempDir(), tinyCopy(t, "flux1")
	if err := poison(filepath.Join(model, "transformer", "diffusion_pytorch_model.safetensors")); err != nil {
		t.Fatal(err)
	}
	out, err := embedded(dir, generateTiny(model)...).CombinedOutput()
	if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), "holds a value that is not finite") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); err == nil || strings.Contains(string(out), "resume") {
		t.Errorf("a run that cannot be resumed is left: %s", out)
	}
}

// poison makes all bits of the last weights of a file ones: NaN in bfloat16.
func poison(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := range 64 {
		data[len(data)-1-i] = 0xff
	}
	return os.WriteFile(path, data, 0o600)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// The check of a folder says what it is and what an image costs, or what is wrong.
func TestModelsCheckOfFluxFolder(t *testing.T) {
	dir := tinyCopy(t, "flux1")
	out, err := embedded(t.TempDir(), "models", "check", dir, "--size", "64x48").CombinedOutput()
	for _, want := range []string{
		dir + "  ok  130587 parameters, cannot correct images, no checksums\n", "  model    FLUX.1 with guidance (as dev and Krea)\n",
		"  weights  262 kB in BF16, mapped from the files\n", " beside the weights, for 64×48 pixels\n", " per step, and 50 steps by default (",
	} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q in\n%s", err, want, out)
		}
	}
	if out, err := embedded(t.TempDir(), "models", "check", dir, "--size", "70").CombinedOutput(); exitOf(t, err) != exitInvalid || !strings.Contains(string(out), "the nearest is 64x64") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(dir, "vae", "diffusion_pytorch_model.safetensors")); err != nil {
		t.Fatal(err)
	}
	if out, err := embedded(t.TempDir(), "models", "check", dir).CombinedOutput(); exitOf(t, err) != exitInvalid || !strings.Contains(string(out), "vae: ") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}
