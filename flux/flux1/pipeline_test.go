package flux1

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/weights/safetensors"
)

// writeTinyModel writes a whole model of random weights, with a corrector, and
// returns its folder.
func writeTinyModel(t testing.TB, settings Settings) string {
	t.Helper()
	params := Params{
		PatchSize: 1, InChannels: 16, NumLayers: 1, NumSingleLayers: 1, AttentionHeadDim: 16, NumAttentionHeads: 2,
		JointAttentionDim: 16, PooledProjectionDim: 16, AxesDimsRope: [3]int{4, 6, 6},
		GuidanceEmbeds: !settings.ClassifierFreeGuidance,
	}
	vocabulary := []string{"<pad>", "</s>", "<unk>", "[", "]", "reflexion", "a", "red", "blue", "cup", "add", "clock"}
	folder := &Folder{
		Index: NewModelIndex(true), Scheduler: flux.FluxScheduler, Transformer: params,
		VAE:  flux.NewAutoencoder([]int{8, 8, 16, 16}, 4, 1, 4, true),
		CLIP: NewCLIP(len(vocabulary), 16, 2, 1, 8), T5: NewT5(len(vocabulary), 16, 2, 32, 1),
	}
	lora := NewLoRA(params, 2, true)
	store := randomStore(t, folder, lora)
	dir := t.TempDir()
	words, err := tokenizer.NewWordLevel(vocabulary, tokenizer.Options{Suffix: []string{"</s>"}, Special: []string{"<pad>"}})
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	check(folder.WriteConfigs(dir))
	check(folder.SaveWeights(dir, store, safetensors.BF16))
	check(lora.Save(filepath.Join(dir, "pytorch_lora_weights.safetensors"), store, CorrectorPrefix, safetensors.BF16))
	check(settings.Write(dir))
	for _, name := range []string{"tokenizer", "tokenizer_2"} {
		check(os.MkdirAll(filepath.Join(dir, name), 0o755))
		check(words.Save(filepath.Join(dir, name, "tokenizer.json")))
	}
	return dir
}

// randomStore gives every weight of the four networks and the corrector random values,
// also those that training starts at zero.
func randomStore(t testing.TB, f *Folder, lora LoRA) *nn.Store {
	t.Helper()
	store, seed := nn.NewStore(), uint64(7)
	grid := flux.Grid{Rows: 2, Cols: 2}
	p := f.Transformer
	ids := shapes.Make(dtypes.Int32, 1, 4)
	inputs := []shapes.Shape{ids, floats(1, 32, 32, 3), floats(1, 4, p.InChannels), floats(1)}
	_, err := nn.Compile(openTestBackend(t), store, inputs, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		text, pooled := T5Encode(s.In(T5Prefix), f.T5, in[0]), CLIPPooled(s.In(CLIPPrefix), f.CLIP, in[0])
		mean, _ := flux.Encode(s.In(VAEPrefix), f.VAE, in[1])
		base := s.In(TransformerPrefix)
		v := Transformer(base, p, Inputs{
			Latents: in[2], Grid: grid, Text: text, Pooled: pooled, Timestep: in[3], Guidance: in[3],
			Condition: &Condition{Latents: flux.Pack(mean), Grid: grid, Adapter: lora.Adapter(s.In(CorrectorPrefix), base), AllStreams: true},
		})
		return []*graph.Node{flux.Decode(s.In(VAEPrefix), f.VAE, flux.Unpack(v, grid))}, nil
	}, nn.Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range store.Names("") {
		dims := store.Dims(name)
		if len(dims) > 1 {
			store.Set(name, nn.InitKaiming(rng, dims), dims...)
		}
	}
	store.Set("text_encoder.text_model.embeddings.position_embedding.weight", nn.InitNormal(1)(rng, []int{f.CLIP.Positions, f.CLIP.Dim}), f.CLIP.Positions, f.CLIP.Dim)
	return store
}

var tinySettings = Settings{ClassifierFreeGuidance: true, TextLength: 12}

