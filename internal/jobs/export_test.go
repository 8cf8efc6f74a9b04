package jobs

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StealLease drops the lease of a job, as if its server had been silent.
func (b *Bus) StealLease(ctx context.Context, id string) error {
	kv, err := b.Stream.KeyValue(ctx, leasesBucket)
	if err != nil {
		return err
	}
	return kv.Purge(ctx, id)
}

// SetClock sets the clock of what is recorded.
func (q *Queue) SetClock(now func() time.Time) { q.now = now }

// Freeze lets the leases of a queue never expire, as when the clock of NATS was set back.
func (b *Bus) Freeze(ctx context.Context) error {
	_, err := b.Bucket(ctx, leasesBucket, jetstream.FileStorage, 0)
	return err
}

// Die takes a job, as a server does that then falls silent.
func (q *Queue) Die(ctx context.Context, id string) error {
	if !q.lease(ctx, id) {
		return ErrLive
	}
	_, err := q.change(ctx, id, q.started)
	return err
}

// Probe reports whether an embedded server's folder can be written.
func (b *Bus) Probe() error { return b.probe() }

// Move lets the probe look at another folder.
func (b *Bus) Move(dir string) { b.dir = dir }
