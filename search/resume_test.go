package search_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"testing"
	"testing/synctest"

	"reflectionflow"
	"reflectionflow/search"
)

// searches are the searches that interruptions are tried on: with and without an
// early stop, with images that fail, along all axes.
func searches() map[string]func() (*search.Search, search.Config) {
	plain := func(strategy string, width int, early bool) func() (*search.Search, search.Config) {
		return func() (*search.Search, search.Config) {
			cfg := config(strategy, width, 11)
			cfg.EarlyStop = early
			return fakes(), cfg
		}
	}
	return map[string]func() (*search.Search, search.Config){
		"noise":                 plain(search.Noise, 3, false),
		"noise-prompt":          plain(search.NoisePrompt, 2, false),
		"reflection":            plain(search.Reflection, 3, false),
		"reflection, one chain": plain(search.Reflection, 1, false),
		"reflection, early stop": func() (*search.Search, search.Config) {
			s, cfg := plain(search.Reflection, 3, true)()
			s.Verifier = &fakeVerifier{limit: .7}
			return s, cfg
		},
		"adaptive":             plain(search.Adaptive, 1, false),
		"adaptive, early stop": plain(search.Adaptive, 1, true),
		"adaptive, early stop, low confidence": func() (*search.Search, search.Config) {
			s, cfg := plain(search.Adaptive, 2, true)()
			cfg.Adaptive.Policy.Stop.Probability, cfg.Adaptive.Policy.Stop.Sure = .6, .95
			s.Verifier = &fakeVerifier{limit: .6}
			return s, cfg
		},
		"adaptive, three chains":        plain(search.Adaptive, 3, false),
		"adaptive without routing, two": plain("adaptive-no-routing", 2, false),
		"adaptive, two chains, failing images": func() (*search.Search, search.Config) {
			s, cfg := plain(search.Adaptive, 2, false)()
			s.Generator = &fakeGenerator{fail: sometimes}
			return s, cfg
		},
		"reflection, own noise, failing images": func() (*search.Search, search.Config) {
			s, cfg := plain(search.Reflection, 2, false)()
			cfg.Axes.Noise = false
			s.Generator = &fakeGenerator{fail: sometimes}
			return s, cfg
		},
	}
}

// sometimes is how an image in three fails.
func sometimes(r reflectionflow.Request) error {
	if mixed(r.Seed+uint64(len(text(r))))%3 == 0 {
		return fmt.Errorf("refused: %w", reflectionflow.ErrPermanent)
	}
	return nil
}

// TestResumeAtEveryPrefix: a search that was killed after any number of candidates
// resumes to a byte-identical record, and generates no candidate again.
func TestResumeAtEveryPrefix(t *testing.T) {
	for name, open := range searches() {
		t.Run(name, func(t *testing.T) {
			s, cfg := open()
			whole := &disk{}
			s.Journal = whole
			want := encode(t, mustRun(t, s, cfg))
			for n := range len(whole.lines) + 1 {
				s, cfg := open()
				resumed := whole.prefix(n)
				s.Journal = resumed
				if got := encode(t, mustRun(t, s, cfg)); got != want {
					t.Fatalf("resumed at %d: got\n%s\nwant\n%s", n, got, want)
				}
				if resumed.text() != whole.text() {
					t.Errorf("resumed at %d: the journal differs", n)
				}
				if made := len(s.Generator.(*fakeGenerator).requests()); made != len(whole.lines)-n {
					t.Errorf("resumed at %d: generated %d images, want %d", n, made, len(whole.lines)-n)
				}
			}
		})
	}
}

// TestCancelAndResume cancels at random moments until the search is finished. The synctest
// bubble ends only when every goroutine has: nothing leaks.
func TestCancelAndResume(t *testing.T) {
	for name, open := range searches() {
		t.Run(name, func(t *testing.T) {
			s, cfg := open()
			whole := &disk{}
			s.Journal = whole
			want := encode(t, mustRun(t, s, cfg))
			trials := uint64(30)
			if strings.HasPrefix(name, search.Adaptive) {
				trials = 10 // several searches of the same code
			}
			for seed := range trials {
				synctest.Test(t, func(t *testing.T) {
					journal := &disk{}
					for sitting := uint64(0); ; sitting++ {
						res, err := cutShort(t, open, journal, seed+1000*sitting)
						if err == nil {
							if got := encode(t, res); got != want || journal.text() != whole.text() {
								t.Errorf("after %d sittings: got\n%s\nwant\n%s", sitting+1, got, want)
							}
							return
						}
						if !errors.Is(err, context.Canceled) || res.Stopped != "" {
							t.Fatalf("stopped %q, error %v", res.Stopped, err)
						}
						if len(res.Candidates) != len(journal.lines) {
							t.Errorf("%d candidates returned, %d recorded", len(res.Candidates), len(journal.lines))
						}
					}
				})
			}
		})
	}
}

// cutShort searches for up to about eight virtual seconds; an image takes half.
func cutShort(t *testing.T, open func() (*search.Search, search.Config), journal *disk, seed uint64) (reflectionflow.Result, error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, cfg := open()
	s.Journal = journal
	s.Generator.(*fakeGenerator).pause = pauses(seed)
	s.Verifier.(*fakeVerifier).pause = pauses(seed + 1)
	s.Reflector = fakeWriter{pause: pauses(seed + 2)}
	done := make(chan struct{})
	defer func() { <-done }()
	go func() {
		defer close(done)
		alarm := pauses(seed + 3)
		for range 8 {
			alarm(ctx)
		}
		cancel()
	}()
	res, err := s.Run(ctx, prompt, cfg)
	cancel()
	return res, err
}