func openTinyModel(t testing.TB, settings Settings) *Model {
	t.Helper()
	folder, err := OpenFolder(writeTinyModel(t, settings))
	if err != nil {
		t.Fatal(err)
	}
	model, err := LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func newTinyPipeline(t testing.TB, settings Settings, opts flux.Options) *flux.Pipeline {
	t.Helper()
	return flux.NewPipeline(openTestBackend(t), openTinyModel(t, settings), opts)
}

func tinyRequest(prompt string, seed uint64) reflectionflow.Request {
	return reflectionflow.Request{Prompt: prompt, Seed: seed, Width: 48, Height: 32, Steps: 3, Guidance: 2}
}

// checkered is a reference image of an odd size.
func checkered() image.Image {
	img := image.NewNRGBA(image.Rect(3, 5, 80, 90))
	for y := 5; y < 90; y++ {
		for x := 3; x < 80; x++ {
			img.Set(x, y, color.NRGBA{uint8(3 * x), uint8(255 * (x / 9 % 2)), uint8(2 * y), 255})
		}
	}
	return img
}

// tinyRequests are of several shapes, with and without reference and guidance.
func tinyRequests() []reflectionflow.Request {
	corrected := tinyRequest("a red cup", 4)
	corrected.Reference, corrected.Reflection = checkered(), "add a clock"
	plain := tinyRequest("a blue cup", 5)
	plain.Guidance = 1
	wide := tinyRequest("a clock", 6)
	wide.Width, wide.Steps = 64, 2
	return []reflectionflow.Request{
		tinyRequest("a red cup", 1), corrected, tinyRequest("a blue cup", 2), plain, wide, tinyRequest("a red clock", 1<<63),
	}
}

func mustGenerate(t testing.TB, p *flux.Pipeline, requests ...reflectionflow.Request) [][]byte {
	t.Helper()
	generations, err := p.Generate(context.Background(), requests)
	if err != nil {
		t.Fatal(err)
	}
	var pixels [][]byte
	for i, g := range generations {
		if g.Err != nil {
			t.Fatal(g.Err)
		}
		img, ok := g.Image.(*image.NRGBA)
		if !ok || img.Bounds() != image.Rect(0, 0, requests[i].Width, requests[i].Height) {
			t.Fatalf("image %d is a %T of %v", i, g.Image, g.Image.Bounds())
		}
		if g.Cost.Images != 1 || g.Cost.DenoiseSteps != requests[i].Steps || !(g.Cost.Seconds > 0) {
			t.Errorf("image %d cost %+v", i, g.Cost)
		}
		pixels = append(pixels, img.Pix)
	}
	return pixels
}

func TestImagesDependOnTheirRequestAlone(t *testing.T) {
	requests := tinyRequests()
	alone := newTinyPipeline(t, tinySettings, flux.Options{Workers: 1})
	var want [][]byte
	for _, r := range requests {
		want = append(want, mustGenerate(t, alone, r)...)
	}
	for i := range want {
		for j := range i {
			if bytes.Equal(want[i], want[j]) {
				t.Errorf("requests %d and %d give the same image", j, i)
			}
		}
	}
	compare := func(t *testing.T, opts flux.Options) {
		for i, got := range mustGenerate(t, newTinyPipeline(t, tinySettings, opts), requests...) {
			if !bytes.Equal(got, want[i]) {
				t.Errorf("request %d gives another image in the batch", i)
			}
		}
	}
	for _, procs := range []int{1, 2, 4} {
		before := runtime.GOMAXPROCS(procs)
		compare(t, flux.Options{})
		runtime.GOMAXPROCS(before)
	}
}

func TestLanesShareAProgram(t *testing.T) {
	p := newTinyPipeline(t, tinySettings, flux.Options{Lanes: 2})
	requests := tinyRequests()
	together := mustGenerate(t, p, requests...)
	for i, r := range requests {
		if !bytes.Equal(mustGenerate(t, p, r)[0], together[i]) {
			t.Errorf("request %d gives another image in the batch", i)
		}
	}
}

func TestEveryFieldOfARequestCounts(t *testing.T) {
	p := newTinyPipeline(t, tinySettings, flux.Options{})
	base := tinyRequests()[1]
	changes := map[string]func(r *reflectionflow.Request){
		"prompt":        func(r *reflectionflow.Request) { r.Prompt = "a blue cup" },
		"pooled prompt": func(r *reflectionflow.Request) { r.PooledPrompt = "a clock" },
		"seed":          func(r *reflectionflow.Request) { r.Seed++ },
		"reflection":    func(r *reflectionflow.Request) { r.Reflection = "add a cup" },
		"reference":     func(r *reflectionflow.Request) { r.Reference = image.NewGray(image.Rect(0, 0, 9, 9)) },
		"no reference":  func(r *reflectionflow.Request) { r.Reference = nil },
		"caption":       func(r *reflectionflow.Request) { r.ReferenceCaption = "a blue clock" },
		"steps":         func(r *reflectionflow.Request) { r.Steps++ },
		"guidance":      func(r *reflectionflow.Request) { r.Guidance = 5 },
	}
	first := mustGenerate(t, p, base)[0]
	for name, change := range changes {
		r := base
		change(&r)
		if bytes.Equal(mustGenerate(t, p, r)[0], first) {
			t.Errorf("%s has no effect", name)
		}
	}
}

// The caption of a reference is the negative prompt of classifier-free guidance:
// without guidance, or without a reference, it is not read.
func TestReferenceCaptionIsTheNegativePrompt(t *testing.T) {
	p := newTinyPipeline(t, tinySettings, flux.Options{Lanes: 2})
	corrected := tinyRequests()[1]
	unguided, fresh := corrected, corrected
	unguided.Guidance = 1
	fresh.Reference, fresh.Reflection = nil, ""
	for name, r := range map[string]reflectionflow.Request{"without guidance": unguided, "without a reference": fresh} {
		captioned := r
		captioned.ReferenceCaption = "a blue clock"
		if both := mustGenerate(t, p, r, captioned); !bytes.Equal(both[0], both[1]) {
			t.Errorf("%s the caption of a reference is read", name)
		}
	}
	corrected.ReferenceCaption = "a gnu"
	if _, err := p.Generate(t.Context(), []reflectionflow.Request{corrected}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a word that the model does not know: %v", err)
	}
}

func TestAlignedReferenceHasTheImagesPositions(t *testing.T) {
	aligned, image := Settings{AlignedReference: true}, flux.Grid{Rows: 3, Cols: 2}
	if got := aligned.ConditionGrid(image); got != image {
		t.Errorf("the grid of an aligned reference is %v", got)
	}
	if got := (Settings{}).ConditionGrid(image); got != (flux.Grid{Rows: 1, Cols: 1}) {
		t.Errorf("the grid of a reference is %v", got)
	}
	c := Condition{Grid: image, Aligned: true}
	for i, p := range c.positions() {
		if want := (position{1, i / 2, i % 2}); p != want {
			t.Errorf("token %d is at %v, want %v", i, p, want)
		}
	}
	// The setting changes the image.
	settings := tinySettings
	settings.AlignedReference = true
	request := tinyRequest("a red cup", 1)
	request.Reference, request.Reflection = checkered(), "add a clock"
	half := mustGenerate(t, newTinyPipeline(t, tinySettings, flux.Options{}), request)
	full := mustGenerate(t, newTinyPipeline(t, settings, flux.Options{}), request)
	if bytes.Equal(half[0], full[0]) {
		t.Error("an aligned reference gives the same image")
	}
}

func TestReferenceScale(t *testing.T) {
	request := tinyRequest("a red cup", 1)
	request.Reference, request.Reflection = checkered(), "add a clock"
	generate := func(scale float64) []byte {
		settings := tinySettings
		settings.ReferenceScale = scale
		return mustGenerate(t, newTinyPipeline(t, settings, flux.Options{}), request)[0]
	}
	if unset := generate(0); !bytes.Equal(unset, generate(1)) || bytes.Equal(unset, generate(0.2)) {
		t.Error("a scale of 1 changes the image, or one of 0.2 does not")
	}
	for _, scale := range []float64{-1, 101, math.NaN()} {
		settings := tinySettings
		settings.ReferenceScale = scale
		if err := settings.Validate(Params{}); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("reference_scale %v: %v", scale, err)
		}
	}
}

