package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	joins(group []reflectionflow.Request, next reflectionflow.Request) bool
	// draw makes one drawing of one or more requests; the error is for all of them.
	draw(ctx context.Context, group []reflectionflow.Request) (drawing, error)
}

// drawing is what came of a drawing.
type drawing struct {
	images []reflectionflow.Generation // one a request, in order
	model  string                      // that the server says has drawn; empty where it does not
}

// generator is a batch method over an engine.
type generator struct {
	engine engine
	client *endpoint.Client
	ledger *endpoint.Ledger
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
		places := g.group(requests, left)
		left = left[len(places):]
		select {
		case <-ctx.Done():
		case g.slots <- struct{}{}:
			wg.Go(func() {
				defer func() { <-g.slots }()
				if ctx.Err() == nil {
					patient, done := g.ledger.Patient(ctx)
					defer done()
					errs[places[0]] = g.draw(patient, requests, places, out)
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
		if !g.engine.joins(group, requests[at]) {
			break
		}
		group = append(group, requests[at])
	}
	return left[:len(group)]
}

// draw makes the drawing of the requests at places and fills in their generations,
// which are kept for the run. The error ends the call: the server has another
// model, or nothing can be kept.
func (g *generator) draw(ctx context.Context, requests []reflectionflow.Request, places []int, out []reflectionflow.Generation) error {
	group := make([]reflectionflow.Request, len(places))
	for i, at := range places {
		group[i] = requests[at]
	}
	drawn, err := g.engine.draw(ctx, group)
	changed := g.client.Served(endpoint.ForImage, drawn.model)
	for i, at := range places {
		switch {
		case err != nil:
			out[at] = reflectionflow.Generation{Err: err}
		case i >= len(drawn.images):
			out[at] = reflectionflow.Generation{Err: g.client.Errorf(endpoint.Malformed, "%d images for %d requests", len(drawn.images), len(group))}
		default:
			out[at] = drawn.images[i]
		}
		if err := g.keep(requests[at], &out[at], drawn.model, changed != nil); err != nil {
			return err
		}
	}
	return changed
}

// unusable is the error of a call in which nothing was drawn because of the
// endpoint, not of the pictures. Where what was drawn is kept for the run, one such
// image is enough: the run can go on later, and loses no candidate to it.
func (g *generator) unusable(out []reflectionflow.Generation, missing []int) error {
	var first error
	for _, at := range missing {
		o := out[at]
		switch {
		case g.away(o):
			first = firstError(first, o.Err)
		case !g.Keeps():
			return nil
		}
	}
	return first
}

// aboutEndpoint reports whether an error says that the endpoint cannot be used.
func aboutEndpoint(err error) bool {
	var e *endpoint.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case endpoint.Refused, endpoint.BreakerOpen, endpoint.Changed:
		return true
	case endpoint.Status:
		switch e.Status {
		case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
			http.StatusProxyAuthRequired, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return e.Status >= 300 && e.Status <= 399
	}
	return false
}

// farewell bounds what is told to a server after the caller has left.
const farewell = 3 * time.Second

// parting is a context for the last words to a server.
func parting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), farewell)
}

// lingering outlives the end of ctx by the same time: a job that is just being
// submitted must become known, or it could not be cancelled.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(farewell, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
