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

// engine is one server protocol.
type engine interface {
	// check reports a valid request that the server cannot serve, as an error
	// wrapping ErrInvalid.
	check(r reflectionflow.Request) error
	// canJoin reports whether next can be generated in one batch with group.
	canJoin(group []reflectionflow.Request, next reflectionflow.Request) bool
	// generate generates a batch of one or more requests. The error is that of the whole
	// batch.
	generate(ctx context.Context, group []reflectionflow.Request) (batchResult, error)
}

// batchResult is the result of one batch.
type batchResult struct {
	images []reflectionflow.Generation // one per request, in order
	model  string                      // that the server names; empty where it names none
}

// generator implements reflectionflow.Generator by an engine.
type generator struct {
	engine engine
	client *endpoint.Client
	ledger *endpoint.Ledger
	model  string        // by which images are priced
	part   string        // names this generator in the ledger's keys
	slots  chan struct{} // batches in progress, over all calls
}

// Check implements [reflectionflow.RequestChecker].
func (g *generator) Check(r reflectionflow.Request) error {
	return firstError(r.Validate(), g.engine.check(r))
}

// Concurrency implements [Concurrent].
func (g *generator) Concurrency() int { return cap(g.slots) }

// Generate implements [reflectionflow.Generator].
//
// An image that failed carries an *endpoint.Error in Err. If the endpoint cannot be
// used and nothing was generated, the call fails instead, so that no candidate of a
// run is lost to a server that is away. With an open ledger one such image is enough:
// the others are in the ledger and are not generated again. A changed model is always
// the error of the call.
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
	errs := make([]error, len(requests)) // each at the first index of its batch
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

// group returns the longest prefix of left that can be generated in one batch.
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

// generateGroup generates the requests at indexes as one batch, fills in their
// generations and stores them in the ledger. An error ends the call: the server has
// another model, or the ledger cannot be written.
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

// attempts generates a batch and retries it after transient failures. lost is the cost
// of the failed attempts.
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

// orErrorIn returns a check that fails with the error in a reply of status 200 if the
// reply is not usable and holds one.
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
// server may have generated the images and charged for them. A failure that the server
// reports is not charged.
func (g *generator) lost(e *endpoint.Error, images int) reflectionflow.Cost {
	switch e.Kind {
	case endpoint.Timeout, endpoint.Interrupted, endpoint.Malformed, endpoint.TooLarge:
		return g.client.Account(g.model, endpoint.Usage{Calls: 1, Images: images})
	}
	return reflectionflow.Cost{}
}

// unusable returns the error of a call in which the endpoint could not be used and
// nothing was generated. With an open ledger one such image is enough; see Generate.
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

// cancelTimeout bounds the requests that cancel a job after the caller's context ended.
const cancelTimeout = 3 * time.Second

// cancelContext returns a context for cancelling a job after ctx has ended.
func cancelContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
}

// graceContext returns a context that ends cancelTimeout after ctx: a job that is being
// submitted when ctx ends needs its id, or it could not be cancelled.
func graceContext(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(cancelTimeout, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