func TestGuidanceRescale(t *testing.T) {
	generate := func(phi float64) []byte {
		settings := tinySettings
		settings.GuidanceRescale = phi
		return mustGenerate(t, newTinyPipeline(t, settings, flux.Options{}), tinyRequest("a red cup", 1))[0]
	}
	if bytes.Equal(generate(0), generate(0.7)) {
		t.Error("guidance_rescale does not change the image")
	}
	for _, phi := range []float64{-0.1, 1.1, math.NaN()} {
		settings := tinySettings
		settings.GuidanceRescale = phi
		if err := settings.Validate(Params{}); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("guidance_rescale %v: %v", phi, err)
		}
	}
	if err := (Settings{TextLength: 8, GuidanceRescale: 0.7}).Validate(Params{}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("guidance_rescale without guidance to rescale: %v", err)
	}
}

// A model with a guidance embedding has no use for the empty prompt, and guidance
// reaches it as an input.
func TestGuidanceEmbedding(t *testing.T) {
	p := newTinyPipeline(t, Settings{TextLength: 8}, flux.Options{})
	low, high := tinyRequest("a red cup", 1), tinyRequest("a red cup", 1)
	low.Guidance, high.Guidance = 1, 4
	if bytes.Equal(mustGenerate(t, p, low)[0], mustGenerate(t, p, high)[0]) {
		t.Error("guidance has no effect")
	}
}

