package search_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/search"
)

// refusing fails the images of the original prompt, permanently or not.
func refusing(err error) func(reflectionflow.Request) error {
	return func(r reflectionflow.Request) error {
		if r.Prompt == prompt.Text {
			return err
		}
		return nil
	}
}

// TestRefusedPromptIsRewritten: a prompt that the generator refuses permanently is
// rewritten within the budget, also after an interruption at any candidate.
func TestRefusedPromptIsRewritten(t *testing.T) {
	refused := fmt.Errorf("%w: moderated", reflectionflow.ErrPermanent)
	for _, strategy := range []string{search.NoisePrompt, search.Reflection, search.Adaptive} {
		open := func(journal *disk) *search.Search {
			s := fakes()
			s.Generator, s.Journal = &fakeGenerator{fail: refusing(refused)}, journal
			return s
		}
		whole := &disk{}
		cfg := config(strategy, 1, 4)
		if cfg.Adaptive != nil {
			cfg.Adaptive.Abandon = false
		}
		res := mustRun(t, open(whole), cfg)
		second := res.Candidates[1]
		if !res.Candidates[0].Permanent || second.Action != reflectionflow.Rewrite || second.Parent != -1 || second.Request.Prompt != prompt.Text+" clearly" || second.Error != "" || len(res.Candidates) != 4 {
			t.Errorf("%s: after the refusal comes %+v", strategy, second)
		}
		for n := range len(whole.lines) {
			journal := whole.prefix(n)
			if got := mustRun(t, open(journal), cfg); encode(t, got) != encode(t, res) || journal.text() != whole.text() {
				t.Errorf("%s: resumed at %d: another result", strategy, n)
			}
		}
	}
}

// TestRefusedImageStartsAgain: without a refiner the chain starts from other noise.
func TestRefusedImageStartsAgain(t *testing.T) {
	first := mustRun(t, fakes(), config(search.Noise, 1, 1)).Candidates[0].Request.Seed
	s := fakes()
	s.Generator = &fakeGenerator{fail: func(r reflectionflow.Request) error {
		if r.Seed == first {
			return reflectionflow.ErrPermanent
		}
		return nil
	}}
	cfg := config(search.Reflection, 1, 4)
	cfg.Axes.Prompt = false
	res := mustRun(t, s, cfg)
	if c := res.Candidates[1]; c.Action != reflectionflow.Explore || c.Error != "" || len(res.Candidates) != 4 || res.Candidates[2].Parent != 1 {
		t.Errorf("got %+v", res.Candidates)
	}
}

// retryable counts the candidates whose places a resumed search tries again.
func retryable(res reflectionflow.Result) int {
	n := 0
	for _, c := range res.Candidates {
		if c.Retryable() {
			n++
		}
	}
	return n
}

// TestResumeTriesFailedImagesAgain: a failed image costs its place until the search is
// resumed; a permanent failure is not repeated.
func TestResumeTriesFailedImagesAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		strategy string
		width    int
		err      error
		again    int
	}{
		"noise":               {search.Noise, 2, errBroken, 2},
		"reflection":          {search.Reflection, 1, errBroken, 2},
		"adaptive":            {search.Adaptive, 1, errBroken, 2},
		"adaptive, permanent": {search.Adaptive, 1, reflectionflow.ErrPermanent, 0},
		"noise, permanent":    {search.Noise, 2, reflectionflow.ErrPermanent, 0},
	} {
		journal := &disk{}
		made := 0
		s := fakes()
		s.Journal = journal
		s.Generator = &fakeGenerator{fail: func(reflectionflow.Request) error {
			if made++; made <= 2 {
				return tt.err
			}
			return nil
		}}
		cfg := config(tt.strategy, tt.width, 6)
		if cfg.Adaptive != nil {
			cfg.Adaptive.Abandon = false
		}
		res := mustRun(t, s, cfg)
		if len(res.Candidates) != 6 || res.Stopped != reflectionflow.StoppedBudget || retryable(res) != tt.again || res.Best < 2 {
			t.Errorf("%s: %d candidates, stopped %q, %d retryable", name, len(res.Candidates), res.Stopped, retryable(res))
		}
		resumed := mustRun(t, s, cfg)
		usable := slices.DeleteFunc(slices.Clone(resumed.Candidates), func(c reflectionflow.Candidate) bool { return c.Error != "" })
		if len(resumed.Candidates) != 6+tt.again || len(usable) != 4+tt.again || encode(t, resumed.Candidates[:6]) != encode(t, res.Candidates) {
			t.Errorf("%s: resumed to %d candidates, %d of them usable", name, len(resumed.Candidates), len(usable))
		}
		third := mustRun(t, s, cfg)
		if encode(t, third) != encode(t, resumed) {
			t.Errorf("%s: the third call gives another result", name)
		}
	}
}

