package flux2

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn/nntest"
)

// wantInvalid demands a one-line error on invalid input that holds part.
func wantInvalid(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line on invalid input that holds %q", err, part)
	}
}

func mustGenerate(t testing.TB, p *flux.Pipeline, requests ...reflectionflow.Request) [][]byte {
	t.Helper()
	generations, err := p.Generate(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	var pixels [][]byte
	for _, g := range generations {
		if g.Err != nil {
			t.Fatal(g.Err)
		}
		pixels = append(pixels, g.Image.(*image.NRGBA).Pix)
	}
	return pixels
}

func tinyRequest(t testing.TB, prompt string, seed uint64) reflectionflow.Request {
	t.Helper()
	return reflectionflow.Request{Prompt: prompt, Seed: seed, Width: 48, Height: 32, Steps: 3, Guidance: 2}
}

// tinyRequests are of several shapes, with and without reference and guidance.
func tinyRequests(t testing.TB) []reflectionflow.Request {
	t.Helper()
	corrected := tinyRequest(t, "a red cup", 4)
	corrected.Reference, corrected.Reflection = readImage(t, "reference-wide"), "Add a clock."
	plain := tinyRequest(t, "a blue cup", 5)
	plain.Guidance = 1
	wide := tinyRequest(t, "a clock", 6)
	wide.Width, wide.Steps = 64, 2
	return []reflectionflow.Request{tinyRequest(t, "a red cup", 1), corrected, tinyRequest(t, "a blue cup", 2), plain, wide, tinyRequest(t, "a red clock", 1<<62)}
}

func TestGeneratorConforms(t *testing.T) {
	for name, distilled := range map[string]bool{"distilled": true, "base": false} {
		t.Run(name, func(t *testing.T) {
			p := flux.NewPipeline(nntest.Backend(t), tinyModel(t, distilled), flux.Options{})
			conformance.Generator(t, p, tinyRequests(t)[:4], conformance.Options{Expensive: true})
		})
	}
}

func TestPreviewerConforms(t *testing.T) {
	p := flux.NewPipeline(nntest.Backend(t), tinyModel(t, true), flux.Options{Lanes: 2})
	conformance.Previewer(t, p, tinyRequests(t)[:4], conformance.Options{Expensive: true})
}

func TestImagesDependOnTheirRequestAlone(t *testing.T) {
	requests := tinyRequests(t)
	model := tinyModel(t, false)
	for name, opts := range map[string]flux.Options{"one lane": {Workers: 3}, "two lanes": {Lanes: 2}} {
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
			p := flux.NewPipeline(nntest.Backend(t), model, opts)
			together := mustGenerate(t, p, requests...)
			for i, r := range requests {
				if !bytes.Equal(mustGenerate(t, p, r)[0], together[i]) {
					t.Errorf("request %d gives another image in the batch", i)
				}
				for j := range i {
					if bytes.Equal(together[i], together[j]) {
						t.Errorf("requests %d and %d give the same image", j, i)
					}
				}
			}
		})
	}
}

// A distilled model ignores guidance, a base model takes it above 1.
func TestGuidance(t *testing.T) {
	at := func(distilled bool, guidance float64) []byte {
		r := tinyRequest(t, "a red cup", 1)
		r.Guidance = guidance
		return mustGenerate(t, flux.NewPipeline(nntest.Backend(t), tinyModel(t, distilled), flux.Options{}), r)[0]
	}
	plain := at(true, 1)
	for _, c := range []struct {
		distilled bool
		guidance  float64
		same      bool
	}{{true, 4, true}, {false, 1, true}, {false, 0, true}, {false, 4, false}} {
		if got := bytes.Equal(at(c.distilled, c.guidance), plain); got != c.same {
			t.Errorf("distilled %v, guidance %v: the image of guidance 1 is %v, want %v", c.distilled, c.guidance, got, c.same)
		}
	}
}

// A reflection is worded as an instruction, without the mark of another corrector.
func TestReflectionsAreInstructions(t *testing.T) {
	m := tinyModel(t, true)
	r := tinyRequests(t)[1]
	got, err := m.Texts(r)
	if err != nil {
		t.Fatal(err)
	}
	plain := reflectionflow.Request{Prompt: "Edit the image: Add a clock. Keep everything else as it is. The edited image must show: a red cup."}
	want, err := m.Texts(plain)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Prompt, want.Prompt) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestReferencesThatCannotBeUsedAreRefused(t *testing.T) {
	p := flux.NewPipeline(nntest.Backend(t), tinyModel(t, true), flux.Options{})
	r := tinyRequest(t, "a red cup", 1)
	r.Reference = image.NewGray(image.Rect(0, 0, 32, 200))
	wantInvalid(t, p.Check(r), "the reference image is 32×200 pixels: its sides must be at least 64")
	r.Reference = image.NewGray(image.Rect(0, 0, 64, 600))
	_, err := p.Generate(t.Context(), []reflectionflow.Request{r})
	wantInvalid(t, err, "request 0: invalid input: the reference image is 64×600 pixels: one side must be at most 8 times the other")
}

