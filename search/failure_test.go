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

// valueOnly is a verifier that declares that it gives no findings, and gives none.
type valueOnly struct{ critic }

func (v *valueOnly) Abilities() reflectionflow.Abilities { return reflectionflow.Abilities{} }

func (v *valueOnly) Verify(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := v.critic.Verify(ctx, p)
	for i := range scores {
		scores[i].Requirements = nil
	}
	return scores, err
}

// ruleCoach is a reflector that works from findings alone.
type ruleCoach struct{ coach }

func (ruleCoach) NeedsFindings() bool { return true }

func (c ruleCoach) Reflect(ctx context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	c.silent = func(o reflectionflow.Observation) bool { return len(o.Score.Requirements) == 0 }
	return c.coach.Reflect(ctx, o)
}

// vocabulary is a generator that checks requests: it knows some words only, and may
// take no reference image.
type vocabulary struct {
	painter
	unknown    string
	noCorrects bool
}

func (v *vocabulary) Check(r reflectionflow.Request) error {
	if strings.Contains(r.Text(), v.unknown) {
		return fmt.Errorf("%w: the model does not know the word %q", reflectionflow.ErrInvalid, v.unknown)
	}
	if r.Reference != nil && v.noCorrects {
		return fmt.Errorf("%w: the model takes no reference image", reflectionflow.ErrInvalid)
	}
	return r.Validate()
}

func (v *vocabulary) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	for _, r := range requests {
		if err := v.Check(r); err != nil {
			return nil, err
		}
	}
	return v.painter.Generate(ctx, requests)
}

// TestPartsThatCannotCorrect: a search that would never correct an image is refused
// before it generates one; one that needs no correction is not.
func TestPartsThatCannotCorrect(t *testing.T) {
	for name, tt := range map[string]struct {
		strategy string
		change   func(*search.Search)
		depth    int
		refused  string
	}{
		"value and rule":              {search.Reflection, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleCoach{} }, 0, "the verifier gives none"},
		"value and rule, adaptive":    {search.Adaptive, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleCoach{} }, 0, "the verifier gives none"},
		"value and rule, prompt axis": {search.NoisePrompt, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleCoach{} }, 0, ""},
		"value and rule, one round":   {search.Reflection, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleCoach{} }, 1, ""},
		"findings and rule":           {search.Reflection, func(s *search.Search) { s.Reflector = ruleCoach{} }, 0, ""},
		"value and a looking one":     {search.Reflection, func(s *search.Search) { s.Verifier = &valueOnly{} }, 0, ""},
		"no corrector":                {search.Reflection, func(s *search.Search) { s.Generator = &vocabulary{unknown: "?", noCorrects: true} }, 0, "takes no reference image"},
		"no corrector, prompt axis":   {search.NoisePrompt, func(s *search.Search) { s.Generator = &vocabulary{unknown: "?", noCorrects: true} }, 0, ""},
		"unknown word of the user":    {search.Noise, func(s *search.Search) { s.Generator = &vocabulary{unknown: "clocks"} }, 0, `does not know the word "clocks"`},
	} {
		s := fakes()
		tt.change(s)
		cfg := config(tt.strategy, 1, 4)
		cfg.Depth = tt.depth
		res, err := s.Run(t.Context(), prompt, cfg)
		switch {
		case tt.refused == "":
			if err != nil {
				t.Errorf("%s: got error %v", name, err)
			}
		case !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), tt.refused) || len(res.Candidates) > 0:
			t.Errorf("%s: %d candidates, error %v, want one with %q", name, len(res.Candidates), err, tt.refused)
		}
	}
}

// TestReflectionWithoutFindings: a reflector that looks at the image corrects it
// although the verifier gives a value only; one that has no findings to work from says
// so in the record.
func TestReflectionWithoutFindings(t *testing.T) {
	s := fakes()
	s.Verifier = &valueOnly{}
	if c := mustRun(t, s, config(search.Reflection, 1, 2)).Candidates[1]; c.Action != reflectionflow.Reflect {
		t.Errorf("got %s, want a correction", c.Action)
	}
	s.Verifier, s.Reflector = verify((&valueOnly{}).Verify), ruleCoach{} // declares nothing
	cfg := config(search.Reflection, 1, 2)
	cfg.Axes.Prompt = false
	if c := mustRun(t, s, cfg).Candidates[1]; c.Action != reflectionflow.Explore || c.Reason != "no reflection: the verifier has no findings on #0" {
		t.Errorf("got %s, %q", c.Action, c.Reason)
	}
}

// refusing fails the images of a prompt as given, for good or not.
func refusing(err error) func(reflectionflow.Request) error {
	return func(r reflectionflow.Request) error {
		if r.Prompt == prompt.Text {
			return err
		}
		return nil
	}
}

