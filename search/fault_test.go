package search_test

import (
	"context"
	"errors"
	"image"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow"
	"reflectionflow/search"
)

// The contracts as functions, so that tests can break them.
type (
	generate func(context.Context, []reflectionflow.Request) ([]reflectionflow.Generation, error)
	verify   func(context.Context, []reflectionflow.PromptedImage) ([]reflectionflow.Score, error)
	reflects func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Reflection, error)
	refine   func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Refinement, error)
)

func (f generate) Generate(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return f(ctx, r)
}

func (f verify) Verify(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return f(ctx, p)
}

func (f reflects) Reflect(ctx context.Context, o []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	return f(ctx, o)
}

func (f refine) Refine(ctx context.Context, o []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	return f(ctx, o)
}

var errBroken = errors.New("the machine is broken")

// TestFaults breaks one part from its third call on: the search ends with an
// error that names the part, and what was recorded before is valid.
func TestFaults(t *testing.T) {
	whole := &disk{}
	s := fakes()
	s.Journal = whole
	cfg := config(search.Reflection, 2, 8)
	cfg.Batch = 1
	mustRun(t, s, cfg)

	spoilScore := func(value float64) func(*search.Search) {
		return func(s *search.Search) {
			inner, calls := s.Verifier, 0
			s.Verifier = verify(func(ctx context.Context, p []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
				out, err := inner.Verify(ctx, p)
				if calls++; calls >= 3 {
					out[0].Value = value
				}
				return out, err
			})
		}
	}
	spoilImage := func(change func([]reflectionflow.Generation) []reflectionflow.Generation) func(*search.Search) {
		return func(s *search.Search) {
			inner, calls := s.Generator, 0
			s.Generator = generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
				out, err := inner.Generate(ctx, r)
				if calls++; calls >= 3 {
					return change(out), err
				}
				return out, err
			})
		}
	}
	tests := []struct {
		name  string
		spoil func(*search.Search)
		want  string
	}{
		{"generator fails", func(s *search.Search) {
			inner, calls := s.Generator, 0
			s.Generator = generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
				if calls++; calls >= 3 {
					return nil, errBroken
				}
				return inner.Generate(ctx, r)
			})
		}, "generate candidate 2: the machine is broken"},
		{"generator panics", spoilImage(func([]reflectionflow.Generation) []reflectionflow.Generation { panic("ouch") }), "generate candidate 2: panic: ouch"},
		{"generator loses an image", spoilImage(func(g []reflectionflow.Generation) []reflectionflow.Generation { return g[1:] }), "generate candidate 2: got 0 images for 1"},
		{"generator returns too much", spoilImage(func(g []reflectionflow.Generation) []reflectionflow.Generation { return append(g, g...) }), "generate candidate 2: got 2 images for 1"},
		{"generator returns no image", spoilImage(func(g []reflectionflow.Generation) []reflectionflow.Generation {
			g[0].Image = nil
			return g
		}), "generate candidate 2: the generator returned no image and no error"},
		{"generator returns an empty image", spoilImage(func(g []reflectionflow.Generation) []reflectionflow.Generation {
			g[0].Image = image.NewRGBA(image.Rectangle{})
			return g
		}), "generate candidate 2: the generator returned no image and no error"},
		{"verifier fails", func(s *search.Search) {
			s.Verifier = verify(func(context.Context, []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
				return nil, errBroken
			})
		}, "verify candidate 0: the machine is broken"},
		{"verifier loses a score", func(s *search.Search) {
			s.Verifier = verify(func(context.Context, []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
				return nil, nil
			})
		}, "verify candidate 0: got 0 scores for 1"},
		{"score NaN", spoilScore(math.NaN()), "verify candidate 2: the verifier's score is not a finite number: NaN"},
		{"score infinite", spoilScore(math.Inf(1)), "verify candidate 2: the verifier's score is not a finite number: +Inf"},
		{"reflector fails", func(s *search.Search) {
			s.Reflector = reflects(func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
				return nil, errBroken
			})
		}, "reflect for candidate 2: the machine is broken"},
		{"reflector loses a reflection", func(s *search.Search) {
			s.Reflector = reflects(func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
				return nil, nil
			})
		}, "reflect for candidate 2: got 0 reflections for 1"},
		{"refiner fails", func(s *search.Search) {
			s.Refiner = refine(func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
				return nil, errBroken
			})
		}, "refine the prompt for candidate 2: the machine is broken"},
		{"refiner returns two", func(s *search.Search) {
			s.Refiner = refine(func(context.Context, []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
				return make([]reflectionflow.Refinement, 2), nil
			})
		}, "refine the prompt for candidate 2: got 2 refinements for 1"},
		{"journal is full", func(s *search.Search) { s.Journal.(*disk).full = 3 }, "record candidate 3: disk full"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			journal := &disk{}
			s := fakes()
			s.Journal = journal
			tt.spoil(s)
			_, err := s.Run(t.Context(), prompt, cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
			if errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v blames the caller or is not one line", err)
			}
			if strings.Contains(tt.want, "broken") && !errors.Is(err, errBroken) {
				t.Errorf("error %v does not wrap its cause", err)
			}
			if got := journal.text(); got != whole.prefix(len(journal.lines)).text() {
				t.Errorf("the journal is no prefix of the whole one")
			}
		})
	}
}

