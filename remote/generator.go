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
	// draw makes one drawing of one or more requests and returns a generation for
	// each, in order; the error is for all of them.
	draw(ctx context.Context, group []reflectionflow.Request) ([]reflectionflow.Generation, error)
}

// generator is a batch method over an engine.
type generator struct {
	engine engine
	client *endpoint.Client
	slots  chan struct{} // the drawings under way, over all calls
}

// Concurrency implements [Concurrent].
func (g *generator) Concurrency() int { return cap(g.slots) }

// Generate implements [reflectionflow.Generator].
//
// An image that failed carries its own error, an *endpoint.Error with the
// endpoint's name. When nothing at all was drawn because the endpoint cannot be
// used (no connection, left alone by the breaker, not authorized, not found,
// overloaded), that is the error of the call: a run can be resumed later and loses
// no candidate to it.
func (g *generator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, r := range requests {
		if err := firstError(r.Validate(), g.engine.check(r)); err != nil {
			return nil, fmt.Errorf("request %d for %s: %w", i, g.client.Name(), err)
		}
	}
	out := make([]reflectionflow.Generation, len(requests))
	var wg sync.WaitGroup
	for begin := 0; begin < len(requests); {
		end := begin + 1
		for end < len(requests) && g.engine.joins(requests[begin:end], requests[end]) {
			end++
		}
		select {
		case <-ctx.Done():
		case g.slots <- struct{}{}:
			group, answers := requests[begin:end], out[begin:end]
			wg.Go(func() {
				defer func() { <-g.slots }()
				g.draw(ctx, group, answers)
			})
		}
		begin = end
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := unusable(out); err != nil {
		return nil, err
	}
	return out, nil
}

// draw fills the generations of a group.
func (g *generator) draw(ctx context.Context, group []reflectionflow.Request, out []reflectionflow.Generation) {
	if ctx.Err() != nil {
		return
	}
	drawn, err := g.engine.draw(ctx, group)
	for i := range out {
		switch {
		case err != nil:
			out[i] = reflectionflow.Generation{Err: err}
		case i >= len(drawn):
			out[i] = reflectionflow.Generation{Err: g.client.Errorf(endpoint.Malformed, "%d images for %d requests", len(drawn), len(group))}
		default:
			out[i] = drawn[i]
		}
	}
}

// unusable is the error of a call in which nothing was drawn because of the
// endpoint, not of the pictures.
func unusable(out []reflectionflow.Generation) error {
	for _, o := range out {
		var e *endpoint.Error
		if o.Err == nil || o.Cost.Images > 0 || !errors.As(o.Err, &e) || !aboutEndpoint(e) {
			return nil
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out[0].Err
}

func aboutEndpoint(e *endpoint.Error) bool {
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
