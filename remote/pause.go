package remote

import (
	"context"
	"time"

	"reflectionflow/internal/endpoint"
)

// pause is the wait between two questions about the same work: a twentieth of the
// time that the work has taken so far, so that a server is kept waiting for a small
// part of its work at most, however long that is.
type pause struct {
	client *endpoint.Client
	begun  time.Time
	end    time.Time // when patience is over
	soon   bool      // the work is over: the answer is due
}

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 3 * time.Second
)

func newPause(c *endpoint.Client, patience time.Duration) *pause {
	now := c.Clock().Now()
	return &pause{client: c, begun: now, end: now.Add(patience)}
}

// grow returns the next wait, or a Timeout error when patience is over.
func (p *pause) grow() (time.Duration, error) {
	now := p.client.Clock().Now()
	if !now.Before(p.end) {
		e := p.client.Errorf(endpoint.Timeout, "the drawing is not done")
		e.Phase = "total"
		return 0, e
	}
	if p.soon {
		p.soon = false
		return firstPause, nil
	}
	return min(max(firstPause, now.Sub(p.begun)/20), maxPause), nil
}

// next waits.
func (p *pause) next(ctx context.Context) error {
	d, err := p.grow()
	if err != nil {
		return err
	}
	return p.client.Clock().Sleep(ctx, d)
}