// TestResumeAfterNoImage: a search that failed as a whole is tried again.
func TestResumeAfterNoImage(t *testing.T) {
	journal := &disk{}
	s := fakes()
	s.Journal, s.Generator = journal, &fakeGenerator{fail: func(reflectionflow.Request) error { return errBroken }}
	cfg := config(search.Reflection, 1, 3)
	res, err := s.Run(t.Context(), prompt, cfg)
	if err == nil || res.Stopped != reflectionflow.StoppedFailed || len(res.Candidates) != 3 {
		t.Fatalf("%d candidates, stopped %q, error %v", len(res.Candidates), res.Stopped, err)
	}
	s.Generator = &fakeGenerator{}
	if res := mustRun(t, s, cfg); len(res.Candidates) != 6 || res.Best < 3 || res.Stopped != reflectionflow.StoppedBudget {
		t.Errorf("resumed: %d candidates, best %d, stopped %q", len(res.Candidates), res.Best, res.Stopped)
	}
}

// TestFailuresInARow: a generator that fails from some image on stops the search
// before its budget is spent, and says so; the best image stays.
func TestFailuresInARow(t *testing.T) {
	made := 0
	s := fakes()
	s.Generator = &fakeGenerator{fail: func(reflectionflow.Request) error {
		if made++; made > 2 {
			return errBroken
		}
		return nil
	}}
	res := mustRun(t, s, config(search.Noise, 1, 50))
	if len(res.Candidates) != 10 || res.Best < 0 || res.Stopped != reflectionflow.StoppedFailed {
		t.Errorf("%d candidates, best %d, stopped %q; want 2 and 8 failures", len(res.Candidates), res.Best, res.Stopped)
	}
}

// retriedError is of a generator that has repeated the call itself.
type retriedError struct{ error }

func (retriedError) Retried() bool { return true }

// TestGeneratorCallIsRepeated: a call that fails as a whole is made three times at
// most, and costs nothing if it succeeds then.
func TestGeneratorCallIsRepeated(t *testing.T) {
	want := encode(t, mustRun(t, fakes(), config(search.Adaptive, 2, 6)))
	for name, tt := range map[string]struct {
		err          error
		fails, calls int
	}{
		"once":      {errBroken, 1, 2},
		"twice":     {errBroken, 2, 3},
		"always":    {errBroken, 100, 3},
		"permanent": {reflectionflow.ErrPermanent, 100, 1},
		"invalid":   {reflectionflow.ErrInvalid, 100, 1},
		"retried":   {retriedError{errBroken}, 100, 1},
	} {
		inner, calls := &fakeGenerator{}, 0
		s := fakes()
		s.Generator = failingPreviewer{inner, func() error {
			if calls++; calls <= tt.fails {
				return tt.err
			}
			return nil
		}}
		cfg := config(search.Adaptive, 2, 6)
		cfg.Batch = 1
		res, err := s.Run(t.Context(), prompt, cfg)
		if tt.fails < 3 {
			if err != nil || encode(t, res) != want {
				t.Errorf("%s: error %v, or another result", name, err)
			}
		} else if !errors.Is(err, tt.err) || calls != tt.calls {
			t.Errorf("%s: %d calls, error %v, want %d calls", name, calls, err, tt.calls)
		}
	}
}

// failingPreviewer fails whole calls, after the previews were made.
type failingPreviewer struct {
	*fakeGenerator
	fail func() error
}

func (f failingPreviewer) Generate(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.fakeGenerator.Generate(ctx, r)
}

func (f failingPreviewer) Finish(ctx context.Context, p []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.fakeGenerator.Finish(ctx, p)
}

// unanswering is a verifier whose model gives no usable answer to some images.
func unanswering(answers func(n int) bool) verify {
	inner, n := &fakeVerifier{}, 0
	return func(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
		scores, err := inner.Verify(ctx, p)
		for i := range scores {
			if n++; !answers(n) {
				scores[i] = reflectionflow.Score{Unanswered: "the answer is prose", Value: 99, Cost: scores[i].Cost}
			}
		}
		return scores, err
	}
}

