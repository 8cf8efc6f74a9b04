package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"reflectionflow"
)

// Pool generates with several servers of the same model. Each request goes to the
// member that is free first. If a member cannot be used, or its image failed by
// something transient, the next member gets the request; the costs add up. Servers with
// different hardware may differ in the last bits of an image. A Pool may be used from
// several goroutines.
type Pool struct {
	members []reflectionflow.Generator
	size    int

	mu      sync.Mutex
	free    []int         // per member, requests that it can take
	began   []int         // per member, the number of its last request
	count   int           // requests so far
	changed chan struct{} // closed when a member becomes free
}

// Concurrent is a generator that generates several requests at a time.
type Concurrent interface {
	Concurrency() int
}

// NewPool returns a pool. A member that is [Concurrent] gets that many requests at a
// time, other members one. An empty list is an error wrapping
// [reflectionflow.ErrInvalid].
func NewPool(members []reflectionflow.Generator) (*Pool, error) {
	if len(members) == 0 || slices.Contains(members, nil) {
		return nil, invalid("a pool needs at least one generator")
	}
	p := &Pool{members: slices.Clone(members), began: make([]int, len(members)), changed: make(chan struct{})}
	for _, m := range members {
		n := 1
		if c, ok := m.(Concurrent); ok {
			n = max(1, c.Concurrency())
		}
		p.free = append(p.free, n)
		p.size += n
	}
	return p, nil
}

// Concurrency returns the sum over the members.
func (p *Pool) Concurrency() int { return p.size }

// Generate implements [reflectionflow.Generator].
func (p *Pool) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, r := range requests {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	out, errs := make([]reflectionflow.Generation, len(requests)), make([]error, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() { out[i], errs[i] = p.one(ctx, r) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	generated := false
	for i, err := range errs {
		switch {
		case errors.Is(err, reflectionflow.ErrInvalid), err != nil && p.keeps():
			return nil, err
		case err != nil:
			out[i] = reflectionflow.Generation{Err: err}
		default:
			generated = true
		}
	}
	if !generated && len(errs) > 0 {
		return nil, errs[0]
	}
	return out, nil
}

// Check implements [reflectionflow.RequestChecker]: every member must accept the
// request.
func (p *Pool) Check(r reflectionflow.Request) error {
	for _, m := range p.members {
		if err := reflectionflow.CheckRequest(m, r); err != nil {
			return err
		}
	}
	return nil
}

// keeps reports whether all members store their images in the ledger of a run. The run
// can then be resumed, so a call in which no member could be used fails as a whole.
func (p *Pool) keeps() bool {
	for _, m := range p.members {
		if k, ok := m.(interface{ Resumable() bool }); !ok || !k.Resumable() {
			return false
		}
	}
	return true
}

// one generates a request with the first free member that can.
func (p *Pool) one(ctx context.Context, r reflectionflow.Request) (reflectionflow.Generation, error) {
	var tried []int
	var last reflectionflow.Generation // by a member whose image failed
	for {
		i, err := p.take(ctx, tried)
		if err != nil {
			return last, err
		}
		generated, err := p.members[i].Generate(ctx, []reflectionflow.Request{r})
		p.give(i)
		tried = append(tried, i)
		switch {
		case err == nil && len(generated) != 1:
			return last, fmt.Errorf("%d images for one request", len(generated))
		case err == nil:
			generated[0].Cost = last.Cost.Add(generated[0].Cost)
			last = generated[0]
			if last.Err == nil || errors.Is(last.Err, reflectionflow.ErrPermanent) || len(tried) == len(p.members) {
				return last, nil
			}
		case ctx.Err() != nil || errors.Is(err, reflectionflow.ErrInvalid):
			return last, err
		case len(tried) == len(p.members):
			if last.Err != nil {
				err = nil // the image's own error says more
			}
			return last, err
		}
	}
}

// take waits for a free member that is not in tried. Of several it returns the one that
// was idle longest.
func (p *Pool) take(ctx context.Context, tried []int) (int, error) {
	for {
		p.mu.Lock()
		found := -1
		for i, n := range p.free {
			if n > 0 && !slices.Contains(tried, i) && (found < 0 || p.began[i] < p.began[found]) {
				found = i
			}
		}
		if found >= 0 {
			p.free[found]--
			p.count++
			p.began[found] = p.count
			p.mu.Unlock()
			return found, nil
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-changed:
		}
	}
}

func (p *Pool) give(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[i]++
	close(p.changed)
	p.changed = make(chan struct{})
}
