package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
	"reflectionflow/weights/safetensors"
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
// generates with them: from a configuration, and from flags.
func TestFluxLoRAsGenerateWhatDiffusersDoes(t *testing.T) {
	two, err := filepath.Abs(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	lora := func(name string) string { return tinyModel(t, "loras/"+name+".safetensors") }
	for name, c := range map[string]struct {
		model, loras string
		flags        []string
	}{
		"flux1": {
			tinyModel(t, "flux1"), tinyLoRA(t, "flux1-style", "0.8") + ", " + tinyLoRA(t, "flux1-kohya", "-0.5"),
			[]string{"--lora", lora("flux1-style") + ":0.8", "--lora", lora("flux1-kohya") + ":-0.5"},
		},
		"flux2": {two, tinyLoRA(t, "flux2-style", "1.5"), []string{"--lora", lora("flux2-style") + ":1.5"}},
	} {
		want := filepath.Join("testdata", "tiny", "loras", name+".png")
		for _, args := range [][]string{generateConfigured(tinyConfig(t, c.model, c.loras)), generateTiny(c.model, c.flags...)} {
			dir := t.TempDir()
			if out, err := embedded(dir, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
			sameImage(t, filepath.Join(dir, "run", "best.png"), want)
		}
		if readFile(t, filepath.Join("testdata", "tiny", name+".png")) == readFile(t, want) {
			t.Errorf("%s: the LoRAs change nothing", name)
		}
	}
}

// A LoRA has a weight of 1 without a number behind it, also where its name has a colon.
func TestLoRAFlag(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a:2")
	if err := copyFile(tinyModel(t, "loras/flux1-style.safetensors"), odd); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"a.safetensors": "[{a.safetensors 0}]", "a:0.8": "[{a 0.8}]", "b:c:-1": "[{b:c -1}]", odd: "[{" + odd + " 0}]", odd + ":3": "[{" + odd + " 3}]", "a:b/c": "[{a:b/c 0}]",
	} {
		var got loraFlag
		if err := got.Set(text); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s is %v (%v), want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"": "the file is missing", ":1": "the file is missing", "a:": "is no weight", "a:b": `"b" is no weight`, "a:NaN": "is no weight", "a:Inf": "is no weight", "a:0": "a weight of 0"} {
		if err := new(loraFlag).Set(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// ranked are the two matrices of a LoRA of rank 1 under a name.
func ranked(name string, out, in int) []safetensors.Tensor {
	one := func(end string, shape ...int) safetensors.Tensor {
		t := safetensors.Tensor{Name: name + end, Shape: shape, DType: safetensors.F32, Values: make([]float32, shape[0]*shape[1])}
		for i := range t.Values {
			t.Values[i] = 0.5
		}
		return t
	}
	return []safetensors.Tensor{one(".lora_down.weight", 1, in), one(".lora_up.weight", out, 1)}
}

// writeLoRA writes tensors as a file of LoRAs.
func writeLoRA(t *testing.T, tensors ...safetensors.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.safetensors")
	if err := safetensors.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// Parts for a text encoder are applied; what the model does not have is left out with a
// warning that names it.
func TestLoRAsOfTextEncodersFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	clip := ranked("lora_te1_text_model_encoder_layers_0_mlp_fc1", 48, 24)
	run := func(name string, tensors ...safetensors.Tensor) string {
		out, err := embedded(dir, generateTiny(tinyModel(t, "flux1"), "--out", name, "--lora", writeLoRA(t, tensors...))...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := run("applied", clip...); strings.Contains(out, "LoRA") {
		t.Errorf("a warning:\n%s", out)
	}
	if readFile(t, filepath.Join(dir, "applied", "best.png")) == readFile(t, filepath.Join("testdata", "tiny", "flux1.png")) {
		t.Error("the part of CLIP changes nothing")
	}
	out := run("left out", append(clip, ranked("lora_te1_text_projection", 24, 24)...)...)
	if !strings.Contains(out, `"lora_te1_text_projection.lora_down.weight"`) {
		t.Errorf("no warning names the part that is left out:\n%s", out)
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
	one := func(name string) safetensors.Tensor {
		return safetensors.Tensor{Name: name, Shape: []int{2, 2}, DType: safetensors.F32, Values: make([]float32, 4)}
	}
	for name, c := range map[string]struct{ loras, want string }{
		"another model": {tinyLoRA(t, "flux2-style", "1"), "flux2-style.safetensors: 2 of its 8 tensors belong to no layer of this model, the LoRA is for FLUX.2: "},
		"missing":       {`{path: nothing.safetensors}`, "nothing.safetensors"},
		"no LoRA":       {fmt.Sprintf("{path: %q}", tinyModel(t, "flux1/vae/diffusion_pytorch_model.safetensors")), "the file is no LoRA for this model: its tensors are named "},
		"weight":        {tinyLoRA(t, "flux1-style", "1000"), "the weight of the LoRA is 1000, must be from -100 to 100"},
		"DoRA":          {fmt.Sprintf("{path: %q}", writeLoRA(t, one("lora_unet_img_in.dora_scale"))), "mine.safetensors: the file is a DoRA"},
		"LoKr":          {fmt.Sprintf("{path: %q}", writeLoRA(t, one("lora_unet_img_in.lokr_w1"))), "mine.safetensors: the file is a LoKr"},
		"LoHa":          {fmt.Sprintf("{path: %q}", writeLoRA(t, one("lora_unet_img_in.hada_w1_a"))), "mine.safetensors: the file is a LoHa"},
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

// A check says which model a LoRA is for, and a list too.
func TestLoRAsAreDescribed(t *testing.T) {
	folder := t.TempDir()
	for name, tensors := range map[string][]safetensors.Tensor{
		"dora":    {{Name: "lora_unet_img_in.dora_scale", Shape: []int{1}, DType: safetensors.F32, Values: []float32{1}}},
		"unknown": ranked("some_layer", 2, 2),
	} {
		check(t, safetensors.Write(filepath.Join(folder, name+".safetensors"), tensors, nil))
	}
	check(t, os.CopyFS(filepath.Join(folder, "tiny"), os.DirFS(tinyModel(t, "loras"))))
	for name, want := range map[string]string{
		"tiny/flux1-style": "\nLoRA for FLUX.1: generate", "tiny/flux1-kohya": "\nLoRA for FLUX.1: generate", "tiny/flux2-style": "\nLoRA for FLUX.2: generate",
		"dora": "\na DoRA, which this program does not read\n", "unknown": "\nLoRA for a model that its names do not tell\n",
	} {
		if out, err := embedded(folder, "models", "check", "./"+name+".safetensors").CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, want %q:\n%s", name, err, want, out)
		}
	}
	t.Setenv("REFLECTIONFLOW_MODELS", folder)
	out, err := embedded(folder, "models", "list").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "safetensors: LoRA for FLUX.2, BF16") {
		t.Errorf("%v\n%s", err, out)
	}
}
