package jobs

import "context"

// StealLease drops the lease of a job, as if its server had been silent.
func (b *Bus) StealLease(ctx context.Context, id string) error {
	kv, err := b.Stream.KeyValue(ctx, leasesBucket)
	if err != nil {
		return err
	}
	return kv.Purge(ctx, id)
}

// Probe reports whether an embedded server's folder can be written.
func (b *Bus) Probe() error { return b.probe() }

// Move lets the probe look at another folder.
func (b *Bus) Move(dir string) { b.dir = dir }
