package search_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow"
	"reflectionflow/search"
)

// TestEarlyStop: a right candidate at position q lets those up to q+width-1
// complete, and nothing beyond starts.
func TestEarlyStop(t *testing.T) {
	const budget = 12
	for _, strategy := range []string{search.Noise, search.NoisePrompt, search.Reflection} {
		for width := 1; width <= 5; width++ {
			for q := range budget {
				for batch := range 4 {
					script := make([]float64, budget)
					script[q] = 1
					cfg := config(strategy, width, budget)
					cfg.EarlyStop, cfg.Batch = true, batch
					p := &fakeGenerator{}
					s := &search.Search{Generator: p, Verifier: &fakeVerifier{script: script}, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
					res := mustRun(t, s, cfg)
					want := min(budget, q+width)
					if len(res.Candidates) != want || len(p.requests()) != want || res.Best != q || res.Stopped != reflectionflow.StoppedRight {
						t.Errorf("%s, width %d, right at %d, batch %d: %d candidates, %d generated, best %d, stopped %q; want %d candidates",
							strategy, width, q, batch, len(res.Candidates), len(p.requests()), res.Best, res.Stopped, want)
					}
				}
			}
		}
	}
}

func TestEarlyStopOff(t *testing.T) {
	s := fakes()
	s.Verifier = &fakeVerifier{script: []float64{1, 1, 1, 1, 1}}
	res := mustRun(t, s, config(search.Noise, 2, 5))
	if len(res.Candidates) != 5 || res.Stopped != reflectionflow.StoppedBudget {
		t.Errorf("%d candidates, stopped %q", len(res.Candidates), res.Stopped)
	}
}

func TestBudget(t *testing.T) {
	for _, tt := range []struct{ width, depth, images, want int }{
		{1, 0, 1, 1},
		{4, 0, 1, 1},
		{4, 0, 7, 7},
		{3, 2, 0, 6},
		{3, 2, 100, 6},
		{3, 2, 5, 5},
		{1, 1, 5, 1},
		{16, 0, 33, 33},
	} {
		for batch := range 5 {
			cfg := config(search.Reflection, tt.width, tt.images)
			cfg.Depth, cfg.Batch = tt.depth, batch
			p := &fakeGenerator{}
			s := fakes()
			s.Generator = p
			res := mustRun(t, s, cfg)
			if len(res.Candidates) != tt.want || len(p.requests()) != tt.want || res.Cost.Images != tt.want {
				t.Errorf("%+v, batch %d: %d candidates, %d generated, cost %+v", tt, batch, len(res.Candidates), len(p.requests()), res.Cost)
			}
			if res.Stopped != reflectionflow.StoppedBudget {
				t.Errorf("%+v: stopped %q", tt, res.Stopped)
			}
		}
	}
}

// sleep is a pause of virtual time in a synctest bubble.
func sleep(d time.Duration) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

// TestSeconds: no image is started after the time is up; those under way
// complete. Time is virtual: generating takes 10 s per image, verifying 1 s.
func TestSeconds(t *testing.T) {
	for _, tt := range []struct {
		seconds float64
		images  int
		before  time.Duration // spent in an earlier sitting
		want    int
	}{
		{35, 0, 0, 4},
		{30, 0, 0, 3},
		{31, 0, 0, 4},
		{35, 2, 0, 2},
		{35, 0, 15 * time.Second, 2},
		{0.5, 0, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(search.Reflection, 2, tt.images)
			cfg.Budget.Seconds, cfg.Batch = tt.seconds, 1
			begin := time.Now()
			journal := &disk{}
			s := &search.Search{
				Generator: &fakeGenerator{pause: sleep(10 * time.Second)}, Verifier: &fakeVerifier{pause: sleep(time.Second)},
				Reflector: fakeWriter{}, Refiner: fakeWriter{}, Journal: journal,
				Elapsed: func() time.Duration { return tt.before + time.Since(begin) },
			}
			if tt.before == 0 {
				s.Elapsed = nil
			}
			res := mustRun(t, s, cfg)
			if len(res.Candidates) != tt.want || len(journal.lines) != tt.want || res.Stopped != reflectionflow.StoppedBudget {
				t.Errorf("%+v: %d candidates, %d recorded, stopped %q", tt, len(res.Candidates), len(journal.lines), res.Stopped)
			}
		})
	}
}

// When the time ends a search, nothing works on after it: a reflection for a candidate
// that will not be is canceled, and is over before Run returns.
func TestSecondsEndPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(search.Reflection, 4, 0)
		cfg.Budget.Seconds, cfg.Batch = 25, 1
		calls := 0
		var reflecting atomic.Bool
		s := &search.Search{
			Generator: &fakeGenerator{pause: sleep(10 * time.Second)}, Verifier: &fakeVerifier{pause: sleep(time.Second)}, Refiner: fakeWriter{},
			Reflector: fakeWriter{pause: func(ctx context.Context) {
				if calls++; calls == 2 { // for candidate 5, while 3 and 4 wait to be generated
					reflecting.Store(true)
					defer reflecting.Store(false)
					sleep(100 * time.Second)(ctx)
					time.Sleep(5 * time.Second) // the way home
				}
			}},
		}
		begin := time.Now()
		res := mustRun(t, s, cfg)
		if took := time.Since(begin); len(res.Candidates) != 3 || took != 36*time.Second || reflecting.Load() || calls != 2 {
			t.Errorf("%d candidates after %v and %d reflections, reflecting still: %v", len(res.Candidates), took, calls, reflecting.Load())
		}
	})
}