// TestGeneratedIsRecorded: when the generator fails, images generated before are verified
// and recorded all the same.
func TestGeneratedIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, calls := &fakeGenerator{}, 0
		s := fakes()
		s.Verifier = &fakeVerifier{pause: sleep(time.Minute)}
		s.Generator = generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
			if calls++; calls > 3 {
				return nil, errBroken
			}
			return inner.Generate(ctx, r)
		})
		journal := &disk{}
		s.Journal = journal
		cfg := config(search.Noise, 4, 8)
		cfg.Batch = 1
		res, err := s.Run(t.Context(), prompt, cfg)
		if !errors.Is(err, errBroken) || len(res.Candidates) != 3 || len(journal.lines) != 3 {
			t.Errorf("%d candidates, %d recorded, error %v; want 3 and 3", len(res.Candidates), len(journal.lines), err)
		}
	})
}

// TestVerifierFaultCancelsGeneration: an image under way is canceled when nobody is
// left to judge it.
func TestVerifierFaultCancelsGeneration(t *testing.T) {
	generating := make(chan struct{})
	calls := 0
	s := fakes()
	s.Generator = &fakeGenerator{pause: func(ctx context.Context) {
		if calls++; calls == 2 {
			close(generating)
			<-ctx.Done() // for ever, but for the verifier's fault
		}
	}}
	s.Verifier = verify(func(context.Context, []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
		<-generating
		return nil, errBroken
	})
	if _, err := s.Run(t.Context(), prompt, config(search.Noise, 2, 4)); !errors.Is(err, errBroken) {
		t.Errorf("got error %v", err)
	}
}

// TestFailedImages: an image that fails alone keeps its place and its cost, and
// the others continue.
func TestFailedImages(t *testing.T) {
	first := mustRun(t, fakes(), config(search.Noise, 1, 1)).Candidates[0].Request.Seed
	s := fakes()
	s.Generator = &fakeGenerator{fail: func(r reflectionflow.Request) error {
		if r.Seed == first {
			return errBroken
		}
		return nil
	}}
	res := mustRun(t, s, config(search.Reflection, 2, 6))
	failed := res.Candidates[0]
	if len(res.Candidates) != 6 || failed.Error != errBroken.Error() || failed.Cost.Images != 1 || failed.Cost.VerifierCalls != 0 || res.Best == 0 {
		t.Errorf("%d candidates, best %d, the failed one %+v", len(res.Candidates), res.Best, failed)
	}
	if next := res.Candidates[2]; next.Action != reflectionflow.Explore || next.Error != "" {
		t.Errorf("the chain continues with %+v, want new noise", next)
	}
	if next := res.Candidates[4]; next.Parent != 2 {
		t.Errorf("the chain continues from %d, want 2", next.Parent)
	}
	if res.Cost.Images != 6 || res.Cost.VerifierCalls != 5 {
		t.Errorf("cost %+v", res.Cost)
	}
}

