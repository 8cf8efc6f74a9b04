package main

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow"
	"reflectionflow/internal/remote"
	"reflectionflow/search"
)

// station is a server with so many places, at each of which a piece of work takes
// its time. The time is virtual where the test runs in a bubble.
type station struct {
	places chan struct{}
	time   func(piece int) time.Duration

	mu   sync.Mutex
	busy time.Duration
	done int
}

func newStation(places int, each time.Duration) *station {
	return &station{places: make(chan struct{}, places), time: func(int) time.Duration { return each }}
}

func (s *station) serve() {
	s.places <- struct{}{}
	defer func() { <-s.places }()
	s.mu.Lock()
	d := s.time(s.done)
	s.done++
	s.busy += d
	s.mu.Unlock()
	time.Sleep(d)
}

func (s *station) serveAll(n int) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(s.serve)
	}
	wg.Wait()
}

// painter and the others are the contracts over a station.
type painter struct{ *station }

func (p painter) Generate(_ context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	p.serveAll(len(requests))
	out := make([]reflectionflow.Generation, len(requests))
	for i := range out {
		out[i] = reflectionflow.Generation{Image: image.NewGray(image.Rect(0, 0, 8, 8)), Cost: reflectionflow.Cost{Images: 1}}
	}
	return out, nil
}

type critic struct{ *station }

func (c critic) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	c.serveAll(len(images))
	return make([]reflectionflow.Score, len(images)), nil
}

type writer struct{ *station }

func (w writer) Reflect(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	w.serveAll(len(observations))
	out := make([]reflectionflow.Reflection, len(observations))
	for i := range out {
		out[i].Text = "Correct it."
	}
	return out, nil
}

func (w writer) Refine(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	w.serveAll(len(observations))
	out := make([]reflectionflow.Refinement, len(observations))
	for i := range out {
		out[i].Text = "a thing, clearly"
	}
	return out, nil
}

// released runs the schedule of the paper's released scripts
// (tts_t2i_noise_scaling.py, then tts_reflectionflow.py, NVILA as the verifier): draw
// width × depth images; score them all and keep width; then, depth times, score what
// is kept unless that was just done, reflect on each, rewrite each prompt, correct
// each, and score the corrections. One piece of work after another.
func released(width, depth int, generate, verify, words *station) {
	each := func(s *station, n int) {
		for range n {
			s.serve()
		}
	}
	each(generate, width*depth)
	each(verify, width*depth)
	for round := range depth {
		if round > 0 {
			each(verify, width)
		}
		each(words, width) // reflections
		each(words, width) // prompts
		each(generate, width)
		each(verify, width)
	}
}

// schedule is a row of the table.
type schedule struct {
	name           string
	images         int
	wall, alone    time.Duration // alone: what the generator takes for as many images by itself
	verified, told int
}

// run measures work with a generator of 2 s, a verifier of 1 s and words that take as
// long as given, each doing one thing at a time.
func measured(t *testing.T, name string, words time.Duration, work func(t *testing.T, generate, verify, write *station)) schedule {
	var s schedule
	synctest.Test(t, func(t *testing.T) {
		generate, verify, write := newStation(1, 2*time.Second), newStation(1, time.Second), newStation(1, words)
		begin := time.Now()
		work(t, generate, verify, write)
		s = schedule{name, generate.done, time.Since(begin), generate.busy, verify.done, write.done}
	})
	return s
}

const (
	scheduleBudget = 32
	scheduleWidth  = 4
)

// searched is the loop at the budget and width of the table.
func searched(strategy string) func(t *testing.T, generate, verify, write *station) {
	return func(t *testing.T, generate, verify, write *station) {
		cfg := search.Default(strategy)
		cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Width, cfg.Depth, cfg.EarlyStop = 64, 64, 4, scheduleWidth, 0, false
		cfg.Budget.Images = scheduleBudget
		loop := search.Search{Generator: painter{generate}, Verifier: critic{verify}, Reflector: writer{write}, Refiner: writer{write}}
		if _, err := loop.Run(t.Context(), reflectionflow.Prompt{Text: "a thing"}, cfg); err != nil {
			t.Error(err)
		}
	}
}

