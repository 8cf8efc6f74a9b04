package geneval

import (
	"context"
	"fmt"
	"sync"
	"time"

	"reflectionflow"
)

// Meter is a generator that measures how busy it is kept.
type Meter struct {
	reflectionflow.Generator
	mu     sync.Mutex
	calls  int // under way
	since  time.Time
	busy   time.Duration
	images int
}

// Generate implements [reflectionflow.Generator].
func (m *Meter) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	m.enter(len(requests))
	defer m.leave()
	return m.Generator.Generate(ctx, requests)
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
	Busy     float64 `json:"busy_seconds"` // in which at least one picture was being drawn
	Seconds  float64 `json:"seconds"`      // from the first search to the end of the last
}

func (u Usage) check() error {
	if !(u.Busy >= 0 && u.Seconds >= 0) || u.Images < 0 {
		return fmt.Errorf("%v of %v seconds", u.Busy, u.Seconds)
	}
	return nil
}

// measurement is a stretch of time on a meter.
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

// stop ends the stretch. Nothing is being drawn any more.
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
