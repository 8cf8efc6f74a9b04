package search_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"reflectionflow"
	"reflectionflow/search"
)

// alike is a verifier that cannot tell images apart.
type alike struct{ fakeVerifier }

func (a *alike) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := a.fakeVerifier.Verify(ctx, images)
	for i := range scores {
		scores[i].Value = .5
	}
	return scores, err
}

// fakeComparer prefers the image with the higher code.
type fakeComparer struct {
	mu     sync.Mutex
	pairs  []string // compared, by codes
	calls  int
	pause  func(context.Context)
	change func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error)
}

func (f *fakeComparer) Compare(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Preference, error) {
	if f.pause != nil {
		f.pause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []reflectionflow.Preference
	for _, p := range pairs {
		a, b := read(p.First), read(p.Second)
		f.pairs = append(f.pairs, fmt.Sprint(a, " ", b))
		first := .9
		if a < b {
			first = .2
		}
		list = append(list, reflectionflow.Preference{First: first, Shown: .5, Cost: reflectionflow.Cost{VerifierCalls: 2, TokensIn: 7}})
	}
	f.calls++
	if f.change != nil {
		return f.change(f.calls, list)
	}
	return list, nil
}

// comparingDisk is a disk that keeps comparisons.
type comparingDisk struct {
	disk
	duels    []reflectionflow.Duel
	fullAt   int // RecordDuel fails from this one on; 0 for never
	finished bool
}

func (d *comparingDisk) RecallDuel(best, challenger int) (reflectionflow.Duel, bool) {
	for _, one := range d.duels {
		if one.Best == best && one.Challenger == challenger {
			return one, true
		}
	}
	return reflectionflow.Duel{}, false
}

func (d *comparingDisk) RecordDuel(one reflectionflow.Duel) error {
	if d.fullAt > 0 && len(d.duels)+1 >= d.fullAt {
		return errors.New("disk full")
	}
	d.duels = append(d.duels, one)
	return nil
}

func (d *comparingDisk) Finished() bool { return d.finished }

func tiedSearch(c *fakeComparer, j search.Journal) *search.Search {
	s := fakes()
	s.Verifier, s.Comparer, s.Journal = &alike{}, c, j
	return s
}

// The comparer chooses among images that the verifier scores alike: with one comparison per
// challenger, whatever the schedule, and with its cost in the result.
func TestTiebreak(t *testing.T) {
	cfg := config(search.Noise, 2, 6)
	c := &fakeComparer{}
	kept := &search.Memory{}
	res := mustRun(t, tiedSearch(c, kept), cfg)
	var highest uint64
	want := -1
	for i := range res.Candidates {
		if code := read(kept.Image(i)); want < 0 || code > highest {
			want, highest = i, code
		}
	}
	tb := res.Tiebreak
	if res.Best != want || tb == nil || len(tb.Duels) != 5 || fmt.Sprint(tb.Tied) != "[0 1 2 3 4 5]" || tb.LeftOut != 0 {
		t.Fatalf("best %d, want %d: %+v", res.Best, want, tb)
	}
	if want == 0 {
		t.Fatal("the seed of the test shows nothing: the best is the first")
	}
	if tb.Cost.TokensIn != 35 || res.Cost.TokensIn != 35 || res.Cost.VerifierCalls != 6+10 || tb.Duels[4].Winner() != want {
		t.Errorf("cost %+v of %+v", tb, res.Cost)
	}
	whole := encode(t, res)
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(5) {
			again := tiedSearch(&fakeComparer{pause: pauses(seed)}, nil)
			again.Generator, again.Verifier = &fakeGenerator{pause: pauses(seed + 50)}, &alike{fakeVerifier{pause: pauses(seed + 99)}}
			cfg.Batch = 1 + int(seed)
			res := mustRun(t, again, cfg)
			if res.BestImage == nil || read(res.BestImage) != highest {
				t.Errorf("seed %d: another image", seed)
			}
			res.BestImage = nil
			if encode(t, res) != whole {
				t.Errorf("seed %d: another result", seed)
			}
		}
	})
}

