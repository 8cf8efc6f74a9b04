package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// claim is a task's claim to its question, so that of several tasks with the same one, of
// any callers, the engine works on one and the others wait for its answer. It is an entry
// of the bucket of claims, which expires when its worker is silent.
type claim struct {
	key, owner string
	mutex      sync.Mutex
	revision   uint64 // 0 where it is not held
	// other is the revision of another task's claim, and since when it was seen first.
	other uint64
	since time.Time
}

func newClaim(key string) *claim { return &claim{key: key, owner: nuid.Next()} }

// errClaimed is the error for a question that another task has claimed.
var errClaimed = errors.New("another worker works on the same question")

// claim takes a claim.
func (w *worker) claim(ctx context.Context, c *claim) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	err := w.bus.Persist(ctx, w.patience(0), func(ctx context.Context) (err error) {
		c.revision, err = w.claims.Create(ctx, c.key, []byte(c.owner))
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return err
		}
		entry, failure := w.claims.Get(ctx, c.key)
		switch {
		case failure != nil:
		case string(entry.Value()) == c.owner: // the receipt was lost
			c.revision, err = entry.Revision(), nil
		case entry.Revision() != c.other:
			c.other, c.since = entry.Revision(), time.Now()
		case time.Since(c.since) > w.options.Silence: // it should have expired: the clock of NATS was set back
			if revision, failure := w.claims.Update(ctx, c.key, []byte(c.owner), entry.Revision()); failure == nil {
				c.revision, err = revision, nil
			}
		}
		return err
	})
	if errors.Is(err, jetstream.ErrKeyExists) {
		return errClaimed
	}
	if err != nil {
		return fmt.Errorf("claim a question: %w", err)
	}
	return nil
}

// renew keeps a claim from expiring.
func (w *worker) renew(ctx context.Context, c *claim) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.revision == 0 {
		return
	}
	ctx, stop := context.WithTimeout(ctx, w.options.Silence/3)
	defer stop()
	if revision, err := w.claims.Update(ctx, c.key, []byte(c.owner), c.revision); err == nil {
		c.revision = revision
	} // else the next may, or it has expired: the work goes on, for its answer is as good
}

// unclaim gives a claim up.
func (w *worker) unclaim(ctx context.Context, c *claim) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.revision == 0 || w.bus.Conn.IsClosed() {
		return
	}
	ctx, stop := context.WithTimeout(ctx, w.options.Silence/3)
	defer stop()
	_ = w.claims.Purge(ctx, c.key, jetstream.LastRevision(c.revision)) // else it expires
	c.revision = 0
}
