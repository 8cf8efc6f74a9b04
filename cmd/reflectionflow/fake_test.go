package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing/fstest"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/internal/assemble"
	"reflectionflow/nn"
	"reflectionflow/search"
)

// The fake model generates stripes. The request is encoded in the pixels, so that its
// verifier needs the image alone. A correction improves an image, and every image is
// deterministic in its request.

// fakeModel knows two objects. Each image takes the delay, so that tests can
// interrupt a run.
func fakeModel(delay time.Duration) assemble.Model {
	policy := search.DefaultPolicy()
	policy.Early = search.Early{Share: 0.25, Least: math.Log(0.1), Tries: 2}
	return assemble.Model{
		Name: "stripes", Summary: "stripes for tests", Card: "# Stripes\n\nA model for tests.",
		Width: 32, Height: 32, Steps: 4, Guidance: 1,
		Classes: []string{"clock", "cup"}, Colors: []string{"red", "blue"},
		Parse:  assemble.Free(clipart.Parse),
		Policy: &policy, Abilities: reflectionflow.Abilities{EveryKind: true}, NeedsFindings: true,
		Verify: checkFake, Check: checkFake,
		Open: func(_ context.Context, backend string) (*assemble.Engine, error) {
			if _, err := nn.OpenBackend(backend); err != nil {
				return nil, err
			}
			if os.Getenv("FAKE_PANIC") != "" {
				panic("stripes\nare broken")
			}
			f := fake{delay}
			return &assemble.Engine{Generator: f, Verifier: f, Reflector: f, Refiner: f}, nil
		},
	}
}

func checkFake(ctx context.Context) (string, error) {
	return assemble.Fingerprint(ctx, fstest.MapFS{"model/stripes": {Data: []byte("red, blue")}, "README.md": {Data: []byte("#")}})
}

// fakeImages counts the images of the process.
var fakeImages atomic.Int64

// fakeFailure fails the images that the environment names: FAKE_FAIL="0-2 for good" the
// first two, permanently. FAKE_REFUSE fails the requests that contain it, permanently;
// FAKE_BLANK makes all images blank.
func fakeFailure() error {
	var from, to int64
	n, _ := fmt.Sscanf(os.Getenv("FAKE_FAIL"), "%d-%d", &from, &to)
	if i := fakeImages.Add(1) - 1; n < 2 || i < from || i >= to {
		return nil
	}
	if strings.HasSuffix(os.Getenv("FAKE_FAIL"), "for good") {
		return fmt.Errorf("the image was refused: %w", reflectionflow.ErrPermanent)
	}
	return errors.New("the connection broke")
}

type fake struct{ delay time.Duration }

func (f fake) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	var out []reflectionflow.Generation
	for _, r := range requests {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(f.delay):
		}
		err := fakeFailure()
		if refused := os.Getenv("FAKE_REFUSE"); refused != "" && strings.Contains(r.Prompt+" "+r.Reflection, refused) {
			err = fmt.Errorf("%q is not allowed: %w", refused, reflectionflow.ErrPermanent)
		}
		if err != nil {
			out = append(out, reflectionflow.Generation{Err: err})
			continue
		}
		quality := uint8(r.Seed % 60)
		if r.Reference != nil {
			was, _, _, _ := r.Reference.At(0, 0).RGBA()
			quality += uint8(was>>8)/2 + 40
		}
		m := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		for i := range r.Width * r.Height {
			if os.Getenv("FAKE_BLANK") != "" {
				break
			}
			m.Set(i%r.Width, i/r.Width, color.NRGBA{R: quality, G: uint8(r.Seed >> 8), B: uint8(i + len(r.Prompt+r.Reflection)), A: 255})
		}
		out = append(out, reflectionflow.Generation{Image: m, Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: r.Steps, Seconds: f.delay.Seconds()}})
	}
	return out, nil
}

func (f fake) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	generations, err := f.Generate(ctx, requests)
	var out []reflectionflow.Preview
	for i, g := range generations {
		out = append(out, reflectionflow.Preview{
			Request: requests[i], Steps: steps, Image: g.Image, State: f, Cost: reflectionflow.Cost{DenoiseSteps: steps},
		})
	}
	return out, err
}

func (f fake) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	var requests []reflectionflow.Request
	for _, v := range previews {
		requests = append(requests, v.Request)
	}
	generations, err := f.Generate(ctx, requests)
	for i := range generations {
		generations[i].Cost.DenoiseSteps -= previews[i].Steps
	}
	return generations, err
}

func (f fake) VerifyPreviews(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return f.Verify(ctx, images)
}

func (f fake) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var out []reflectionflow.Score
	for _, p := range images {
		r, g, _, _ := p.Image.At(0, 0).RGBA()
		s := reflectionflow.Score{Value: float64(r>>8)/256 + float64(g>>8)/1e6, Cost: reflectionflow.Cost{VerifierCalls: 1}}
		for i, requirement := range p.Prompt.Requirements {
			finding := reflectionflow.Finding{Requirement: requirement, Verdict: reflectionflow.NotMet, Confidence: s.Value}
			if s.Value > 0.3+0.08*float64(i) {
				finding.Verdict = reflectionflow.Met
				finding.Evidence = []reflectionflow.Object{{Class: requirement.Object, Box: [4]float64{0, 0, 0.5, 0.5}, Confidence: 0.9}}
			}
			s.Requirements = append(s.Requirements, finding)
		}
		out = append(out, s)
	}
	return out, nil
}

func (f fake) Reflect(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	var out []reflectionflow.Reflection
	for _, o := range observations {
		text := "Make it better."
		for _, finding := range o.Score.Requirements {
			if finding.Verdict == reflectionflow.NotMet {
				text = "Add one more " + finding.Requirement.Object + "."
				break
			}
		}
		out = append(out, reflectionflow.Reflection{Text: text})
	}
	return out, nil
}

func (f fake) Refine(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	var out []reflectionflow.Refinement
	for _, o := range observations {
		out = append(out, reflectionflow.Refinement{Text: fmt.Sprintf("%s, clearly, take %d", o.Prompt.Text, o.Seed%10)})
	}
	return out, nil
}