// TestAllImagesFail: the search does not spend its budget on a generator that cannot
// serve a prompt.
func TestAllImagesFail(t *testing.T) {
	for batch := range 4 {
		p := &fakeGenerator{fail: func(reflectionflow.Request) error { return errBroken }}
		s := fakes()
		s.Generator = p
		cfg := config(search.Reflection, 3, 30)
		cfg.Batch = batch
		res, err := s.Run(t.Context(), prompt, cfg)
		if err == nil || !strings.Contains(err.Error(), "no image was generated: the machine is broken") {
			t.Errorf("got error %v", err)
		}
		if len(res.Candidates) != 10 || len(p.requests()) != 10 || res.Best != -1 || res.Stopped != reflectionflow.StoppedFailed {
			t.Errorf("%d candidates, %d generated, best %d, stopped %q; want 8 in a row and width-1 permitted before", len(res.Candidates), len(p.requests()), res.Best, res.Stopped)
		}
	}
}

func TestInvalid(t *testing.T) {
	change := func(f func(*search.Config)) func(*search.Search, *reflectionflow.Prompt, *search.Config) {
		return func(_ *search.Search, _ *reflectionflow.Prompt, c *search.Config) { f(c) }
	}
	tests := map[string]func(*search.Search, *reflectionflow.Prompt, *search.Config){
		"strategy":             change(func(c *search.Config) { c.Strategy = "adaptive" }),
		"no strategy":          change(func(c *search.Config) { *c = search.Config{} }),
		"width 0":              change(func(c *search.Config) { c.Width = 0 }),
		"width huge":           change(func(c *search.Config) { c.Width = search.MaxWidth + 1 }),
		"depth":                change(func(c *search.Config) { c.Depth = -1 }),
		"batch":                change(func(c *search.Config) { c.Batch = -1 }),
		"images":               change(func(c *search.Config) { c.Budget.Images = -1 }),
		"seconds":              change(func(c *search.Config) { c.Budget.Seconds = -1 }),
		"seconds NaN":          change(func(c *search.Config) { c.Budget.Seconds = math.NaN() }),
		"no bound":             change(func(c *search.Config) { c.Budget = search.Budget{} }),
		"size":                 change(func(c *search.Config) { c.ImageHeight = 100 }),
		"steps":                change(func(c *search.Config) { c.Steps = 0 }),
		"guidance":             change(func(c *search.Config) { c.Guidance = math.NaN() }),
		"axes off":             change(func(c *search.Config) { c.Axes = search.Axes{} }),
		"axis of another":      change(func(c *search.Config) { c.Strategy = search.NoisePrompt }),
		"prompt axis in noise": change(func(c *search.Config) { c.Strategy, c.Axes.Reflection = search.Noise, false }),
		"empty prompt":         func(_ *search.Search, p *reflectionflow.Prompt, _ *search.Config) { p.Text = " " },
		"long prompt": func(_ *search.Search, p *reflectionflow.Prompt, _ *search.Config) {
			p.Text = strings.Repeat("x", 10000)
		},
		"no generator": func(s *search.Search, _ *reflectionflow.Prompt, _ *search.Config) { s.Generator = nil },
		"no verifier":  func(s *search.Search, _ *reflectionflow.Prompt, _ *search.Config) { s.Verifier = nil },
		"no reflector": func(s *search.Search, _ *reflectionflow.Prompt, _ *search.Config) { s.Reflector = nil },
		"no refiner":   func(s *search.Search, _ *reflectionflow.Prompt, _ *search.Config) { s.Refiner = nil },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			s, p, cfg := fakes(), prompt, config(search.Reflection, 2, 4)
			fakeGenerator := s.Generator.(*fakeGenerator)
			spoil(s, &p, &cfg)
			res, err := s.Run(t.Context(), p, cfg)
			if !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want one line that wraps ErrInvalid", err)
			}
			if len(fakeGenerator.requests()) != 0 || res.Best != -1 {
				t.Errorf("generated %d images, best %d", len(fakeGenerator.requests()), res.Best)
			}
		})
	}
}

func TestNoiseNeedsNoReflector(t *testing.T) {
	s := fakes()
	s.Reflector, s.Refiner = nil, nil
	if res := mustRun(t, s, config(search.Noise, 2, 4)); len(res.Candidates) != 4 {
		t.Errorf("%d candidates", len(res.Candidates))
	}
}