// Nothing is compared where one image has the highest value, or where there is none; of
// many, eight are compared.
func TestTiebreakBounds(t *testing.T) {
	c := &fakeComparer{}
	s := tiedSearch(c, nil)
	s.Verifier = &fakeVerifier{script: []float64{.1, .3, .3, .2, .7, .1}}
	if res := mustRun(t, s, config(search.Noise, 1, 6)); res.Best != 4 || res.Tiebreak != nil || c.calls != 0 {
		t.Errorf("best %d after %d calls", res.Best, c.calls)
	}
	s = tiedSearch(c, nil)
	s.Verifier = &fakeVerifier{script: []float64{.1, .3, .3 + 1e-12, .2, .3, .1}}
	if res := mustRun(t, s, config(search.Noise, 1, 6)); res.Tiebreak == nil || fmt.Sprint(res.Tiebreak.Tied) != "[1 2 4]" || len(res.Tiebreak.Duels) != 2 {
		t.Errorf("%+v", res.Tiebreak)
	}
	res := mustRun(t, tiedSearch(&fakeComparer{}, nil), config(search.Noise, 3, 20))
	if tb := res.Tiebreak; len(tb.Tied) != 8 || tb.LeftOut != 12 || len(tb.Duels) != 7 || res.Best > 7 {
		t.Errorf("best %d of %+v", res.Best, tb)
	}
	s = tiedSearch(c, nil)
	s.Generator = &fakeGenerator{fail: func(reflectionflow.Request) error { return errBroken }}
	if res, err := s.Run(t.Context(), prompt, config(search.Noise, 1, 4)); err == nil || res.Best != -1 || res.Tiebreak != nil {
		t.Errorf("%+v, %v", res, err)
	}
}

// A comparer that cannot tell, contradicts itself or refuses leaves the first.
func TestTiebreakWithoutPreference(t *testing.T) {
	for name, p := range map[string]reflectionflow.Preference{
		"no difference": {First: .5, Shown: .5},
		"contradicts":   {First: .1, Shown: .9, Contradicts: true},
		"refuses":       {First: .5, Shown: .5, Unanswered: "no"},
	} {
		c := &fakeComparer{change: func(_ int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
			for i := range list {
				list[i] = p
			}
			return list, nil
		}}
		if res := mustRun(t, tiedSearch(c, nil), config(search.Noise, 1, 5)); res.Best != 0 || len(res.Tiebreak.Duels) != 4 {
			t.Errorf("%s: best %d, %+v", name, res.Best, res.Tiebreak)
		}
	}
}

// However a comparison fails, the search ends with one error that names it, keeps all images
// and the comparisons made before, and continues with the next comparison: none is paid
// twice, and the result is that of the uninterrupted search.
func TestTiebreakFaults(t *testing.T) {
	cfg := config(search.Reflection, 2, 6)
	wholeJournal := &comparingDisk{}
	whole := encode(t, mustRun(t, tiedSearch(&fakeComparer{}, wholeJournal), cfg))
	for name, fault := range map[string]struct {
		change func(context.CancelFunc) func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error)
		want   string
		full   int
		paid   int // comparisons that are made again
	}{
		"error": {func(context.CancelFunc) func(int, []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
			return func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
				if call == 3 {
					return nil, errBroken
				}
				return list, nil
			}
		}, "compare candidates ", 0, 1},
		"panic": {func(context.CancelFunc) func(int, []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
			return func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
				if call == 3 {
					panic("boom")
				}
				return list, nil
			}
		}, "panic: boom", 0, 1},
		"count": {func(context.CancelFunc) func(int, []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
			return func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
				if call == 3 {
					return nil, nil
				}
				return list, nil
			}
		}, "got 0 preferences for 1", 0, 1},
		"no probability": {func(context.CancelFunc) func(int, []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
			return func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
				if call == 3 {
					list[0].First = 7
				}
				return list, nil
			}
		}, "a preference of 7", 0, 1},
		"full disk": {nil, "disk full", 3, 1},
		// The answer had come when the user stopped the search: it is kept.
		"stopped": {func(stop context.CancelFunc) func(int, []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
			return func(call int, list []reflectionflow.Preference) ([]reflectionflow.Preference, error) {
				if call == 3 {
					stop()
				}
				return list, nil
			}
		}, "context canceled", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			c, j := &fakeComparer{}, &comparingDisk{fullAt: fault.full}
			if fault.change != nil {
				c.change = fault.change(stop)
			}
			res, err := tiedSearch(c, j).Run(ctx, prompt, cfg)
			if err == nil || !strings.Contains(err.Error(), fault.want) || len(res.Candidates) != 6 || res.Tiebreak != nil || res.Best != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			if j.text() != wholeJournal.text() {
				t.Error("the images are not all recorded")
			}
			c.change, j.fullAt = nil, 0
			if got := encode(t, mustRun(t, tiedSearch(c, j), cfg)); got != whole {
				t.Errorf("resumed: %s, want %s", got, whole)
			}
			if len(c.pairs) != 5+fault.paid {
				t.Errorf("%d comparisons were made, %d more than needed", len(c.pairs), len(c.pairs)-5)
			}
		})
	}
}

