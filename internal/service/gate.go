package service

import (
	"context"
	"fmt"
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
	caller := t.caller()
	results := make([]Out, len(list))
	var running sync.WaitGroup
	for i := range list {
		if caller.wait(ctx) != nil {
			break
		}
		running.Go(func() {
			defer t.release()
			out, err := do(call(ctx, i, len(list)), list[i:i+1])
			if err != nil {
				cancel(err)
				return
			}
			results[i] = out[0]
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return results, nil
}

// turns gives slots to callers in turn: the caller that has had the fewest slots since it
// came goes first, then the one that has waited longest.
type turns struct {
	mutex   sync.Mutex
	free    int
	waiting []*place
	clock   int // grows with every slot given

	slots   int
	counted time.Time // until when the times below are counted
	// active is how long any slot was in use, used the sum over the slots.
	active, used time.Duration
}

// place is a caller's wait for a slot.
type place struct {
	caller *turn
	order  int
	ready  chan struct{}
}

// turn is a caller.
type turn struct {
	turns *turns
	had   int
}

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

func (t *turns) caller() *turn { return &turn{turns: t} }

// wait waits for a slot until ctx ends.
func (c *turn) wait(ctx context.Context) error {
	t := c.turns
	t.mutex.Lock()
	if err := ctx.Err(); err != nil {
		t.mutex.Unlock()
		return err
	}
	t.clock++
	p := &place{c, t.clock, make(chan struct{})}
	t.waiting = append(t.waiting, p)
	t.give()
	t.mutex.Unlock()
	select {
	case <-p.ready:
		return nil
	case <-ctx.Done():
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for i, other := range t.waiting {
		if other == p {
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	t.count()
	t.free++ // it was given meanwhile
	t.give()
	return ctx.Err()
}

func (t *turns) release() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.count()
	t.free++
	t.give()
}

// give gives free slots away. The mutex is held.
func (t *turns) give() {
	for t.free > 0 && len(t.waiting) > 0 {
		next := 0
		for i, p := range t.waiting {
			if q := t.waiting[next]; p.caller.had < q.caller.had || p.caller.had == q.caller.had && p.order < q.order {
				next = i
			}
		}
		p := t.waiting[next]
		t.waiting = append(t.waiting[:next], t.waiting[next+1:]...)
		p.caller.had++
		t.count()
		t.free--
		close(p.ready)
	}
}
