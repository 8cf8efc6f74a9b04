package genref

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"reflectionflow"
)

func testCorrection(p *fakeGenerator) *Correction {
	return &Correction{
		Engine: testEngine(p), Verifier: fakeVerifier{},
		Config: CorrectionConfig{Images: 3, Corrections: 4, MaxPairs: 3, ImageConfig: testImageConfig},
	}
}

// recordingGenerator records the requests of corrections by seed.
type recordingGenerator struct {
	fakeGenerator
	corrections map[uint64]reflectionflow.Request
}

func (w *recordingGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	for _, r := range requests {
		if r.Reference != nil {
			w.corrections[r.Seed] = r
		}
	}
	return w.fakeGenerator.Generate(ctx, requests)
}

// captioning adds a caption to reflections.
type captioning struct{ reflectionflow.Reflector }

func (c captioning) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	reflections, err := c.Reflector.Reflect(ctx, observations)
	for i := range reflections {
		reflections[i].Caption = "one dog"
	}
	return reflections, err
}

func TestRightCorrectionsArePairedWithWrongImages(t *testing.T) {
	plan := testPlan(t, 23)
	plan.Source = "correction"
	source, seen := testCorrection(nil), &recordingGenerator{corrections: make(map[uint64]reflectionflow.Request)}
	source.Generator, source.Reflector = seen, captioning{source.Reflector}
	dir := t.TempDir()
	m, err := Build(context.Background(), dir, plan, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	parents, siblings := 0, 0
	for _, s := range samples(t, dir) {
		p := s.Provenance
		if s.Subset != "rule" || p.Source != "correction" || s.Reflection != "add one more dog" || !(p.PassRate > 0 && p.PassRate <= 1) {
			t.Errorf("%s: %q, %+v", s.Key, s.Reflection, p)
		}
		enhanced, corrected := seen.corrections[p.Enhanced.Seed]
		if !corrected || p.Enhanced.Score != showsRight || p.Flawed.Score != showsTooFew {
			t.Errorf("%s: the enhanced image is not a right correction: %+v", s.Key, p)
		}
		if enhanced.Reflection != s.Reflection || enhanced.Prompt != s.Prompt || enhanced.ReferenceCaption != "one dog" || p.Enhanced.ReferenceCaption != "one dog" {
			t.Errorf("%s: %+v", s.Key, enhanced)
		}
		if _, sibling := seen.corrections[p.Flawed.Seed]; sibling {
			siblings++
		} else {
			parents++
		}
	}
	if parents == 0 || siblings == 0 {
		t.Errorf("%d pairs with the wrong image, %d with other corrections of it", parents, siblings)
	}
	for _, reason := range []string{SkippedUncorrected, SkippedAllRight} {
		if m.Effort().Skipped[reason] == 0 {
			t.Errorf("no %s: %v", reason, m.Effort().Skipped)
		}
	}
}

// changingReflector never repeats an answer, as a language model may.
type changingReflector struct{ said int }

func (m *changingReflector) Reflect(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	out := make([]reflectionflow.Reflection, len(observations))
	for i := range out {
		m.said++
		out[i].Text = fmt.Sprintf("add one more dog, for the %dth time", m.said)
	}
	return out, nil
}

func TestTripletHasTheReflectionOfItsCorrection(t *testing.T) {
	plan := testPlan(t, 23)
	plan.Source = "correction"
	source, seen := testCorrection(nil), &recordingGenerator{corrections: make(map[uint64]reflectionflow.Request)}
	source.Generator, source.Reflector = seen, &changingReflector{}
	dir := t.TempDir()
	if _, err := Build(context.Background(), dir, plan, source, nil); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples(t, dir) {
		followed := seen.corrections[s.Provenance.Enhanced.Seed].Reflection
		if _, sibling := seen.corrections[s.Provenance.Flawed.Seed]; !sibling && s.Reflection != followed {
			t.Errorf("%s: %q, and the correction followed %q", s.Key, s.Reflection, followed)
		}
	}
}

func TestCorrectionConfigValidate(t *testing.T) {
	for _, c := range []CorrectionConfig{
		{Images: 0, Corrections: 1, MaxPairs: 1, ImageConfig: testImageConfig},
		{Images: 1, Corrections: 0, MaxPairs: 1, ImageConfig: testImageConfig},
		{Images: 1, Corrections: 1, MaxPairs: 0, ImageConfig: testImageConfig},
		{Images: 1, Corrections: maxImages + 1, MaxPairs: 1, ImageConfig: testImageConfig},
		{Images: 1, Corrections: 1, MaxPairs: 1},
	} {
		if err := c.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