func TestSecondsSpentBefore(t *testing.T) {
	s := fakes()
	s.Elapsed = func() time.Duration { return time.Minute }
	cfg := config(search.Noise, 2, 0)
	cfg.Budget.Seconds = 60
	if res, err := s.Run(t.Context(), prompt, cfg); err == nil || res.Best != -1 || errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("best %d, error %v", res.Best, err)
	}
}

// TestOverlapTime: with a generator and a verifier of equal speed the search
// takes the time of one of them. Time is virtual, so the figure is exact.
func TestOverlapTime(t *testing.T) {
	for _, cfg := range []search.Config{config(search.Noise, 2, 10), config(search.Reflection, 2, 10), config(search.Noise, 8, 40)} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s := &search.Search{
				Generator: &fakeGenerator{pause: sleep(time.Second)}, Verifier: &fakeVerifier{pause: sleep(time.Second)},
				Reflector: fakeWriter{}, Refiner: fakeWriter{},
			}
			mustRun(t, s, cfg)
			if got, want := time.Since(begin), 11*time.Second; got != want {
				t.Errorf("%s, width %d: took %v, want %v", cfg.Strategy, cfg.Width, got, want)
			}
		})
	}
}

// TestOverlap: the first image is verified only when a later one is being
// generated; without overlap the search would wait for ever.
func TestOverlap(t *testing.T) {
	second := make(chan struct{})
	calls := 0
	s := fakes()
	s.Generator = &fakeGenerator{pause: func(context.Context) {
		if calls++; calls == 2 {
			close(second)
		}
	}}
	s.Verifier = &fakeVerifier{pause: func(ctx context.Context) {
		select {
		case <-second:
		case <-ctx.Done():
		}
	}}
	mustRun(t, s, config(search.Reflection, 2, 6))
}

// TestDeterminism: the same result for any batch size and any timing.
func TestDeterminism(t *testing.T) {
	for _, strategy := range search.Strategies() {
		cfg := config(strategy, 3, 14)
		cfg.EarlyStop = true
		want := encode(t, mustRun(t, fakes(), cfg))
		for seed := range uint64(40) {
			synctest.Test(t, func(t *testing.T) {
				cfg := cfg
				cfg.Batch = int(seed % 6)
				s := &search.Search{
					Generator: &fakeGenerator{pause: pauses(seed)},
					Verifier:  &fakeVerifier{pause: pauses(seed + 100)},
					Reflector: fakeWriter{pause: pauses(seed + 200)},
					Refiner:   fakeWriter{},
				}
				if got := encode(t, mustRun(t, s, cfg)); got != want {
					t.Errorf("%s, batch %d: got\n%s\nwant\n%s", strategy, cfg.Batch, got, want)
				}
			})
		}
	}
}

func TestEvents(t *testing.T) {
	var got []string
	s := fakes()
	journal := &search.Memory{}
	s.Journal = journal
	s.Verifier = &fakeVerifier{script: []float64{.3, .1, .2, .95}}
	s.Notify = func(e search.Event) {
		got = append(got, fmt.Sprintf("%s %d best %d %d/%d images %d %v %s",
			e.Kind, e.Candidate.ID, e.Best.ID, e.Done, e.Total, e.Cost.Images, e.Image != nil, e.Reason))
	}
	cfg := config(search.Noise, 1, 6)
	cfg.EarlyStop = true
	mustRun(t, s, cfg)
	want := `planned 0 best -1 0/6 images 0 false
generated 0 best -1 0/6 images 0 true
scored 0 best 0 1/6 images 1 true
round_done 0 best 0 1/6 images 1 false
planned 1 best 0 1/6 images 1 false
generated 1 best 0 1/6 images 1 true
scored 1 best 0 2/6 images 2 true
round_done 1 best 0 2/6 images 2 false
planned 2 best 0 2/6 images 2 false
generated 2 best 0 2/6 images 2 true
scored 2 best 0 3/6 images 3 true
round_done 2 best 0 3/6 images 3 false
planned 3 best 0 3/6 images 3 false
generated 3 best 0 3/6 images 3 true
scored 3 best 3 4/4 images 4 true
round_done 3 best 3 4/4 images 4 false
stopped 3 best 3 4/4 images 4 false right`
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	if g := strings.Join(got, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}

	got = nil
	mustRun(t, s, cfg)
	if g := strings.Join(got, "\n"); !strings.HasPrefix(g, "recalled 0 best 0 1/6 images 1 true") || len(got) != 5 {
		t.Errorf("the second time got\n%s", g)
	}
	if journal.Image(3) == nil || journal.Image(4) != nil {
		t.Error("the journal should hold the images 0 to 3")
	}
}

func TestConfigJSON(t *testing.T) {
	want := `{
 "strategy": "reflection",
 "width": 1,
 "depth": 0,
 "patience": 2,
 "budget": {
  "images": 8,
  "seconds": 0
 },
 "early_stop": true,
 "seed": 0,
 "axes": {
  "noise": true,
  "prompt": true,
  "reflection": true
 },
 "image_width": 128,
 "image_height": 128,
 "steps": 20,
 "guidance": 3,
 "batch": 0
}`
	if got := encode(t, search.Default(search.Reflection)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	for _, strategy := range search.Strategies() {
		if err := search.Default(strategy).Validate(); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkSearch is what the loop itself costs a candidate.
func BenchmarkSearch(b *testing.B) {
	cfg := config(search.Reflection, 4, 1000)
	var candidates int
	for b.Loop() {
		candidates += len(mustRun(b, fakes(), cfg).Candidates)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(candidates), "µs/candidate")
}