func TestEmbeddedFolderEqualsDirectory(t *testing.T) {
	dir := writeTinyModel(t, tinySettings)
	folder, err := OpenFolderFS(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	model, err := LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := tinyRequests()[1]
	got := mustGenerate(t, flux.NewPipeline(openTestBackend(t), model, flux.Options{}), r)[0]
	if want := mustGenerate(t, newTinyPipeline(t, tinySettings, flux.Options{}), r)[0]; !bytes.Equal(got, want) {
		t.Error("another image")
	}
}

func TestBadRequests(t *testing.T) {
	model := openTinyModel(t, tinySettings)
	p := flux.NewPipeline(openTestBackend(t), model, flux.Options{})
	noCorrector := flux.NewPipeline(openTestBackend(t), &Model{
		Folder: model.Folder, Settings: model.Settings, Store: model.Store,
		CLIPTokenizer: model.CLIPTokenizer, T5Tokenizer: model.T5Tokenizer,
	}, flux.Options{})
	for _, c := range []struct {
		name   string
		change func(r *reflectionflow.Request)
		on     *flux.Pipeline
		want   string
	}{
		{"empty", func(r *reflectionflow.Request) { r.Prompt = " " }, p, "request 1: invalid input: the prompt is empty"},
		{"unknown", func(r *reflectionflow.Request) { r.Prompt = "a red zebra and cup" }, p, `request 1: invalid input: the model does not know the words ["zebra" "and"]`},
		{"unknown in CLIP", func(r *reflectionflow.Request) { r.PooledPrompt = "a gnu" }, p, `request 1: invalid input: the model does not know the words ["gnu"]`},
		{"long", func(r *reflectionflow.Request) { r.Prompt = strings.Repeat("a cup ", 6) }, p, "request 1: invalid input: the prompt is longer than the model's 12 tokens: shorten it"},
		{"size", func(r *reflectionflow.Request) { r.Width = 40 }, p, "request 1: invalid input: size 40x32: sides must be multiples of 16 from 16 to 4096: the nearest is 48x32"},
		{"corrector", func(r *reflectionflow.Request) { r.Reference = checkered() }, noCorrector, "request 1: invalid input: the model has no corrector: it cannot correct a reference image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := tinyRequest("a cup", 1)
			c.change(&bad)
			_, err := c.on.Generate(context.Background(), []reflectionflow.Request{tinyRequest("a cup", 1), bad})
			if !errors.Is(err, reflectionflow.ErrInvalid) || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// An image generated in two parts equals the one generated at once, at the same cost.
func TestPreviews(t *testing.T) {
	for name, opts := range map[string]flux.Options{"one lane": {}, "two lanes": {Lanes: 2}} {
		t.Run(name, func(t *testing.T) {
			p := newTinyPipeline(t, tinySettings, opts)
			requests := tinyRequests()
			conformance.Previewer(t, p, requests[:4], conformance.Options{Expensive: true})
			previews, err := p.Preview(t.Context(), requests, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range previews { // a preview differs from the image
				if bytes.Equal(v.Image.(*image.NRGBA).Pix, mustGenerate(t, p, requests[i])[0]) {
					t.Errorf("request %d is finished after one step", i)
				}
			}
		})
	}
}

func TestGenerateStopsWithContext(t *testing.T) {
	p := newTinyPipeline(t, tinySettings, flux.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Generate(ctx, tinyRequests()); err != context.Canceled { //nolint:errorlint // the contract says ctx.Err()
		t.Errorf("error %v", err)
	}
}

func TestImageOfNaNPixelsIsAnError(t *testing.T) {
	p := newTinyPipeline(t, tinySettings, flux.Options{})
	name := "vae.decoder.conv_out.bias"
	nan := float32(0)
	nan /= nan
	p.Model().Spec().Store.Set(name, []float32{nan, 0, 0}, 3)
	generations, err := p.Generate(context.Background(), []reflectionflow.Request{tinyRequest("a cup", 1)})
	if err != nil || generations[0].Err == nil || generations[0].Image != nil {
		t.Errorf("%v, %+v", err, generations)
	}
}
