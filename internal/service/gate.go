package service

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"reflectionflow"
)

// gate lets several searches share a generator. At most slots images are under way; those
// that wait take turns by caller, so that a search with many images does not hold up one
// with a few. Each image is a call of its own with its caller's context: a search that is
// cancelled stops at once, and a bad request fails nobody else. Bytes do not change, since
// an image depends on its request alone.
type gate struct {
	inner reflectionflow.Generator
	turns *turns
}

// previewGate is a gate for a generator that shows previews.
type previewGate struct {
	gate
	previewer reflectionflow.Previewer
}

// share returns a gate before a generator, with its abilities.
func share(g reflectionflow.Generator, t *turns) reflectionflow.Generator {
	shared := gate{g, t}
	if p, ok := g.(reflectionflow.Previewer); ok {
		return &previewGate{shared, p}
	}
	return &shared
}

// Check implements [reflectionflow.RequestChecker].
func (g *gate) Check(r reflectionflow.Request) error { return reflectionflow.CheckRequest(g.inner, r) }

// Generate implements [reflectionflow.Generator].
func (g *gate) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	for i, r := range requests {
		if err := g.Check(r); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	return oneByOne(ctx, g.turns, requests, g.inner.Generate)
}

// Preview implements [reflectionflow.Previewer].
func (g *previewGate) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	for i, r := range requests {
		if err := g.Check(r); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	return oneByOne(ctx, g.turns, requests, func(ctx context.Context, one []reflectionflow.Request) ([]reflectionflow.Preview, error) {
		return g.previewer.Preview(ctx, one, steps)
	})
}

// Finish implements [reflectionflow.Previewer].
func (g *previewGate) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	return oneByOne(ctx, g.turns, previews, g.previewer.Finish)
}

// oneByOne calls do for each element when it is its turn, and returns the results in order.
// The first error of a whole call ends the others.
func oneByOne[In, Out any](ctx context.Context, t *turns, list []In, do func(context.Context, []In) ([]Out, error)) ([]Out, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]Out, len(list))
	works := make([]func(), len(list))
	for i := range list {
		works[i] = func() {
			if ctx.Err() != nil {
				return
			}
			out, err := do(call(ctx, i, len(list)), list[i:i+1])
			if err != nil {
				cancel(err)
				return
			}
			results[i] = out[0]
		}
	}
	for _, p := range t.join(works) {
		t.wait(ctx, p)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return results, nil
}

// turns gives slots to callers in turn: the caller that has had the fewest slots since it
// came goes first, then the one that has waited longest. A goroutine keeps its slot while
// any work waits and does one piece after the other: a slot that was handed from goroutine
// to goroutine would be empty until the scheduler comes to the next, behind all others that
// compute.
type turns struct {
	mutex   sync.Mutex
	free    int
	waiting []*place // in the order in which they came

	slots   int
	counted time.Time // until when the times below are counted
	// active is how long any slot was in use, used the sum over the slots.
	active, used time.Duration
}

// place is a piece of work that waits for a slot.
type place struct {
	caller *turn
	work   func()
	done   chan struct{} // closed when the work is done
}

// turn is a caller.
type turn struct{ had int }

func newTurns(slots int) *turns {
	slots = max(1, slots)
	return &turns{free: slots, slots: slots, counted: time.Now()}
}

// count counts the time until now. The mutex is held, and free has not changed since.
func (t *turns) count() {
	now := time.Now()
	passed := now.Sub(t.counted)
	if n := t.slots - t.free; n > 0 {
		t.active += passed
		t.used += passed * time.Duration(n)
	}
	t.counted = now
}

// load is how much the slots are used.
type load struct {
	active, used             time.Duration
	slots, underWay, waiting int
}

func (t *turns) load() load {
	if t == nil {
		return load{}
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.count()
	return load{t.active, t.used, t.slots, t.slots - t.free, len(t.waiting)}
}

// join lets the work of a caller wait for slots.
func (t *turns) join(works []func()) []*place {
	caller := &turn{}
	places := make([]*place, len(works))
	for i, work := range works {
		places[i] = &place{caller, work, make(chan struct{})}
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.waiting = append(t.waiting, places...)
	for t.free > 0 && len(t.waiting) > 0 {
		t.count()
		t.free--
		go t.run(t.next())
	}
	return places
}

// run does the work of a place, and then that of others while any waits.
func (t *turns) run(p *place) {
	for p != nil {
		p.work()
		close(p.done)
		t.mutex.Lock()
		if p = t.next(); p == nil {
			t.count()
			t.free++
		}
		t.mutex.Unlock()
	}
}

// next takes the place whose turn it is, nil if none waits. The mutex is held.
func (t *turns) next() *place {
	if len(t.waiting) == 0 {
		return nil
	}
	first := 0
	for i, p := range t.waiting {
		if p.caller.had < t.waiting[first].caller.had {
			first = i
		}
	}
	p := t.waiting[first]
	t.waiting = slices.Delete(t.waiting, first, first+1)
	p.caller.had++
	return p
}

// wait waits until the work of a place is done. Work that has not begun when ctx ends is not
// done.
func (t *turns) wait(ctx context.Context, p *place) {
	select {
	case <-p.done:
		return
	case <-ctx.Done():
	}
	t.mutex.Lock()
	i := slices.Index(t.waiting, p)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	t.mutex.Unlock()
	if i < 0 { // it has begun
		<-p.done
	}
}