// TestNoUsableVerdict: a search in which the verifier judged no image fails and says
// why; one verdict is enough for a result, and an image without one is never the best.
func TestNoUsableVerdict(t *testing.T) {
	journal := &disk{}
	s := fakes()
	s.Journal, s.Verifier = journal, unanswering(func(int) bool { return false })
	cfg := config(search.Reflection, 1, 4)
	res, err := s.Run(t.Context(), prompt, cfg)
	if err == nil || !strings.Contains(err.Error(), "the verifier judged no image: image 0: the answer is prose") || res.Best != -1 || res.Stopped != reflectionflow.StoppedFailed {
		t.Errorf("best %d, stopped %q, error %v", res.Best, res.Stopped, err)
	}
	s.Verifier = &fakeVerifier{}
	if res := mustRun(t, s, cfg); len(res.Candidates) != 8 || res.Best < 4 {
		t.Errorf("resumed: %d candidates, best %d", len(res.Candidates), res.Best)
	}
	for _, strategy := range search.Strategies() {
		s := fakes()
		s.Verifier = unanswering(func(n int) bool { return n%2 == 0 })
		if res := mustRun(t, s, config(strategy, 1, 4)); res.Best%2 != 1 {
			t.Errorf("%s: best is %d, which has no verdict", strategy, res.Best)
		}
	}
}

// TestIgnoredSeeds: equal images of different seeds mark the candidates as unseeded.
func TestIgnoredSeeds(t *testing.T) {
	var warned []string
	s := fakes()
	s.Generator = generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
		r = slices.Clone(r)
		for i := range r {
			r[i].Seed = 5
		}
		return (&fakeGenerator{}).Generate(ctx, r)
	})
	s.Notify = func(e search.Event) {
		if e.Kind == search.Scored {
			warned = append(warned, e.Candidate.Warnings...)
		}
	}
	for i, c := range mustRun(t, s, config(search.Noise, 2, 3)).Candidates {
		want := []string{"the image is identical to that of candidate 0, which has another seed: the generator ignores seeds"}
		if i == 0 {
			want = nil
		}
		if c.Unseeded != (i > 0) || !slices.Equal(c.Warnings, want) {
			t.Errorf("candidate %d: unseeded %v, warnings %q", i, c.Unseeded, c.Warnings)
		}
	}
	if len(warned) != 2 {
		t.Errorf("events show %q", warned)
	}
	for _, c := range mustRun(t, fakes(), config(search.Reflection, 2, 6)).Candidates {
		if c.Unseeded || len(c.Warnings) > 0 {
			t.Errorf("candidate %d: %q", c.ID, c.Warnings)
		}
	}
}

// TestBlankImages: an image of one color is a candidate with a warning.
func TestBlankImages(t *testing.T) {
	for name, tt := range map[string]struct {
		paint func(x int) color.NRGBA
		want  []string
	}{
		"black":        {func(int) color.NRGBA { return color.NRGBA{A: 255} }, []string{"the image is blank: every pixel has the color #000000"}},
		"nearly green": {func(x int) color.NRGBA { return color.NRGBA{16, 200 + uint8(x%3), 32, 255} }, []string{"the image is blank: every pixel has the color #10c820"}},
		"faint stripe": {func(x int) color.NRGBA { return color.NRGBA{A: 255, R: uint8(x % 4)} }, nil},
	} {
		s := fakes()
		s.Generator = reflectionflow.GeneratorFunc(func(_ context.Context, r reflectionflow.Request) (image.Image, error) {
			img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
			for i := range r.Width * r.Height {
				img.SetNRGBA(i%r.Width, i/r.Width, tt.paint(i%r.Width))
			}
			return img, nil
		})
		c := mustRun(t, s, config(search.Noise, 1, 2)).Candidates[0]
		if !slices.Equal(c.Warnings, tt.want) || c.Error != "" {
			t.Errorf("%s: got warnings %q, error %q", name, c.Warnings, c.Error)
		}
	}
}

// TestRefusedCorrectionFailsAlone: a generator that checks nothing before it generates
// refuses a rewritten prompt by an error of the whole call: that candidate fails, and
// no other, whatever the batch.
func TestRefusedCorrectionFailsAlone(t *testing.T) {
	var want string
	for batch := 1; batch <= 3; batch++ {
		inner := &vocabulary{unknown: "clearly"}
		s := fakes()
		s.Generator = generate(inner.Generate)
		cfg := config(search.NoisePrompt, 3, 6)
		cfg.Batch = batch
		res := mustRun(t, s, cfg)
		for i, c := range res.Candidates {
			if failed := i >= 3; (c.Error != "") != failed || c.Permanent != failed {
				t.Errorf("batch %d: candidate %d: error %q", batch, i, c.Error)
			}
		}
		if got := encode(t, res); want == "" {
			want = got
		} else if got != want {
			t.Errorf("batch %d gives another result", batch)
		}
	}
}