// While one image is verified the next is generated. Time is virtual, so
// the figures are exact; -v prints them as the table of docs/benchmarks.md.
func TestSchedule(t *testing.T) {
	sequential := func(_ *testing.T, generate, verify, _ *station) {
		for range scheduleBudget {
			generate.serve()
			verify.serve()
		}
	}
	scripts := func(_ *testing.T, generate, verify, write *station) {
		released(scheduleWidth, scheduleBudget/scheduleWidth, generate, verify, write)
	}
	rows := []schedule{
		measured(t, "noise", 0, searched(search.Noise)),
		measured(t, "reflection, words at once", 0, searched(search.Reflection)),
		measured(t, "reflection, words of 0.5 s", time.Second/2, searched(search.Reflection)),
		measured(t, "one after another", 0, sequential),
		measured(t, "released scripts, words at once", 0, scripts),
		measured(t, "released scripts, words of 0.5 s", time.Second/2, scripts),
	}
	var table strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %.1f | %.3f |\n", r.name, r.images, r.verified, r.told, r.wall.Seconds(), r.wall.Seconds()/r.alone.Seconds())
	}
	t.Logf("budget %d, width %d\n| schedule | images | verified | told | s | × the generator alone |\n%s", scheduleBudget, scheduleWidth, table.String())
	for _, r := range rows[:3] {
		if r.images != scheduleBudget || r.verified != scheduleBudget || float64(r.wall) > 1.05*float64(r.alone) {
			t.Errorf("%+v: more than 1.05 × the generator's time", r)
		}
	}
	if r := rows[3]; float64(r.wall) != 1.5*float64(r.alone) {
		t.Errorf("%+v: one after another takes 1.5 × the generator's time", r)
	}
	if r := rows[4]; r.images != 2*scheduleBudget || r.verified != 92 || r.told != 64 { // as they charge: 64 images for a budget of 32
		t.Errorf("%+v: not what the scripts do", r)
	}
}

// busy runs 64 prompts over a pool of four generators and returns the share of the
// time that each was generating.
func busy(t *testing.T, batch int, each func(piece int) time.Duration) []float64 {
	shares := make([]float64, 4)
	synctest.Test(t, func(t *testing.T) {
		servers, members := make([]*station, 4), make([]reflectionflow.Generator, 4)
		for i := range servers {
			servers[i] = newStation(1, 0)
			servers[i].time = each
			members[i] = painter{servers[i]}
		}
		pool, err := remote.NewPool(members)
		if err != nil {
			t.Fatal(err)
		}
		cfg := search.Default(search.Reflection)
		cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Width, cfg.EarlyStop, cfg.Batch = 64, 64, 4, scheduleWidth, false, batch
		cfg.Budget.Images = 8
		tasks := make([]search.Task, 64)
		for i := range tasks {
			tasks[i].Prompt.Text = fmt.Sprint("thing ", i)
		}
		loop := search.Search{Generator: pool, Verifier: critic{newStation(4, time.Second)}, Reflector: writer{newStation(4, time.Second/2)}, Refiner: writer{newStation(4, time.Second/2)}}
		begin := time.Now()
		if _, err := loop.RunMany(t.Context(), tasks, cfg); err != nil {
			t.Fatal(err)
		}
		wall := time.Since(begin)
		for i, s := range servers {
			shares[i] = s.busy.Seconds() / wall.Seconds()
		}
	})
	return shares
}

// TestFleet: 64 prompts keep four generators busy.
func TestFleet(t *testing.T) {
	fixed := func(int) time.Duration { return 2 * time.Second }
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	varied := func(int) time.Duration { // from 1.8 to 2.2 s
		mu.Lock()
		defer mu.Unlock()
		return 1800*time.Millisecond + time.Duration(random.Int64N(int64(400*time.Millisecond)))
	}
	for _, tt := range []struct {
		name  string
		batch int
		each  func(int) time.Duration
	}{{"2 s", 4, fixed}, {"from 1.8 to 2.2 s", 4, varied}, {"from 1.8 to 2.2 s", 16, varied}} {
		shares := busy(t, tt.batch, tt.each)
		t.Logf("images of %s, batch %d: busy %.3f", tt.name, tt.batch, shares)
		for i, share := range shares {
			if tt.name == "2 s" && share < 0.95 {
				t.Errorf("generator %d was busy for %.3f of the time", i, share)
			}
		}
	}
}
