package geneval

import (
	"context"
	"fmt"
	"sync"
	"time"

	"reflectionflow"
)

// Meter measures how busy a generator is kept.
type Meter struct {
	mu     sync.Mutex
	calls  int // under way
	since  time.Time
	busy   time.Duration
	images int
}

// Watch returns the generator, measured; a [reflectionflow.Previewer] stays one.
func (m *Meter) Watch(g reflectionflow.Generator) reflectionflow.Generator {
	if p, ok := g.(reflectionflow.Previewer); ok {
		return watchedPreviewer{watched{g, m}, p}
	}
	return watched{g, m}
}

type watched struct {
	generator reflectionflow.Generator
	meter     *Meter
}

func (w watched) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	w.meter.enter(len(requests))
	defer w.meter.leave()
	return w.generator.Generate(ctx, requests)
}

// Check implements [reflectionflow.RequestChecker].
func (w watched) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(w.generator, r)
}

type watchedPreviewer struct {
	watched
	previewer reflectionflow.Previewer
}

func (w watchedPreviewer) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	w.meter.enter(0)
	defer w.meter.leave()
	return w.previewer.Preview(ctx, requests, steps)
}

func (w watchedPreviewer) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	w.meter.enter(len(previews))
	defer w.meter.leave()
	return w.previewer.Finish(ctx, previews)
}

func (m *Meter) enter(images int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls == 0 {
		m.since = time.Now()
	}
	m.calls++
	m.images += images
}

func (m *Meter) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls--
	if m.calls == 0 {
		m.busy += time.Since(m.since)
	}
}

// Usage is a line of usage.jsonl: what an engine did while one strategy searched.
type Usage struct {
	Strategy string  `json:"strategy"`
	Images   int     `json:"images"`
	Busy     float64 `json:"busy_seconds"` // in which at least one image was being generated
	Seconds  float64 `json:"seconds"`      // from the first search to the end of the last
}

func (u Usage) check() error {
	if !(u.Busy >= 0 && u.Seconds >= 0) || u.Images < 0 {
		return fmt.Errorf("%v of %v seconds", u.Busy, u.Seconds)
	}
	return nil
}

// measurement is an interval of time on a meter.
type measurement struct {
	meter  *Meter
	begin  time.Time
	busy   time.Duration
	images int
}

// start begins to measure; a nil meter measures nothing.
func (m *Meter) start() measurement {
	if m == nil {
		return measurement{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return measurement{m, time.Now(), m.busy, m.images}
}

// stop ends the measurement. No image may be in progress.
func (m measurement) stop(strategy string) Usage {
	if m.meter == nil {
		return Usage{}
	}
	m.meter.mu.Lock()
	defer m.meter.mu.Unlock()
	return Usage{
		Strategy: strategy, Images: m.meter.images - m.images,
		Busy: (m.meter.busy - m.busy).Seconds(), Seconds: time.Since(m.begin).Seconds(),
	}
}
