package clipart_test

import (
	"image"
	"image/color"
	"io/fs"
	"math"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	world "reflectionflow/clipart"
	"reflectionflow/conformance"
	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/models/clipart"
	"reflectionflow/nn/nntest"
	"reflectionflow/reflector"
	"reflectionflow/tuning"
	"reflectionflow/verifier"
	"reflectionflow/verifier/detect"
)

const maxBytes = 25 << 20 // of all embedded files

func TestModelIsSmall(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(clipart.Files, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil || total > maxBytes || total < 1<<20 {
		t.Errorf("%d bytes, at most %d: %v", total, maxBytes, err)
	}
}

// A file that changes needs its sum: see flux.WriteChecksums, which every training calls.
func TestChecksumsAreThoseOfTheFiles(t *testing.T) {
	if n, err := flux.VerifyChecksums(t.Context(), clipart.Files); err != nil || n != 24 {
		t.Errorf("%d files, %v, want 24", n, err)
	}
}

func TestRecipeParses(t *testing.T) {
	r, err := tuning.ParseRecipe(clipart.Recipe())
	if err != nil {
		t.Fatal(err)
	}
	known, err := world.NewSampler(r.World.Classes...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(known.Known()); n != 80 {
		t.Errorf("the world has %d classes, want GenEval's 80", n)
	}
}

func pipeline(t *testing.T) (*flux.Pipeline, *flux1.Model) {
	t.Helper()
	backend := nntest.Backend(t)
	folder, err := flux1.OpenFolderFS(clipart.Files)
	if err != nil {
		t.Fatal(err)
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	return flux.NewPipeline(backend, model, flux.Options{}), model
}

func picture(t *testing.T, side int) image.Image {
	t.Helper()
	scene := world.Scene{Objects: []world.Placement{{Class: "clock", X: 0.5, Y: 0.5, Size: 0.6}}}
	m, err := scene.Render(side, side)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A sketch after half of the steps resembles the image.
func TestSketches(t *testing.T) {
	p, model := pipeline(t)
	side := model.Settings.Width
	request := reflectionflow.Request{Prompt: "a photo of two clocks", Seed: 3, Width: side, Height: side, Steps: model.Settings.Steps, Guidance: model.Settings.Guidance}
	var list []reflectionflow.Sketch
	ctx := reflectionflow.WithSketches(t.Context(), 0, func(s reflectionflow.Sketch) { list = append(list, s) })
	made, err := p.Generate(ctx, []reflectionflow.Request{request})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != request.Steps-1 {
		t.Fatalf("%d sketches of %d steps", len(list), request.Steps)
	}
	for i, s := range list {
		size := s.Image.Bounds().Size()
		small := flux.Resize(made[0].Image, size.X, size.Y)
		sum := 0.0
		for y := range size.Y {
			for x := range size.X {
				a := color.NRGBAModel.Convert(s.Image.At(x, y)).(color.NRGBA)
				b := small.RGBAAt(x, y)
				for _, d := range [...]int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
					sum += math.Abs(float64(d))
				}
			}
		}
		difference := sum / float64(3*size.X*size.Y)
		t.Logf("step %d: %v, mean difference %.1f of 255", s.Step, size, difference)
		if i >= request.Steps/2 && difference > 20 {
			t.Errorf("the sketch of step %d differs by %.1f", s.Step, difference)
		}
	}
}

func TestContracts(t *testing.T) {
	p, model := pipeline(t)
	side := model.Settings.Width
	request := reflectionflow.Request{Prompt: "a photo of two clocks", Seed: 3, Width: side, Height: side, Steps: 2, Guidance: model.Settings.Guidance}
	corrected := request
	corrected.Reference, corrected.Reflection = picture(t, side), "add one more clock"
	conformance.Generator(t, p, []reflectionflow.Request{request, corrected}, conformance.Options{Expensive: true})

	backend := nntest.Backend(t)
	judged, err := verifier.Load(backend, clipart.Files, verifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer judged.Close() //nolint:errcheck // nothing is lost
	prompt, err := world.Parse(request.Prompt)
	if err != nil {
		t.Fatal(err)
	}
	seen := reflectionflow.PromptedImage{Prompt: prompt, Image: picture(t, side)}
	two := prompt
	two.Requirements = append(two.Requirements, reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "dog"})
	conformance.Verifier(t, judged, []reflectionflow.PromptedImage{seen, {Prompt: two, Image: seen.Image}}, conformance.Options{Expensive: true})
	scores, err := judged.Verify(t.Context(), []reflectionflow.PromptedImage{seen})
	if err != nil {
		t.Fatal(err)
	}
	observation := reflectionflow.Observation{Prompt: prompt, Request: request, Image: seen.Image, Score: scores[0], Seed: 1}
	unseen := reflectionflow.Observation{Prompt: prompt, Request: request, Seed: 2}
	again := observation
	again.Seed = 3
	conformance.Reflector(t, reflector.Embedded{}, []reflectionflow.Observation{observation, again}, conformance.Options{})
	conformance.Refiner(t, reflector.Refiner{Words: model.Settings.TextLength - 1}, []reflectionflow.Observation{observation, unseen}, conformance.Options{})
}

func TestDetectorsAreTwo(t *testing.T) {
	backend := nntest.Backend(t)
	kinds := map[string]bool{}
	for _, name := range []string{"detector", "judge"} {
		d, err := detect.Load(backend, clipart.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		kinds[d.Config().Architecture] = true
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(kinds) != 2 {
		t.Errorf("detector and judge have the same architecture: %v", kinds)
	}
}

// Of every colour both detectors must know most things that stand plainly in a picture:
// a mean over colours once hid that white ones were often taken for other things.
func TestDetectorsKnowEveryColor(t *testing.T) {
	const scenes, least = 40, 0.8
	backend := nntest.Backend(t)
	for _, name := range []string{"detector", "judge"} {
		d, err := detect.Load(backend, clipart.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close() //nolint:errcheck // nothing is lost
		for i, color := range world.Colors() {
			pictures, prompts := colored(t, color, scenes, uint64(i))
			found, err := d.Detect(t.Context(), pictures)
			if err != nil {
				t.Fatal(err)
			}
			right := 0
			for k, objects := range found {
				if world.CheckAll(prompts[k].Requirements, objects) {
					right++
				}
			}
			t.Logf("%s: %d of %d scenes with something %s", name, right, scenes, color)
			if float64(right) < least*scenes {
				t.Errorf("the %s agrees on %d of %d clean scenes with something %s, want at least %.0f%%", name, right, scenes, color, 100*least)
			}
		}
	}
}

// colored renders n scenes of two things, one of them of the colour, that show what
// their prompts ask for. None of the prompts was trained on.
func colored(t *testing.T, color string, n int, seed uint64) (pictures []image.Image, prompts []reflectionflow.Prompt) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	sampler := world.Sampler{}.FirstDrawing() // as the base draws
	for len(pictures) < n {
		scene, prompt := sampler.SamplePrompt(world.ColorAttr, world.Validation, rng)
		if prompt.Requirements[0].Color != color && prompt.Requirements[1].Color != color {
			continue
		}
		m, err := scene.Render(128, 128)
		if err != nil {
			t.Fatal(err)
		}
		pictures, prompts = append(pictures, m), append(prompts, prompt)
	}
	return pictures, prompts
}

// TestVerifiersAreFused counts the steps of the networks that judge by kernel: a pattern that no longer matches shows as more of them.
func TestVerifiersAreFused(t *testing.T) {
	backend := nntest.Backend(t)
	judged, err := verifier.Load(backend, clipart.Files, verifier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer judged.Close() //nolint:errcheck // nothing is lost
	prompt, err := world.Parse("a photo of two clocks")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := judged.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: picture(t, 128)}}); err != nil {
		t.Fatal(err)
	}
	if got := backend.(*cpu.Backend).Steps(); got["attention"] != 10 || got["DotGeneral+tape"] < 40 || got["tape"] > 30 {
		t.Errorf("%v, want 10 steps of attention, at least 40 products with a tape and at most 30 tapes", got)
	}
	if n := backend.(*cpu.Backend).Fallbacks(); len(n) != 0 {
		t.Errorf("fallbacks: %v", n)
	}
}

// TestJudgeIsFused counts the steps of the residual network by kernel.
func TestJudgeIsFused(t *testing.T) {
	backend := nntest.Backend(t)
	judge, err := detect.Load(backend, clipart.Files, "judge")
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close() //nolint:errcheck // nothing is lost
	if _, err := judge.Read(picture(t, 128)); err != nil {
		t.Fatal(err)
	}
	got := backend.(*cpu.Backend).Steps()
	if got["group norm"] != 9 || got["ConvGeneral"] != 9 || got["DotGeneral+tape"] < 2 || got["tape"] > 20 {
		t.Errorf("%v, want 9 group norms, 9 convolutions, at least 2 products with a tape and at most 20 tapes", got)
	}
	if n := backend.(*cpu.Backend).Fallbacks(); len(n) != 0 {
		t.Errorf("fallbacks: %v", n)
	}
}

func BenchmarkVerify(b *testing.B) {
	backend := nntest.Backend(b)
	judged, err := verifier.Load(backend, clipart.Files, verifier.Options{})
	if err != nil {
		b.Fatal(err)
	}
	prompt, err := world.Parse("a photo of two clocks")
	if err != nil {
		b.Fatal(err)
	}
	seen := []reflectionflow.PromptedImage{{Prompt: prompt, Image: image.NewNRGBA(image.Rect(0, 0, 64, 64))}}
	for b.Loop() {
		if _, err := judged.Verify(b.Context(), seen); err != nil {
			b.Fatal(err)
		}
	}
}
