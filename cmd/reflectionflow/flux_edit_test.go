package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/weights/safetensors"
)

// kontextCopy is the tiny FLUX.1 as a folder of Kontext.
func kontextCopy(t *testing.T) string {
	t.Helper()
	dir := tinyCopy(t, "flux1")
	index := filepath.Join(dir, "model_index.json")
	check(t, os.WriteFile(index, []byte(strings.Replace(read(t, index), `"FluxPipeline"`, `"FluxKontextPipeline"`, 1)), 0o600))
	return dir
}

// correctOnce generates an image and corrects it with a generator of a configuration, in
// the folder "run" of the one returned. It is the search of make_tiny_edits.py.
func correctOnce(t *testing.T, generator string) (dir, said string, code int) {
	t.Helper()
	dir = t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "c.yaml"), []byte("generators: {mine: "+generator+`}
use: {parser: embedded, verifier: embedded, reflector: embedded}
search: {strategy: reflection, budget: 2, width: 1, steps: 2, size: 64, any_size: true, early_stop: false, axes: [reflection], seed: 5}
`), 0o600))
	out, err := embedded(dir, "generate", "a clock and a cup", "--config", "c.yaml", "--out", "run", "--quiet").CombinedOutput()
	if err != nil {
		code = exitOf(t, err)
	}
	return dir, string(out), code
}

// Models that edit correct an image as diffusers edits it by the same instruction.
func TestFluxEditsEqualDiffusers(t *testing.T) {
	two, err := filepath.Abs(fluxTwo)
	check(t, err)
	for name, model := range map[string]string{"kontext": kontextCopy(t), "klein": two} {
		dir, said, code := correctOnce(t, fmt.Sprintf("{type: flux, model: %q}", model))
		if code != 0 {
			t.Fatalf("%s: %s", name, said)
		}
		for image, want := range map[string]string{"0000.png": name + "-first.png", "0001.png": name + ".png"} {
			sameImage(t, filepath.Join(dir, "run", "images", image), filepath.Join("testdata", "tiny", "edits", want))
		}
		if records := read(t, filepath.Join(dir, "run", "candidates.jsonl")); !strings.Contains(records, `"action":"reflect"`) {
			t.Errorf("%s: no correction:\n%s", name, records)
		}
	}
}

// A corrector's LoRA acts on corrections only, and a style beside it on all images.
func TestFluxCorrectorFromTheCommandLine(t *testing.T) {
	corrector := writeLoRA(t, append(ranked("transformer.x_embedder", 32, 16), ranked("transformer.transformer_blocks.0.attn.to_q", 32, 32)...)...)
	model := tinyModel(t, "flux1")
	images := map[string][2]string{}
	for name, keys := range map[string]string{
		"corrector": fmt.Sprintf("corrector: %q", corrector), "style": fmt.Sprintf("corrector: %q, loras: [%s]", corrector, tinyLoRA(t, "flux1-style", "0.5")), "noise": "img2img: 0.6",
	} {
		dir, said, code := correctOnce(t, fmt.Sprintf("{type: flux, model: %q, %s}", model, keys))
		if code != 0 {
			t.Fatalf("%s: %s", name, said)
		}
		images[name] = [2]string{read(t, filepath.Join(dir, "run/images/0000.png")), read(t, filepath.Join(dir, "run/images/0001.png"))}
	}
	pixels := func(name string, i int) string { // without the record in the file
		_, data, _ := strings.Cut(images[name][i], "IDAT")
		return data
	}
	if pixels("corrector", 0) != pixels("noise", 0) || pixels("corrector", 1) == pixels("noise", 1) {
		t.Error("the corrector changes the first image, or not its correction")
	}
	if pixels("style", 0) == pixels("corrector", 0) || pixels("style", 1) == pixels("corrector", 1) {
		t.Error("the style changes nothing")
	}
}

// What cannot correct is refused in one line before anything is generated.
func TestFluxCorrectorsThatDoNotFit(t *testing.T) {
	two, err := filepath.Abs(fluxTwo)
	check(t, err)
	one := tinyModel(t, "flux1")
	text := writeLoRA(t, ranked("transformer.transformer_blocks.0.attn.add_q_proj", 32, 32)...)
	dora := writeLoRA(t, safetensors.Tensor{Name: "transformer.x_embedder.lora_magnitude_vector", Shape: []int{1}, DType: safetensors.F32, Values: []float32{1}})
	for name, c := range map[string]struct{ generator, want string }{
		"none":           {fmt.Sprintf("{type: flux, model: %q}", one), "this model cannot correct images: name the LoRA of a corrector"},
		"missing":        {fmt.Sprintf("{type: flux, model: %q, corrector: nothing.safetensors}", one), "nothing.safetensors: there is no such file"},
		"another model":  {fmt.Sprintf("{type: flux, model: %q, corrector: %q}", one, tinyModel(t, "loras/flux2-style.safetensors")), "the LoRA is for FLUX.2"},
		"of the text":    {fmt.Sprintf("{type: flux, model: %q, corrector: %q}", one, text), "which no reference passes through: it is no corrector"},
		"no LoRA":        {fmt.Sprintf("{type: flux, model: %q, corrector: %q}", one, filepath.Join(one, "vae/diffusion_pytorch_model.safetensors")), "the file is no LoRA for this model: its tensors are named "},
		"DoRA":           {fmt.Sprintf("{type: flux, model: %q, corrector: %q}", one, dora), "the file is a DoRA"},
		"of FLUX.2":      {fmt.Sprintf("{type: flux, model: %q, corrector: %q}", two, text), "edits images by itself: leave out the corrector"},
		"of Kontext":     {fmt.Sprintf("{type: flux, model: %q, corrector: %q}", kontextCopy(t), text), "FLUX.1 Kontext edits images by itself: leave out the corrector"},
		"beside img2img": {fmt.Sprintf("{type: flux, model: %q, corrector: %q, img2img: 0.6}", one, text), "img2img has no effect beside a corrector"},
	} {
		dir, said, code := correctOnce(t, c.generator)
		if _, err := os.Stat(filepath.Join(dir, "run")); code != exitInvalid || !strings.Contains(said, c.want) || strings.Count(said, "\n") != 1 || err == nil {
			t.Errorf("%s: exit code %d, want one line with %q and no folder:\n%s", name, code, c.want, said)
		}
	}
}