// TestCancelStopsSoon: the search ends although no image is ever finished.
func TestCancelStopsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(ctx context.Context) { <-ctx.Done() }
		s := fakes()
		s.Generator = &fakeGenerator{pause: wait}
		go func() {
			synctest.Wait()
			cancel()
		}()
		res, err := s.Run(ctx, prompt, config(search.Noise, 2, 4))
		if err != context.Canceled || len(res.Candidates) != 0 || res.Best != -1 { //nolint:errorlint // plainly, without a stage's words
			t.Errorf("got %+v, %v", res, err)
		}
	})
}

// TestCutOffIsNoFailure: images that the end of ctx interrupted are not recorded as
// failed, so that a resumed search generates them.
func TestCutOffIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := fakes()
	s.Generator = generate(func(ctx context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
		cancel()
		out := make([]reflectionflow.Generation, len(r))
		for i := range out {
			out[i].Err = ctx.Err()
		}
		return out, nil
	})
	journal := &disk{}
	s.Journal = journal
	_, err := s.Run(ctx, prompt, config(search.Noise, 2, 4))
	if !errors.Is(err, context.Canceled) || len(journal.lines) != 0 {
		t.Errorf("%d recorded, error %v", len(journal.lines), err)
	}
}

// TestMoreBudget: a finished search continues with a larger budget.
func TestMoreBudget(t *testing.T) {
	journal := &disk{}
	s := fakes()
	s.Journal = journal
	mustRun(t, s, config(search.Reflection, 2, 5))
	got := encode(t, mustRun(t, s, config(search.Reflection, 2, 9)))
	if want := encode(t, mustRun(t, fakes(), config(search.Reflection, 2, 9))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	less := mustRun(t, s, config(search.Reflection, 2, 3))
	if len(less.Candidates) != 3 || len(journal.lines) != 9 {
		t.Errorf("%d candidates, %d recorded", len(less.Candidates), len(journal.lines))
	}
}

// TestForeignJournal: a journal of another search is refused.
func TestForeignJournal(t *testing.T) {
	record := func(change func(*search.Config)) *disk {
		cfg := config(search.Reflection, 2, 6)
		change(&cfg)
		s := fakes()
		s.Journal = &disk{}
		mustRun(t, s, cfg)
		return s.Journal.(*disk)
	}
	altered := func(id int, change func(*reflectionflow.Candidate)) *disk {
		journal := record(func(*search.Config) {})
		c, _, _ := journal.Recall(id)
		change(&c)
		journal.lines[id] = []byte(encode(t, c))
		return journal
	}
	tests := map[string]*disk{
		"seed":   record(func(c *search.Config) { c.Seed = 1 }),
		"steps":  record(func(c *search.Config) { c.Steps = 5 }),
		"size":   record(func(c *search.Config) { c.ImageWidth = 32 }),
		"width":  record(func(c *search.Config) { c.Width = 3 }),
		"id":     altered(3, func(c *reflectionflow.Candidate) { c.ID = 7 }),
		"parent": altered(3, func(c *reflectionflow.Candidate) { c.Parent = 2 }),
		"chain":  altered(2, func(c *reflectionflow.Candidate) { c.Chain = 1 }),
		"action": altered(0, func(c *reflectionflow.Candidate) { c.Action = reflectionflow.Reflect }),
		"prompt": altered(1, func(c *reflectionflow.Candidate) { c.Request.Prompt = "a cat" }),
	}
	for name, journal := range tests {
		t.Run(name, func(t *testing.T) {
			s := fakes()
			s.Journal = journal
			if _, err := s.Run(t.Context(), prompt, config(search.Reflection, 2, 6)); !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("got error %v, want ErrInvalid", err)
			}
		})
	}
}

// TestUnreadableEntry: an entry that cannot be read back, and all after it, are
// generated again with the same result.
func TestUnreadableEntry(t *testing.T) {
	whole := &disk{}
	s := fakes()
	s.Journal = whole
	cfg := config(search.Reflection, 2, 6)
	want := encode(t, mustRun(t, s, cfg))
	for id := range 6 {
		s := fakes()
		s.Journal = &forgetful{disk: whole, id: id}
		if got := encode(t, mustRun(t, s, cfg)); got != want {
			t.Errorf("without %d: got\n%s\nwant\n%s", id, got, want)
		}
		if got, want := s.Journal.(*forgetful).recorded, fmt.Sprint([]int{0, 1, 2, 3, 4, 5}[id:]); fmt.Sprint(got) != want {
			t.Errorf("without %d: recorded %v, want %v", id, got, want)
		}
	}
}

// forgetful is a journal that cannot read one entry back.
type forgetful struct {
	*disk
	id       int
	recorded []int
}

func (f *forgetful) Recall(id int) (reflectionflow.Candidate, image.Image, bool) {
	c, img, ok := f.disk.Recall(id)
	if id == f.id {
		return c, nil, true // the image is lost
	}
	return c, img, ok
}

func (f *forgetful) Record(c reflectionflow.Candidate, _ image.Image) error {
	f.recorded = append(f.recorded, c.ID)
	return nil
}
