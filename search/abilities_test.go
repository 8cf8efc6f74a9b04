package search_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/search"
)

// valueOnly is a verifier that declares that it gives no findings, and gives none.
type valueOnly struct{ fakeVerifier }

func (v *valueOnly) Abilities() reflectionflow.Abilities { return reflectionflow.Abilities{} }

func (v *valueOnly) Verify(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := v.fakeVerifier.Verify(ctx, p)
	for i := range scores {
		scores[i].Requirements = nil
	}
	return scores, err
}

// ruleReflector is a reflector that works from findings alone.
type ruleReflector struct{ fakeWriter }

func (ruleReflector) NeedsFindings() bool { return true }

func (c ruleReflector) Reflect(ctx context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	c.silent = func(o reflectionflow.Observation) bool { return len(o.Score.Requirements) == 0 }
	return c.fakeWriter.Reflect(ctx, o)
}

// vocabulary is a generator that checks requests: it knows some words only, and may
// take no reference image.
type vocabulary struct {
	fakeGenerator
	unknown    string
	noCorrects bool
}

func (v *vocabulary) Check(r reflectionflow.Request) error {
	if strings.Contains(text(r), v.unknown) {
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
	return v.fakeGenerator.Generate(ctx, requests)
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
		"value and rule":              {search.Reflection, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleReflector{} }, 0, "the verifier gives none"},
		"value and rule, adaptive":    {search.Adaptive, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleReflector{} }, 0, "the verifier gives none"},
		"value and rule, prompt axis": {search.NoisePrompt, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleReflector{} }, 0, ""},
		"value and rule, one round":   {search.Reflection, func(s *search.Search) { s.Verifier, s.Reflector = &valueOnly{}, ruleReflector{} }, 1, ""},
		"findings and rule":           {search.Reflection, func(s *search.Search) { s.Reflector = ruleReflector{} }, 0, ""},
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
	s.Verifier, s.Reflector = verify((&valueOnly{}).Verify), ruleReflector{} // declares nothing
	cfg := config(search.Reflection, 1, 2)
	cfg.Axes.Prompt = false
	if c := mustRun(t, s, cfg).Candidates[1]; c.Action != reflectionflow.Explore || c.Reason != "no reflection: the verifier has no findings on #0" {
		t.Errorf("got %s, %q", c.Action, c.Reason)
	}
}

// TestUnusableTexts: what a refiner or a reflector writes and the generator cannot be
// given is dropped with a note; the search continues, and a resumed one is byte-identical.
func TestUnusableTexts(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	says := func(text string) fakeWriter {
		return fakeWriter{refines: func(reflectionflow.Observation) string { return text }}
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
