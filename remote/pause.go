package remote

import (
	"context"
	"time"

	"reflectionflow/internal/endpoint"
)

// pause is the wait between two questions about the same work. It grows: short
// enough at first that a fast server is not kept waiting, later a small part of
// the work.
type pause struct {
	client *endpoint.Client
	last   time.Duration
	end    time.Time // when patience is over
}

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 3 * time.Second
)

func newPause(c *endpoint.Client, patience time.Duration) *pause {
	return &pause{client: c, end: c.Clock().Now().Add(patience)}
}

// grow returns the next wait, or a Timeout error when patience is over.
func (p *pause) grow() (time.Duration, error) {
	if !p.client.Clock().Now().Before(p.end) {
		e := p.client.Errorf(endpoint.Timeout, "the drawing is not done")
		e.Phase = "total"
		return 0, e
	}
	p.last = min(max(firstPause, p.last*5/4), maxPause)
	return p.last, nil
}

// next waits.
func (p *pause) next(ctx context.Context) error {
	d, err := p.grow()
	if err != nil {
		return err
	}
	return p.client.Clock().Sleep(ctx, d)
}
