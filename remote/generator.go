package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// engine is one server's protocol.
type engine interface {
	// check reports a valid request that the server cannot serve, as an error
	// wrapping ErrInvalid.
	check(r reflectionflow.Request) error
	// joins reports whether next can be drawn together with the requests in group.
	canJoin(group []reflectionflow.Request, next reflectionflow.Request) bool
	// draw makes one drawing of one or more requests; the error is for all of them.
	generate(ctx context.Context, group []reflectionflow.Request) (batchResult, error)
}

// drawing is what came of a drawing.
type batchResult struct {
	images []reflectionflow.Generation // one a request, in order
	model  string                      // that the server says has drawn; empty where it does not
}

// generator is a batch method over an engine.
type generator struct {
	engine engine
	client *endpoint.Client
	ledger *endpoint.Ledger
	model  string        // by which drawings are priced
	part   string        // the name under which the ledger knows its drawings
	slots  chan struct{} // the drawings under way, over all calls
}

// Check implements [reflectionflow.RequestChecker].
func (g *generator) Check(r reflectionflow.Request) error {
	return firstError(r.Validate(), g.engine.check(r))
}

// Concurrency implements [Concurrent].
func (g *generator) Concurrency() int { return cap(g.slots) }

// Generate implements [reflectionflow.Generator].
//
// An image that failed carries its own error, an *endpoint.Error with the
// endpoint's name. When nothing at all was drawn because the endpoint cannot be
// used (no connection, left alone by the breaker, not authorized, not found,
// overloaded), that is the error of the call: a run can be resumed later and loses
// no candidate to it. With an open ledger one such image is enough, for the others
// are kept in it; what it has is not drawn again. A server that has changed its
// model is always the error of the call.
func (g *generator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, r := range requests {
		if err := g.Check(r); err != nil {
			return nil, fmt.Errorf("request %d for %s: %w", i, g.client.Name(), err)
		}
	}
	out := make([]reflectionflow.Generation, len(requests))
	missing := g.recall(requests, out)
	errs := make([]error, len(requests)) // each at the first place of its group
	var wg sync.WaitGroup
	for left := missing; len(left) > 0; {
		indexes := g.group(requests, left)
		left = left[len(indexes):]
		select {
		case <-ctx.Done():
		case g.slots <- struct{}{}:
			wg.Go(func() {
				defer func() { <-g.slots }()
				if ctx.Err() == nil {
					patient, done := g.ledger.UserContext(ctx)
					defer done()
					errs[indexes[0]] = g.generateGroup(patient, requests, indexes, out)
				}
			})
		}
	}
	wg.Wait()
	if err := firstError(append([]error{ctx.Err()}, errs...)...); err != nil {
		return nil, err
	}
	if err := g.unusable(out, missing); err != nil {
		return nil, err
	}
	return out, nil
}

// group returns those of the places left, from the first, that can be drawn together.
func (g *generator) group(requests []reflectionflow.Request, left []int) []int {
	group := []reflectionflow.Request{requests[left[0]]}
	for _, at := range left[1:] {
		if !g.engine.canJoin(group, requests[at]) {
			break
		}
		group = append(group, requests[at])
	}
	return left[:len(group)]
}

// draw makes the drawing of the requests at places and fills in their generations,
// which are kept for the run. The error ends the call: the server has another
// model, or nothing can be kept.
func (g *generator) generateGroup(ctx context.Context, requests []reflectionflow.Request, indexes []int, out []reflectionflow.Generation) error {
	group := make([]reflectionflow.Request, len(indexes))
	for i, at := range indexes {
		group[i] = requests[at]
	}
	generated, lost, err := g.attempts(ctx, group)
	generated.model = g.client.Clean(generated.model)
	changed := g.client.NoteModel(endpoint.ForImage, generated.model)
	for i, at := range indexes {
		switch {
		case err != nil:
			out[at] = reflectionflow.Generation{Err: err}
		case i >= len(generated.images):
			out[at] = reflectionflow.Generation{Err: g.client.Errorf(endpoint.Malformed, "%d images for %d requests", len(generated.images), len(group))}
		default:
			out[at] = generated.images[i]
		}
		out[at].Cost = out[at].Cost.Add(share(lost, i, len(indexes)))
		if err := g.store(requests[at], &out[at], generated.model, changed != nil); err != nil {
			return err
		}
	}
	return changed
}

// attempts makes a drawing, several times if it fails by something that may go away:
// an error of the server, a broken connection, a time-out, a job that failed, was
// cancelled or was forgotten by a server that restarted. lost is the cost of the
// attempts that gave nothing.
func (g *generator) attempts(ctx context.Context, group []reflectionflow.Request) (generated batchResult, lost reflectionflow.Cost, err error) {
	clock := g.client.Clock()
	for n := 1; ; n++ {
		began := clock.Now()
		generated, err = g.engine.generate(ctx, group)
		e, failed := errors.AsType[*endpoint.Error](err)
		if !failed {
			return generated, lost, err
		}
		lost = lost.Add(g.lost(e, len(group)))
		lost.Seconds += max(0, clock.Now().Sub(began).Seconds())
		e.Attempts = max(e.Attempts, n)
		wait, again := g.client.RetryWait(e, n)
		if !again {
			return generated, lost, e
		}
		if err := clock.Sleep(ctx, wait); err != nil {
			return batchResult{}, lost, err
		}
	}
}

// orErrorIn checks a reply: one that has not what was asked for fails with the error
// that it holds, where it holds one.
func orErrorIn(c *endpoint.Client, usable func() bool) func(*endpoint.Response) error {
	return func(r *endpoint.Response) error {
		if usable() {
			return nil
		}
		if e := c.ErrorIn(r.Body); e != nil {
			return e
		}
		return nil
	}
}

// lost is the cost of an attempt whose reply did not arrive or could not be read: the
// server may have generated the images and charged for them. What the server itself
// calls a failure is not charged.
func (g *generator) lost(e *endpoint.Error, images int) reflectionflow.Cost {
	switch e.Kind {
	case endpoint.Timeout, endpoint.Interrupted, endpoint.Malformed, endpoint.TooLarge:
		return g.client.Account(g.model, endpoint.Usage{Calls: 1, Images: images})
	}
	return reflectionflow.Cost{}
}

// unusable is the error of a call in which nothing was drawn because of the
// endpoint, not of the pictures. Where what was drawn is kept for the run, one such
// image is enough: the run can go on later, and loses no candidate to it.
func (g *generator) unusable(out []reflectionflow.Generation, missing []int) error {
	var first error
	for _, at := range missing {
		switch {
		case endpointFailed(out[at]):
			first = firstError(first, out[at].Err)
		case !g.Resumable():
			return nil
		}
	}
	return first
}

// cancelTimeout bounds what is told to a server after the caller has left.
const cancelTimeout = 3 * time.Second

// cancelContext is a context for the last words to a server.
func cancelContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
}

// graceContext outlives the end of ctx by the same time: a job that is just being
// submitted must become known, or it could not be cancelled.
func graceContext(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(cancelTimeout, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