// A search that is stopped at any point of the comparisons is resumed to the same result; a
// finished journal is asked and no model is.
func TestTiebreakResumes(t *testing.T) {
	cfg := config(search.Noise, 2, 6)
	j := &comparingDisk{}
	whole := encode(t, mustRun(t, tiedSearch(&fakeComparer{}, j), cfg))
	for n := range len(j.duels) + 1 {
		part := &comparingDisk{disk: *j.prefix(6), duels: j.duels[:n:n]}
		c := &fakeComparer{}
		if got := encode(t, mustRun(t, tiedSearch(c, part), cfg)); got != whole || len(c.pairs) != len(j.duels)-n || len(part.duels) != len(j.duels) {
			t.Errorf("after %d comparisons: %d more, %s", n, len(c.pairs), got)
		}
		part = &comparingDisk{disk: *j.prefix(6), duels: j.duels[:n:n], finished: true}
		c = &fakeComparer{}
		if res := mustRun(t, tiedSearch(c, part), cfg); len(c.pairs) != 0 || n == len(j.duels) && encode(t, res) != whole {
			t.Errorf("finished after %d comparisons: %d more", n, len(c.pairs))
		}
	}
}

// Several prompts: each has the result that it has alone, and comparisons of different
// prompts go together.
func TestTiebreakOfManyPrompts(t *testing.T) {
	for _, strategy := range []string{search.Noise, search.Adaptive} {
		cfg := config(strategy, 2, 5)
		if cfg.Adaptive != nil {
			cfg.Adaptive.Rollover = false
		}
		var tasks []search.Task
		for i := range 4 {
			tasks = append(tasks, search.Task{Prompt: reflectionflow.Prompt{Text: fmt.Sprintf("prompt %d", i), Requirements: prompt.Requirements}})
		}
		results, err := tiedSearch(&fakeComparer{}, nil).RunMany(t.Context(), tasks, cfg)
		if err != nil {
			t.Fatal(err)
		}
		var events []search.EventKind
		for i, task := range tasks {
			s := tiedSearch(&fakeComparer{}, nil)
			s.Notify = func(e search.Event) {
				if e.Kind == search.Stopped {
					events = append(events, e.Kind)
					if e.Best.ID != results[i].Best || e.Tiebreak == nil || e.Cost.TokensIn != results[i].Cost.TokensIn {
						t.Errorf("%s: told of %+v, want %d", strategy, e.Best, results[i].Best)
					}
				}
			}
			alone, err := s.Run(t.Context(), task.Prompt, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*reflectionflow.Result{&alone, &results[i]} {
				r.BestImage = image.Image(nil)
			}
			if encode(t, alone) != encode(t, results[i]) {
				t.Errorf("%s, prompt %d: %s alone, %s with others", strategy, i, encode(t, alone), encode(t, results[i]))
			}
		}
		if len(events) != 4 {
			t.Errorf("%d searches stopped", len(events))
		}
	}
}