// TestRefusedPromptIsRewritten: a prompt that the generator refuses for good is
// rewritten within the budget, and resumed so at every prefix.
func TestRefusedPromptIsRewritten(t *testing.T) {
	refused := fmt.Errorf("%w: moderated", reflectionflow.ErrPermanent)
	for _, strategy := range []string{search.NoisePrompt, search.Reflection, search.Adaptive} {
		open := func(journal *disk) *search.Search {
			s := fakes()
			s.Generator, s.Journal = &painter{fail: refusing(refused)}, journal
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
	s.Generator = &painter{fail: func(r reflectionflow.Request) error {
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

// TestResumeTriesFailedImagesAgain: a failed image costs its place until the search is
// resumed; a permanent failure costs it for good.
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
		s.Generator = &painter{fail: func(reflectionflow.Request) error {
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
		if len(res.Candidates) != 6 || res.Stopped != reflectionflow.StoppedBudget || res.Retryable() != tt.again || res.Best < 2 {
			t.Errorf("%s: %d candidates, stopped %q, %d retryable", name, len(res.Candidates), res.Stopped, res.Retryable())
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
	s.Journal, s.Generator = journal, &painter{fail: func(reflectionflow.Request) error { return errBroken }}
	cfg := config(search.Reflection, 1, 3)
	res, err := s.Run(t.Context(), prompt, cfg)
	if err == nil || res.Stopped != reflectionflow.StoppedFailed || len(res.Candidates) != 3 {
		t.Fatalf("%d candidates, stopped %q, error %v", len(res.Candidates), res.Stopped, err)
	}
	s.Generator = &painter{}
	if res := mustRun(t, s, cfg); len(res.Candidates) != 6 || res.Best < 3 || res.Stopped != reflectionflow.StoppedBudget {
		t.Errorf("resumed: %d candidates, best %d, stopped %q", len(res.Candidates), res.Best, res.Stopped)
	}
}

// TestFailuresInARow: a generator that fails from some image on stops the search
// before its budget is spent, and says so; the best image stays.
func TestFailuresInARow(t *testing.T) {
	made := 0
	s := fakes()
	s.Generator = &painter{fail: func(reflectionflow.Request) error {
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
		inner, calls := &painter{}, 0
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
	*painter
	fail func() error
}

func (f failingPreviewer) Generate(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.painter.Generate(ctx, r)
}

func (f failingPreviewer) Finish(ctx context.Context, p []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.painter.Finish(ctx, p)
}

// unanswering is a verifier whose model gives no usable answer to some images.
func unanswering(answers func(n int) bool) verify {
	inner, n := &critic{}, 0
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
	if err == nil || !strings.Contains(err.Error(), "the verifier judged no image: candidate 0: the answer is prose") || res.Best != -1 || res.Stopped != reflectionflow.StoppedFailed {
		t.Errorf("best %d, stopped %q, error %v", res.Best, res.Stopped, err)
	}
	s.Verifier = &critic{}
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
		return (&painter{}).Generate(ctx, r)
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

// TestUnusableTexts: what a refiner or a reflector writes and the generator cannot be
// given is dropped with a note; the search continues, and is resumed to the same bytes.
func TestUnusableTexts(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	says := func(text string) coach {
		return coach{refines: func(reflectionflow.Observation) string { return text }}
	}
	reflecting := func(text string) reflects {
		return func(_ context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
			out := make([]reflectionflow.Reflection, len(o))
			for i := range out {
				out[i].Text = text
			}
			return out, nil
		}
	}
	for name, tt := range map[string]struct {
		strategy string
		change   func(*search.Search)
		want     string
		action   reflectionflow.Action
	}{
		"unknown word":      {search.NoisePrompt, func(s *search.Search) { s.Refiner = says("two cinematic clocks") }, `rewritten prompt dropped: the model does not know the word "cinematic"`, reflectionflow.Explore},
		"bytes":             {search.NoisePrompt, func(s *search.Search) { s.Refiner = says("two \xff clocks") }, "rewritten prompt dropped: it is not valid UTF-8", reflectionflow.Explore},
		"too long":          {search.NoisePrompt, func(s *search.Search) { s.Refiner = says(long) }, "rewritten prompt dropped: it has 4999 bytes, at most 4096 are allowed", reflectionflow.Explore},
		"reflection":        {search.Reflection, func(s *search.Search) { s.Refiner, s.Reflector = says(""), reflecting(long) }, "reflection dropped: it has 4999 bytes, at most 4096 are allowed", reflectionflow.Explore},
		"reflection's word": {search.Reflection, func(s *search.Search) { s.Refiner, s.Reflector = says(""), reflecting("make it cinematic") }, `reflection dropped: the model does not know the word "cinematic"`, reflectionflow.Explore},
		"both axes":         {search.Reflection, func(s *search.Search) { s.Refiner = says("two cinematic clocks") }, `rewritten prompt dropped: the model does not know the word "cinematic"`, reflectionflow.Reflect},
	} {
		t.Run(name, func(t *testing.T) {
			open := func(journal *disk) *search.Search {
				s := fakes()
				s.Generator, s.Journal = &vocabulary{unknown: "cinematic"}, journal
				tt.change(s)
				return s
			}
			whole := &disk{}
			cfg := config(tt.strategy, 1, 3)
			res := mustRun(t, open(whole), cfg)
			if c := res.Candidates[1]; c.Action != tt.action || c.Reason != tt.want || c.Error != "" || len(res.Candidates) != 3 {
				t.Errorf("got %s, %q, want %s, %q", c.Action, c.Reason, tt.action, tt.want)
			}
			for n := range len(whole.lines) {
				if got := mustRun(t, open(whole.prefix(n)), cfg); encode(t, got) != encode(t, res) {
					t.Errorf("resumed at %d: another result", n)
				}
			}
		})
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

// TestBestImage: a search without a journal returns the best image; with one, the
// journal has it.
func TestBestImage(t *testing.T) {
	s := fakes()
	res := mustRun(t, s, config(search.Reflection, 2, 6))
	journal := &search.Memory{}
	s = fakes()
	s.Journal = journal
	kept := mustRun(t, s, config(search.Reflection, 2, 6))
	if res.BestImage == nil || read(res.BestImage) != read(journal.Image(res.Best)) || kept.BestImage != nil {
		t.Errorf("best images: %v without and %v with a journal", res.BestImage, kept.BestImage)
	}
	s.Journal = search.Discard
	if res := mustRun(t, s, config(search.Reflection, 2, 6)); res.BestImage != nil {
		t.Error("an image is kept although the journal discards it")
	}
}