func TestFolderOfDiffusersIsWhole(t *testing.T) {
	folder, err := OpenFolder("testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	problems, err := folder.CheckWeights()
	if err != nil || len(problems) > 0 {
		t.Errorf("%q, %v", problems.Report(), err)
	}
	if !folder.Distilled {
		t.Error("is_distilled was not read")
	}
}

func TestFolderRoundTrip(t *testing.T) {
	folder, err := OpenFolder("testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	model := tinyModel(t, true)
	dir := t.TempDir()
	if err := folder.WriteConfigs(dir); err != nil {
		t.Fatal(err)
	}
	if err := folder.SaveWeights(dir, model.Store, "BF16"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "tokenizer"), os.DirFS("testdata/tiny/tokenizer")); err != nil {
		t.Fatal(err)
	}
	again, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadModel(again)
	if err != nil {
		t.Fatal(err)
	}
	r := tinyRequests(t)[1]
	first := mustGenerate(t, flux.NewPipeline(nntest.Backend(t), model, flux.Options{}), r)[0]
	if second := mustGenerate(t, flux.NewPipeline(nntest.Backend(t), loaded, flux.Options{}), r)[0]; !bytes.Equal(first, second) {
		t.Error("a saved folder gives another image")
	}
}

func TestBadFolders(t *testing.T) {
	for _, c := range []struct{ name, file, old, new, want string }{
		{"other pipeline", "model_index.json", "Flux2KleinPipeline", "FluxPipeline", `"FluxPipeline"`},
		{"dev", "model_index.json", "Flux2KleinPipeline", "Flux2Pipeline", "FLUX.2 [dev] needs the text encoder Mistral Small 3"},
		{"9B-KV", "model_index.json", "Flux2KleinPipeline", "Flux2KleinKVPipeline", "FLUX.2 [klein] 9B-KV is trained"},
		{"component missing", "model_index.json", `"vae"`, `"voe"`, "lists no vae"},
		{"other transformer", "transformer/config.json", "Flux2Transformer2DModel", "FluxTransformer2DModel", "FluxTransformer2DModel"},
		{"other autoencoder", "vae/config.json", "AutoencoderKLFlux2", "AutoencoderKL", "FLUX.2's is AutoencoderKLFlux2"},
		{"axes", "transformer/config.json", `"attention_head_dim": 16`, `"attention_head_dim": 18`, "axes_dims_rope"},
		{"text encoder", "text_encoder/config.json", `"hidden_size": 16`, `"hidden_size": 32`, "joint_attention_dim"},
		{"layers", "reflectionflow.json", "[1, 2, 3]", "[1, 2, 9]", "of another size"},
		{"length", "reflectionflow.json", "40", "0", "text_length is 0"},
		{"channels", "vae/config.json", `"latent_channels": 4`, `"latent_channels": 8`, "in_channels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/tiny")); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), c.old, c.new, 1)
			if changed == string(data) {
				t.Fatalf("%s does not hold %s", c.file, c.old)
			}
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = OpenFolder(dir)
			wantInvalid(t, err, c.want)
		})
	}
}

// Sizes of the published files: 169 tensors of the transformer and 251 of the
// autoencoder with 84,046,115 parameters, less the count of batches, plus 256 statistics.
func TestVariablesOfKlein(t *testing.T) {
	f := &Folder{Transformer: Klein4B(), VAE: KleinAutoencoder()}
	for _, c := range []struct {
		name                string
		tensors, parameters int
	}{{"transformer", 169, 3_875_544_576}, {"vae", 250, 84_046_115 + 256}} {
		variables, err := f.Transformer.Variables()
		if c.name == "vae" {
			variables, err = f.VAE.Variables()
		}
		if err != nil {
			t.Fatal(err)
		}
		parameters := 0
		for _, v := range variables {
			parameters += v.Size()
		}
		if len(variables) != c.tensors || parameters != c.parameters {
			t.Errorf("%s: %d tensors of %d parameters, want %d of %d", c.name, len(variables), parameters, c.tensors, c.parameters)
		}
	}
}

// A prompt that is too long is cut, as diffusers does, and the image says so.
func TestLongPromptsAreCutWithAWarning(t *testing.T) {
	p := flux.NewPipeline(nntest.Backend(t), tinyModel(t, true), flux.Options{})
	long := tinyRequest(t, strings.Repeat("a red cup and ", 40), 1)
	generations, err := p.Generate(t.Context(), []reflectionflow.Request{long, tinyRequest(t, "a red cup", 1)})
	if err != nil {
		t.Fatal(err)
	}
	if w := generations[0].Warnings; len(w) != 1 || !strings.Contains(w[0], "longer than the model's 40 tokens") || len(generations[1].Warnings) != 0 {
		t.Errorf("warnings %q and %q", w, generations[1].Warnings)
	}
}

// A correction takes the memory that it is said to take.
func TestMemoryIsWhatARunTakes(t *testing.T) {
	model := tinyModel(t, true)
	model.Folder.VAE = NewAutoencoder([]int{32, 32, 32, 32}, 4, 1, 2) // whose feature maps are large beside the rest
	for _, c := range model.Folder.Components() {
		if c.Prefix == VAEPrefix {
			fluxtest.Fill(t, model.Store, c)
		}
	}
	r := reflectionflow.Request{Prompt: "a red cup", Width: 640, Height: 640, Steps: 1, Guidance: 1, Reflection: "Add a clock."}
	r.Reference = image.NewNRGBA(image.Rect(0, 0, 640, 640))
	backend := nntest.Backend(t)
	fluxtest.KeepsMemory(t, func(o flux.Options) *flux.Pipeline { return flux.NewPipeline(backend, model, o) }, r)
}
