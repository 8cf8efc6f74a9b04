package verifier

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/conformance"
)

// blank is image n, in which [scenic] sees everything that the prompt asks for if n is even.
func blank(n int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 4, 4))
	for i := range 16 {
		m.Set(i%4, i/4, color.RGBA{R: uint8(n), G: uint8(n >> 8), B: 1, A: 255})
	}
	return m
}

// scenic judges by the red of a pixel, and sees the objects of a right image or none.
type scenic struct{}

func (scenic) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var scores []reflectionflow.Score
	for _, p := range images {
		if err := errors.Join(p.Prompt.Validate(), checkImage(p.Image)); err != nil {
			return nil, err
		}
		b := p.Image.Bounds()
		r, _, _, _ := p.Image.At(b.Min.X, b.Min.Y).RGBA()
		s := reflectionflow.Score{Cost: reflectionflow.Cost{VerifierCalls: 1}, Objects: []reflectionflow.Object{
			{Class: "dog", Color: "red", Box: [4]float64{0.1, 0.4, 0.3, 0.6}, Confidence: 0.9},
			{Class: "cup", Color: "blue", Box: [4]float64{0.7, 0.4, 0.9, 0.6}, Confidence: 0.9},
		}}
		if r>>8%2 == 1 {
			s.Objects = []reflectionflow.Object{{Class: "tv", Box: [4]float64{0.1, 0.4, 0.3, 0.6}, Confidence: 0.9}}
		}
		for _, q := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: q, Verdict: reflectionflow.NotMet, Confidence: 0.1}
			if met, _ := clipart.Check(q, s.Objects); met {
				f.Verdict, f.Confidence = reflectionflow.Met, 0.9
			}
			s.Requirements = append(s.Requirements, f)
		}
		scores = append(scores, s)
	}
	return scores, ctx.Err()
}

func flipped(t *testing.T, o FlipOptions) *Flipped {
	t.Helper()
	f, err := NewFlipped(scenic{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func parsedPrompt(t *testing.T, text string) reflectionflow.Prompt {
	t.Helper()
	p, err := clipart.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFlippedConforms(t *testing.T) {
	var images []reflectionflow.PromptedImage
	for i, text := range []string{"a red dog left of a blue cup", "a dog and no tv", "two dogs", "a cup"} {
		images = append(images, reflectionflow.PromptedImage{Prompt: parsedPrompt(t, text), Image: blank(i)})
	}
	for _, systematic := range []bool{false, true} {
		conformance.Verifier(t, flipped(t, FlipOptions{Rate: 0.5, Systematic: systematic}), images, conformance.Options{})
	}
}

// The share of wrong verdicts is the rate, the errors at a rate are among those at a higher one,
// and images with the same verdicts are in random order.
func TestFlippedRate(t *testing.T) {
	const n = 4000
	prompt := parsedPrompt(t, "a dog")
	wrong := map[float64][]bool{}
	for _, rate := range []float64{0, 0.1, 0.3} {
		var images []reflectionflow.PromptedImage
		for i := range n {
			images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: blank(i)})
		}
		scores, err := flipped(t, FlipOptions{Rate: rate}).Verify(t.Context(), images)
		if err != nil {
			t.Fatal(err)
		}
		errs, first, firsts := 0, 0, 0
		for i, s := range scores {
			isWrong := s.Right() != (i%256%2 == 0)
			wrong[rate] = append(wrong[rate], isWrong)
			if isWrong {
				errs++
			}
			if k := i - 1; i > 0 && s.Right() && scores[k].Right() {
				firsts++
				if s.Value > scores[k].Value {
					first++
				}
			}
			if s.Right() && s.Value < 1 || !s.Right() && s.Value > 1 {
				t.Fatalf("value %v of a score with right %v", s.Value, s.Right())
			}
		}
		if got := float64(errs) / n; math.Abs(got-rate) > 0.02 {
			t.Errorf("rate %v: %v of the verdicts are wrong", rate, got)
		}
		if rate > 0 && math.Abs(float64(first)/float64(firsts)-0.5) > 0.08 {
			t.Errorf("rate %v: of two images that look right, the later one wins in %d of %d", rate, first, firsts)
		}
	}
	for i := range n {
		if wrong[0.1][i] && !wrong[0.3][i] {
			t.Fatalf("image %d is misjudged at 10%% and not at 30%%", i)
		}
	}
}

// A systematic error is the same on all images of a prompt, another prompt has others.
func TestFlippedSystematically(t *testing.T) {
	f := flipped(t, FlipOptions{Rate: 0.4, Systematic: true})
	errs := 0
	for k := range 60 {
		p := parsedPrompt(t, "a dog")
		p.Text = fmt.Sprintf("a dog, number %d", k)
		scores, err := f.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: p, Image: blank(0)}, {Prompt: p, Image: blank(1)}, {Prompt: p, Image: blank(2)}})
		if err != nil {
			t.Fatal(err)
		}
		a := !scores[0].Right()
		if scores[1].Right() != a || scores[2].Right() == a {
			t.Fatalf("prompt %d: the error is not the same on all images: %v", k, scores)
		}
		if a {
			errs++
		}
	}
	if errs < 12 || errs > 36 {
		t.Errorf("%d of 60 prompts are misread at a rate of 40%%", errs)
	}
}

// The objects show what the verdicts say, so that a reflection words the wrong verdict.
func TestFlippedObjects(t *testing.T) {
	f := flipped(t, FlipOptions{Rate: 0.3, Seed: 5})
	flips := 0
	for _, text := range []string{"a dog", "a red dog", "exactly one dog", "two dogs", "two red dogs", "no tv and a dog", "a dog left of a cup", "a cup left of a dog", "at least two cups"} {
		prompt := parsedPrompt(t, text)
		for i := range 200 {
			scores, err := f.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: blank(i)}})
			if err != nil {
				t.Fatal(err)
			}
			s := scores[0]
			if len(prompt.Requirements) > 1 {
				continue // several errors may contradict each other
			}
			flips++
			for _, got := range s.Requirements {
				if met, _ := clipart.Check(got.Requirement, s.Objects); met != (got.Verdict == reflectionflow.Met) {
					t.Fatalf("%s, image %d: verdict %s on %s, objects %+v", text, i, got.Verdict, got.Requirement, s.Objects)
				}
			}
		}
	}
	if flips == 0 {
		t.Error("nothing was checked")
	}
}

func TestFlippedRefuses(t *testing.T) {
	for name, make := range map[string]func() (*Flipped, error){
		"rate":        func() (*Flipped, error) { return NewFlipped(scenic{}, FlipOptions{Rate: 0.6}) },
		"no verifier": func() (*Flipped, error) { return NewFlipped(nil, FlipOptions{}) },
		"no findings": func() (*Flipped, error) { return NewFlipped(rewarded{}, FlipOptions{}) },
	} {
		if _, err := make(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
