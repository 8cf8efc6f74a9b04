package genref

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/reflector"
)

// fakeGenerator makes images of one color: Seed % 7 decides what they show, other bits how
// they look. It can end a context on a given call.
type fakeGenerator struct {
	calls int
	stop  int // end the context on this call, 0 for never
	end   context.CancelFunc
}

// What an image shows, as its red value.
const (
	showsRight = 10 * iota
	showsTooFew
	showsUnsure
	showsWrongWithoutFix
	showsFailure
)

func (p *fakeGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	p.calls++
	if p.calls == p.stop {
		p.end()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []reflectionflow.Generation
	for _, r := range requests {
		m := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		c := color.NRGBA{R: []uint8{showsRight, showsTooFew, showsRight, showsTooFew, showsUnsure, showsWrongWithoutFix, showsFailure}[r.Seed%7], G: uint8(r.Seed >> 8), B: uint8(r.Seed >> 16), A: 255}
		if c.R == showsFailure {
			out = append(out, reflectionflow.Generation{Err: fmt.Errorf("seed %d: %w", r.Seed, reflectionflow.ErrPermanent)})
			continue
		}
		for i := range r.Width * r.Height {
			m.SetNRGBA(i%r.Width, i/r.Width, c)
		}
		out = append(out, reflectionflow.Generation{Image: m})
	}
	return out, nil
}

// fakeVerifier reads what the images of fakeGenerator show.
type fakeVerifier struct{}

func (fakeVerifier) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var out []reflectionflow.Score
	for _, p := range images {
		shows := p.Image.(*image.NRGBA).Pix[0]
		verdict := map[uint8]reflectionflow.Verdict{
			showsRight: reflectionflow.Met, showsTooFew: reflectionflow.NotMet,
			showsUnsure: reflectionflow.Unsure, showsWrongWithoutFix: reflectionflow.NotMet,
		}[shows]
		s := reflectionflow.Score{Value: float64(shows)}
		n := 2
		if shows == showsTooFew {
			n = 1
		}
		for i := range n {
			s.Objects = append(s.Objects, reflectionflow.Object{Class: "dog", Box: [4]float64{0.5 * float64(i), 0, 0.5*float64(i) + 0.5, 1}, Confidence: 1})
		}
		for _, r := range p.Prompt.Requirements {
			s.Requirements = append(s.Requirements, reflectionflow.Finding{Requirement: r, Verdict: verdict})
		}
		out = append(out, s)
	}
	return out, nil
}

// twoDogs always returns the same prompt.
func twoDogs(*rand.Rand) (reflectionflow.Prompt, error) { return clipart.Parse("a photo of two dogs") }

var testImageConfig = ImageConfig{Width: 16, Height: 16, Steps: 1, Guidance: 1, Batch: 3}

func testEngine(p *fakeGenerator) Engine {
	return Engine{Generator: p, Reflector: reflector.Embedded{}, Prompts: twoDogs, Model: "painter", Licence: "CC0-1.0"}
}

func testRule(p *fakeGenerator) *Rule {
	return &Rule{
		Engine:   testEngine(p),
		Verifier: fakeVerifier{},
		Config:   RuleConfig{Images: 6, MaxPairs: 2, ImageConfig: testImageConfig},
	}
}

func testPlan(t *testing.T, count int) Plan {
	t.Helper()
	settings, err := Settings(testRule(nil).Config)
	if err != nil {
		t.Fatal(err)
	}
	return Plan{Source: "rule", Seed: 3, Count: count, ShardSize: 5, Model: "painter", Licence: "CC0-1.0", Settings: settings}
}

// build builds a complete set.
func build(t *testing.T, dir string, count int) Manifest {
	t.Helper()
	m, err := Build(context.Background(), dir, testPlan(t, count), testRule(&fakeGenerator{}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
