package genref

import (
	"context"
	"errors"
	"image"
	"maps"
	"testing"

	"reflectionflow"
)

var errServer = errors.New("the server answered 500")

// failingGenerator fails one image of a call, as a server does that runs out of memory.
type failingGenerator struct {
	fakeGenerator
	failingCall int
}

func (g *failingGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	out, err := g.fakeGenerator.Generate(ctx, requests)
	if err == nil && g.calls == g.failingCall {
		out[1] = reflectionflow.Generation{Err: errServer}
	}
	return out, err
}

func TestTransientFailureEndsTheBuildAndIsNotStored(t *testing.T) {
	want, dir := t.TempDir(), t.TempDir()
	build(t, want, 12)
	rule := testRule(nil)
	rule.Generator = &failingGenerator{failingCall: 4}
	if _, err := Build(t.Context(), dir, testPlan(t, 12), rule, nil); !errors.Is(err, errServer) || errors.Is(err, reflectionflow.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	build(t, dir, 12)
	if !maps.Equal(files(t, dir), files(t, want)) {
		t.Error("the resumed set differs from one without failures")
	}
}

// failingAnnotator loses its server on a call.
type failingAnnotator struct {
	fakeAnnotator
	failingCall int
}

func (a *failingAnnotator) Annotate(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Comparison, error) {
	if a.calls+1 == a.failingCall {
		a.failingCall = 0
		return nil, errServer
	}
	return a.fakeAnnotator.Annotate(ctx, pairs)
}

func TestFailureOfAnAnnotatorLeavesNoLines(t *testing.T) {
	want, dir := t.TempDir(), t.TempDir()
	build(t, want, 12)
	annotate(t, want, AnnotateOptions{Annotator: &fakeAnnotator{}, Name: "critic", Batch: 5})
	build(t, dir, 12)
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	options := AnnotateOptions{Annotator: &failingAnnotator{failingCall: 2}, Name: "critic", Batch: 5}
	if _, err := set.Annotate(t.Context(), options, nil); !errors.Is(err, errServer) || errors.Is(err, reflectionflow.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	if got := len(annotations(t, dir)); got != 5 {
		t.Errorf("%d lines, want those of the first batch", got)
	}
	annotate(t, dir, options)
	if files(t, dir)[annotationsName] != files(t, want)[annotationsName] {
		t.Error("the annotations differ from those without a failure")
	}
}

// silentVerifier does not judge images that show too few objects.
type silentVerifier struct{ fakeVerifier }

func (v silentVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := v.fakeVerifier.Verify(ctx, images)
	for i, m := range images {
		if m.Image.(*image.NRGBA).Pix[0] == showsTooFew {
			scores[i] = reflectionflow.Score{Unanswered: "the answer could not be read"}
		}
	}
	return scores, err
}

// Without its exclusion, the value 0 of an unjudged image would make it the best or the
// worst of its prompt.
func TestUnjudgedImagesAreSkipped(t *testing.T) {
	source := rewarded(ByRank)
	source.Config.Members[0].Verifier = silentVerifier{}
	source.Reflector = &changingReflector{}
	plan := testPlan(t, 12)
	plan.Source = "reward"
	dir := t.TempDir()
	m, err := Build(t.Context(), dir, plan, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples(t, dir) {
		for _, seed := range []uint64{s.Provenance.Enhanced.Seed, s.Provenance.Flawed.Seed} {
			if seed%7 == 1 || seed%7 == 3 {
				t.Errorf("%s: an unjudged image of seed %d", s.Key, seed)
			}
		}
	}
	if m.Effort().Skipped[SkippedUnjudged] == 0 {
		t.Errorf("skipped %v", m.Effort().Skipped)
	}
}

// A failed image is not a wrong one.
func TestPassRateCountsJudgedImages(t *testing.T) {
	var rates []float64
	f := ruleFiller{filler: filler{
		Engine: testEngine(nil), verifiers: []reflectionflow.Verifier{fakeVerifier{}}, skipped: make(map[string]int),
		shard: FillRequest{Count: 9, Add: func(s Sample) (bool, error) {
			rates = append(rates, s.Provenance.PassRate)
			return true, nil
		}},
	}, maxPairs: 9}
	f.Generator = &fakeGenerator{}
	prompt, err := twoDogs(nil)
	if err != nil {
		t.Fatal(err)
	}
	tasks := []task{{prompt: prompt}}
	for _, seed := range []uint64{0, 6, 1 + 7<<8, 3 + 7<<16, 6 + 7} { // right, failed, wrong, wrong, failed
		tasks[0].attempts = append(tasks[0].attempts, attempt{request: testImageConfig.request(prompt.Text, seed)})
	}
	if err := f.generate(t.Context(), tasks); err != nil {
		t.Fatal(err)
	}
	if err := f.pair(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	if len(rates) != 2 || rates[0] != 1.0/3 || rates[1] != 1.0/3 {
		t.Errorf("pass rates %v, want two of 1/3", rates)
	}
}
