package reflectionflow_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/search"
)

func gray(r reflectionflow.Request) image.Image {
	img := image.NewGray(image.Rect(0, 0, r.Width, r.Height))
	shade := uint8(r.Seed % 250)
	if r.Reference != nil {
		shade = 255
	}
	for i := range img.Pix {
		img.Pix[i] = shade + uint8(i%5)
	}
	return img
}

func brightness(img image.Image) float64 {
	b := img.Bounds()
	c, _ := color.GrayModel.Convert(img.At(b.Min.X, b.Min.Y)).(color.Gray)
	return float64(c.Y) / 255
}

var (
	generateGray reflectionflow.GeneratorFunc = func(_ context.Context, r reflectionflow.Request) (image.Image, error) {
		return gray(r), nil
	}
	verifyBright reflectionflow.VerifierFunc = func(_ context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		s := reflectionflow.Score{Value: brightness(p.Image)}
		for _, r := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: s.Value}
			if s.Value > 0.9 {
				f.Verdict = reflectionflow.Met
			}
			s.Requirements = append(s.Requirements, f)
		}
		return s, nil
	}
	reflectBright reflectionflow.ReflectorFunc = func(_ context.Context, o reflectionflow.Observation) (reflectionflow.Reflection, error) {
		return reflectionflow.Reflection{Text: "make it brighter"}, nil
	}
	refineBright reflectionflow.RefinerFunc = func(_ context.Context, o reflectionflow.Observation) (reflectionflow.Refinement, error) {
		return reflectionflow.Refinement{Text: o.Prompt.Text + ", bright"}, nil
	}
)

// TestFuncsConform: the function types keep the contracts.
func TestFuncsConform(t *testing.T) {
	prompt := reflectionflow.Prompt{Text: "a cat", Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1}}}
	var requests []reflectionflow.Request
	var images []reflectionflow.PromptedImage
	observations := []reflectionflow.Observation{{Prompt: prompt}}
	for seed := range uint64(3) {
		r := reflectionflow.Request{Prompt: "a cat", Seed: 40 * seed, Width: 32, Height: 16, Steps: 2, Guidance: 1}
		requests = append(requests, r)
		images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: gray(r)})
		observations = append(observations, reflectionflow.Observation{Prompt: prompt, Request: r, Image: gray(r)})
	}
	requests[2].Reference = gray(requests[0])
	conformance.Generator(t, generateGray, requests, conformance.Options{})
	conformance.Verifier(t, verifyBright, images, conformance.Options{})
	conformance.Reflector(t, reflectBright, observations, conformance.Options{})
	conformance.Refiner(t, refineBright, observations, conformance.Options{})
}

// TestFuncErrors: an image that fails alone leaves the others; any other part's error
// ends the call.
func TestFuncErrors(t *testing.T) {
	broken := errors.New("broken")
	g := reflectionflow.GeneratorFunc(func(_ context.Context, r reflectionflow.Request) (image.Image, error) {
		if r.Seed == 1 {
			return nil, broken
		}
		return gray(r), nil
	})
	r := reflectionflow.Request{Prompt: "a cat", Width: 16, Height: 16, Steps: 7, Guidance: 1}
	second := r
	second.Seed = 1
	out, err := g.Generate(t.Context(), []reflectionflow.Request{r, second})
	if err != nil || out[0].Err != nil || out[0].Image == nil || !errors.Is(out[1].Err, broken) || out[0].Cost.Images != 1 || out[0].Cost.DenoiseSteps != 7 {
		t.Errorf("got %+v, %v", out, err)
	}
	v := reflectionflow.VerifierFunc(func(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		return reflectionflow.Score{}, broken
	})
	if _, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: "a"}, Image: gray(r)}}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// A search over functions that serve one image at a time.
func Example() {
	s := &search.Search{Generator: generateGray, Verifier: verifyBright, Reflector: reflectBright, Refiner: refineBright}
	cfg := search.Default(search.Reflection)
	cfg.ImageWidth, cfg.ImageHeight, cfg.Steps = 64, 64, 1

	result, err := s.Run(context.Background(), reflectionflow.Prompt{
		Text:         "a bright cat",
		Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1}},
	}, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range result.Candidates {
		fmt.Printf("%d: %s, %q, %q, score %.2f\n", c.ID, c.Action, c.Request.Prompt, c.Request.Reflection, c.Score.Value)
	}
	fmt.Printf("best %d, %v, stopped: %s\n", result.Best, result.BestImage.Bounds().Size(), result.Stopped)
	// Output:
	// 0: explore, "a bright cat", "", score 0.39
	// 1: reflect, "a bright cat, bright", "make it brighter", score 1.00
	// best 1, (64,64), stopped: right
}

// GeneratorFunc wraps any code that makes one image from a prompt and a seed.
func ExampleGeneratorFunc() {
	var g reflectionflow.Generator = reflectionflow.GeneratorFunc(
		func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
			return image.NewRGBA(image.Rect(0, 0, r.Width, r.Height)), nil // call your model here
		})
	generations, err := g.Generate(context.Background(), []reflectionflow.Request{
		{Prompt: "a cat", Seed: 1, Width: 64, Height: 64, Steps: 4, Guidance: 3},
	})
	fmt.Println(generations[0].Image.Bounds().Size(), err)
	// Output: (64,64) <nil>
}
