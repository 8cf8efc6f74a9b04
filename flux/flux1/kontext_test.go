package flux1

import (
	"bytes"
	"errors"
	"image"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
)

// kontextModel is a tiny FLUX.1 Kontext: no corrector, guidance is an input.
func kontextModel(t *testing.T) *Model {
	t.Helper()
	m := openTinyModel(t, Settings{TextLength: 12})
	m.Corrector, m.Folder.Index.ClassName = nil, KontextClass
	return m
}

// ownSize leaves references at their size, as diffusers does without _auto_resize: the
// tests of a tiny model need no million pixels.
type ownSize struct{ *Model }

func (ownSize) Frame(size image.Point, _ flux.Grid) (flux.Frame, error) {
	return flux.WholeFrame(flux.Grid{Rows: size.Y / 16, Cols: size.X / 16}, 16), nil
}

// diffusers' FluxKontextPipeline edited testdata/kontext-reference.png into
// testdata/kontext.png with the same weights and the same starting noise.
func TestKontextEqualsDiffusers(t *testing.T) {
	r := parityRequest
	r.Reference = readPNG(t, "testdata/kontext-reference.png")
	got := mustGenerate(t, flux.NewPipeline(openTestBackend(t), ownSize{kontextModel(t)}, flux.Options{}), r)[0]
	comparePixels(t, got, "testdata/kontext.png")
	r.Reference = nil
	if bytes.Equal(mustGenerate(t, flux.NewPipeline(openTestBackend(t), kontextModel(t), flux.Options{}), r)[0], got) {
		t.Error("the reference has no effect")
	}
}

func TestKontextFrames(t *testing.T) {
	m := &Model{Folder: &Folder{VAE: flux.FluxDevAutoencoder()}}
	for size, want := range map[image.Point]image.Point{{X: 512, Y: 512}: {X: 1024, Y: 1024}, {X: 1920, Y: 1080}: {X: 1392, Y: 752}, {X: 100, Y: 1000}: {X: 672, Y: 1568}} {
		frame, err := m.Frame(size, flux.Grid{})
		if err != nil || frame.Size != want || frame.Crop != (image.Rectangle{Max: want}) || !frame.Lanczos {
			t.Errorf("%v: %+v, %v", size, frame, err)
		}
	}
}

// diffusers' FluxImg2ImgPipeline generated testdata/img2img.png from a corner of the same
// reference at a strength of 0.6, with the mean of its latents.
func TestImg2ImgEqualsDiffusers(t *testing.T) {
	model := openTinyModel(t, Settings{TextLength: 12})
	model.Corrector = nil
	r := parityRequest
	whole := readPNG(t, "testdata/kontext-reference.png").(interface {
		SubImage(image.Rectangle) image.Image
	})
	r.Reference, r.Steps = whole.SubImage(image.Rect(0, 0, r.Width, r.Height)), 6
	got := mustGenerateSteps(t, flux.NewPipeline(openTestBackend(t), model, flux.Options{Img2Img: 0.6}), r)
	comparePixels(t, got, "testdata/img2img.png")
}

// Each kind of model reads a reflection in its own words.
func TestWordingOfReflections(t *testing.T) {
	corrector, kontext, plain := openTinyModel(t, Settings{TextLength: 12}), kontextModel(t), openTinyModel(t, Settings{TextLength: 12})
	plain.Corrector = nil
	r := reflectionflow.Request{Prompt: "a red cup", Reflection: "add a clock", Reference: checkered()}
	for want, m := range map[string]*Model{
		"a red cup [Reflexion] add a clock": corrector,
		"Edit the image: add a clock. Keep everything else as it is. The edited image must show: a red cup.": kontext,
		"a red cup. add a clock.": plain,
	} {
		if got := m.text(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A model that cannot correct refuses references, or starts from them noised.
func TestImg2Img(t *testing.T) {
	model := openTinyModel(t, tinySettings)
	model.Corrector = nil
	r := tinyRequest("a red cup", 1)
	r.Steps, r.Reference = 5, checkered()
	generate := func(level float64, r reflectionflow.Request) []byte {
		return mustGenerateSteps(t, flux.NewPipeline(openTestBackend(t), model, flux.Options{Img2Img: level, Lanes: 2}), r)
	}
	refusing := flux.NewPipeline(openTestBackend(t), model, flux.Options{})
	if err := refusing.Check(r); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "cannot correct") {
		t.Errorf("without a level: %v", err)
	}
	fresh := r
	fresh.Reference = nil
	if !bytes.Equal(generate(1, r), generate(1, fresh)) { // sigma is 1 at the first step: nothing is left of the reference
		t.Error("level 1 keeps something of the reference")
	}
	half := generate(0.5, r)
	other := r
	other.Reference = image.NewGray(image.Rect(0, 0, 9, 9))
	if bytes.Equal(half, generate(1, r)) || bytes.Equal(half, generate(0.5, other)) || !bytes.Equal(half, generate(0.5, r)) {
		t.Error("an image does not depend on level and reference alone")
	}
	p := flux.NewPipeline(openTestBackend(t), model, flux.Options{Img2Img: 0.5})
	whole, err := p.Generate(t.Context(), []reflectionflow.Request{r})
	if err != nil || whole[0].Cost.DenoiseSteps != 3 { // int(5 - 2.5) is 2
		t.Fatalf("%+v, %v", whole, err)
	}
	for steps := 1; steps < r.Steps; steps++ {
		previews, err := p.Preview(t.Context(), []reflectionflow.Request{r}, steps)
		if err != nil {
			t.Fatal(err)
		}
		finished, err := p.Finish(t.Context(), previews)
		if err != nil || !bytes.Equal(finished[0].Image.(*image.NRGBA).Pix, half) || previews[0].Cost.DenoiseSteps+finished[0].Cost.DenoiseSteps != 3 {
			t.Errorf("an image finished after %d steps differs, %v", steps, err)
		}
	}
}

// mustGenerateSteps is mustGenerate for an image that takes fewer steps than it asks for.
func mustGenerateSteps(t *testing.T, p *flux.Pipeline, r reflectionflow.Request) []byte {
	t.Helper()
	generations, err := p.Generate(t.Context(), []reflectionflow.Request{r})
	if err != nil || generations[0].Err != nil {
		t.Fatal(err, generations)
	}
	return generations[0].Image.(*image.NRGBA).Pix
}

// References are scaled to a size that Kontext was trained on, as diffusers' pipeline does.
func TestKontextFramesEqualDiffusers(t *testing.T) {
	m := &Model{Folder: &Folder{VAE: flux.FluxDevAutoencoder()}}
	fluxtest.FramesAsDiffusers(t, m.Frame, 0.01)
}

// An edit takes the memory that it is said to take.
func TestMemoryIsWhatARunTakes(t *testing.T) {
	model := kontextModel(t)
	r := parityRequest
	r.Width, r.Height, r.Steps, r.Reference = 512, 512, 1, image.NewNRGBA(image.Rect(0, 0, 512, 512)) // scaled to 1024×1024
	backend := openTestBackend(t)
	fluxtest.KeepsMemory(t, func(o flux.Options) *flux.Pipeline { return flux.NewPipeline(backend, model, o) }, r)
}
