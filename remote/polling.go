package remote

import (
	"context"
	"time"

	"reflectionflow/internal/endpoint"
)

// pause is the wait between two questions about the same work: a twentieth of the
// time that the work has taken so far, so that a server is kept waiting for a small
// part of its work at most, however long that is.
type polling struct {
	client      *endpoint.Client
	started     time.Time
	end         time.Time // when patience is over
	immediately bool      // the work is over: the answer is due
}

const (
	minInterval = 100 * time.Millisecond
	maxInterval = 3 * time.Second
)

func newPolling(c *endpoint.Client, timeout time.Duration) *polling {
	now := c.Clock().Now()
	return &polling{client: c, started: now, end: now.Add(timeout)}
}

// grow returns the next wait, or a Timeout error when patience is over.
func (p *polling) interval() (time.Duration, error) {
	now := p.client.Clock().Now()
	if !now.Before(p.end) {
		e := p.client.Errorf(endpoint.Timeout, "the drawing is not done")
		e.Phase = "total"
		return 0, e
	}
	if p.immediately {
		p.immediately = false
		return minInterval, nil
	}
	return min(max(minInterval, now.Sub(p.started)/20), maxInterval), nil
}

// next waits.
func (p *polling) next(ctx context.Context) error {
	d, err := p.interval()
	if err != nil {
		return err
	}
	return p.client.Clock().Sleep(ctx, d)
}
