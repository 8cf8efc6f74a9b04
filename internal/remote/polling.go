package remote

import (
	"context"
	"time"

	"reflectionflow/internal/endpoint"
)

// polling is the schedule by which a job is polled. The interval is a twentieth of the
// time since the start, so that the server waits for at most about 5% of the job's
// time until its result is fetched.
type polling struct {
	client      *endpoint.Client
	started     time.Time
	end         time.Time // of the timeout
	immediately bool      // the job has ended: the next interval is the shortest
}

const (
	minInterval = 100 * time.Millisecond
	maxInterval = 3 * time.Second
)

func newPolling(c *endpoint.Client, timeout time.Duration) *polling {
	now := c.Clock().Now()
	return &polling{client: c, started: now, end: now.Add(timeout)}
}

// interval returns the time until the next poll, or a Timeout error after the end.
func (p *polling) interval() (time.Duration, error) {
	now := p.client.Clock().Now()
	if !now.Before(p.end) {
		e := p.client.Errorf(endpoint.Timeout, "the image is not finished in time")
		e.Phase = "total"
		return 0, e
	}
	if p.immediately {
		p.immediately = false
		return minInterval, nil
	}
	return min(max(minInterval, now.Sub(p.started)/20), maxInterval), nil
}

// next waits until the next poll.
func (p *polling) next(ctx context.Context) error {
	d, err := p.interval()
	if err != nil {
		return err
	}
	return p.client.Clock().Sleep(ctx, d)
}
