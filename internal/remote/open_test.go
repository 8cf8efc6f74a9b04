package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

func TestOpenRefuses(t *testing.T) {
	tests := map[string]struct{ url, says string }{
		"no scheme":             {"host:8000", "openai+"},
		"plain http":            {"http://host", "openai+"},
		"unknown server":        {"invoke+http://host", "openai+"},
		"other transport":       {"openai+ftp://host", "openai+"},
		"no host":               {"openai+http:///v1", "no host"},
		"does not parse":        {"openai+http://ho st/%zz", "parse"},
		"query":                 {"openai+http://host/v1?model=%zz", "parse"},
		"unknown parameter":     {"openai+http://host/v1?modell=x", "modell"},
		"another's parameter":   {"sdcpp+http://host?workflow=x", "workflow"},
		"twice":                 {"sdcpp+http://host?sampler=a&sampler=b", "twice"},
		"secret in the query":   {"openai+http://host/v1?api_key=sk-visible", "key_env"},
		"secret as user":        {"openai+http://me:sk-visible@host/v1", "password"},
		"variable not set":      {"openai+http://host/v1?key_env=NOT_THERE", "NOT_THERE"},
		"file not there":        {"openai+http://host/v1?key_file=testdata/none", "none"},
		"wording":               {"openai+http://host/v1?wording=loud", "instruction"},
		"dialect":               {"openai+http://host/v1?dialect=ollama", "vllm-omni"},
		"batch of seeded":       {"openai+http://host/v1?dialect=sglang&batch=2", "batch=2"},
		"batch of dall-e-3":     {"openai+http://host/v1?model=dall-e-3&batch=2", "batch"},
		"negative for OpenAI":   {"openai+http://host/v1?negative=blur", "negative"},
		"strength":              {"a1111+http://host?strength=1.5", "strength"},
		"strength is no number": {"a1111+http://host?strength=NaN", "strength"},
		"concurrency":           {"a1111+http://host?concurrency=0", "concurrency"},
		"timeout":               {"a1111+http://host?timeout=fast", "timeout"},
		"host":                  {"a1111+http://host?allow_host=http://x", "allowed host"},
		"no workflow":           {"comfyui+http://host", "workflow=FILE"},
		"workflow not there":    {"comfyui+http://host?workflow=testdata/none.json", "none.json"},
		"not a workflow":        {"comfyui+http://host?workflow=testdata/cmyk.jpg", "API format"},
		"workflows exchanged":   {"comfyui+http://host?workflow=testdata/correct.json", "edit=FILE"},
		"edit without slot":     {"comfyui+http://host?workflow=testdata/draw.json&edit=testdata/draw.json", "reference"},
		"slot":                  {"comfyui+http://host?workflow=testdata/draw.json&slot.sed=6.seed", "sed"},
		"slot's node":           {"comfyui+http://host?workflow=testdata/draw.json&slot.seed=60.seed", "60"},
		"slot's input":          {"comfyui+http://host?workflow=testdata/draw.json&slot.seed=6.noise", "INPUT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := remote.Open(tt.url, remote.Options{})
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "sk-visible") {
				t.Errorf("got %v, want an invalid input that says %q", err, tt.says)
			}
		})
	}
}

func TestWorkflows(t *testing.T) {
	const (
		text = `"1":{"class_type":"CLIPTextEncode","inputs":{"text":"","clip":["9",1]},"_meta":{"title":"Slot: prompt"}}`
		save = `"8":{"class_type":"SaveImage","inputs":{"images":["7",0],"filename_prefix":"a"}}`
	)
	tests := map[string]struct{ file, says string }{
		"fine":            {"{" + text + "," + save + "}", ""},
		"the editor's":    {`{"nodes":[],"links":[],"version":0.4}`, "API format"},
		"node is null":    {`{"1":null}`, "API format"},
		"no prompt":       {"{" + save + "}", "prompt"},
		"nothing saved":   {"{" + text + "}", "SaveImage"},
		"saved twice":     {"{" + text + "," + save + `,"9":{"class_type":"SaveImage","inputs":{"filename_prefix":""}}}`, "two nodes"},
		"one is output":   {"{" + text + "," + save + `,"9":{"class_type":"SaveImage","inputs":{"filename_prefix":""},"_meta":{"title":"slot: output"}}}`, ""},
		"two are output":  {"{" + text + `,"8":{"class_type":"S","inputs":{"filename_prefix":""},"_meta":{"title":"slot: output"}},"9":{"class_type":"S","inputs":{"filename_prefix":""},"_meta":{"title":"slot: output"}}}`, "both"},
		"linked input":    {"{" + text + "," + save + `,"3":{"class_type":"K","inputs":{"seed":["4",0]},"_meta":{"title":"slot: seed"}}}`, "linked"},
		"unknown slot":    {"{" + text + "," + save + `,"3":{"class_type":"K","inputs":{"seed":1},"_meta":{"title":"slot: sede"}}}`, "sede"},
		"no usual input":  {"{" + text + "," + save + `,"3":{"class_type":"K","inputs":{"x":1},"_meta":{"title":"slot: seed"}}}`, "seed=INPUT"},
		"named input":     {"{" + text + "," + save + `,"3":{"class_type":"K","inputs":{"x":1},"_meta":{"title":"slot: seed=x"}}}`, ""},
		"title is a list": {"{" + text + "," + save + `,"3":{"class_type":"K","inputs":{"x":1},"_meta":{"title":[]}}}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "w.json")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := remote.Open("comfyui+http://host?workflow="+path, remote.Options{})
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

// TestSlotsByURL: a workflow without titles gets its slots from the URL, by a node's id or
// title. Other inputs do not change; without a slot for the seed the images are Unseeded.
func TestSlotsByURL(t *testing.T) {
	data, err := os.ReadFile("testdata/draw.json")
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.NewReplacer("slot: prompt, guidance", "words", "slot: width, height", "latent", "slot: seed, steps", "KSampler").Replace(string(data))
	path := filepath.Join(t.TempDir(), "bare.json")
	if err := os.WriteFile(path, []byte(bare), 0o600); err != nil {
		t.Fatal(err)
	}
	double := testserver.NewComfyUI(t)
	r := requests()[0]
	address := "comfyui+" + double.URL + "?workflow=" + path + "&slot.prompt=words&slot.width=5.width&slot.height=latent"
	out := generateOne(t, open(t, address), r)
	if out.Err != nil || !out.Unseeded || out.Cost.DenoiseSteps != 0 {
		t.Errorf("got %v, unseeded %t, cost %+v", out.Err, out.Unseeded, out.Cost)
	}
	wantImage(t, "image", out.Image, testserver.ImageRequest{Prompt: r.Prompt, CLIPPrompt: r.Prompt, Width: 64, Height: 64, Steps: 20, Guidance: 3.5, Strength: 1})
	r.PooledPrompt = "cats"
	out = generateOne(t, open(t, address+"&slot.seed=6&slot.steps=6.steps&slot.guidance=words"), r)
	wantImage(t, "image", out.Image, testserver.ImageRequest{Prompt: r.Prompt, CLIPPrompt: "cats", Seed: r.Seed, Width: 64, Height: 64, Steps: 4, Guidance: 3.5, Strength: 1})
}
