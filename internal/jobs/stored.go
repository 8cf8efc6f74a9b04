package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Position says how far the events go.
type Position struct {
	// Epoch names the stream: another one with the same name has another epoch.
	Epoch string
	// Last is the sequence of the last event, stored or deleted.
	Last uint64
}

// Position returns the position of the events of all jobs.
func (q *Queue) Position(ctx context.Context) (Position, error) {
	info, err := q.events.Info(ctx)
	if err != nil {
		return Position{}, fmt.Errorf("read the position of the events: %w", err)
	}
	return Position{Epoch: info.Created.UTC().Format(time.RFC3339Nano), Last: info.State.LastSeq}, nil
}

// Stored returns the IDs of the jobs that have events.
func (q *Queue) Stored(ctx context.Context) (map[string]bool, error) {
	info, err := q.events.Info(ctx, jetstream.WithSubjectFilter(eventPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("list the jobs: %w", err)
	}
	ids := make(map[string]bool, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		ids[strings.TrimPrefix(subject, eventPrefix)] = true
	}
	return ids, nil
}

// Bytes returns how much is stored: events and images.
func (q *Queue) Bytes(ctx context.Context) (uint64, error) {
	info, err := q.events.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the size of the events: %w", err)
	}
	images, err := q.images.Status(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the size of the images: %w", err)
	}
	return info.State.Bytes + images.Size(), nil
}

// Deleted calls receive with each job that a server deletes, and the sequence of its last
// event, until the returned function is called. What is deleted while nobody listens is
// seen in [Queue.Stored] only.
func (q *Queue) Deleted(receive func(id string, last uint64)) (stop func(), err error) {
	sub, err := q.bus.Conn.Subscribe(gonePrefix+"*", func(m *nats.Msg) {
		if last, err := strconv.ParseUint(string(m.Data), 10, 64); err == nil {
			receive(strings.TrimPrefix(m.Subject, gonePrefix), last)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listen to deletions: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// RemoveImage drops a stored image. One that is not stored is no error.
func (q *Queue) RemoveImage(ctx context.Context, name string) error {
	q.recent.drop(name)
	if err := q.images.Delete(ctx, name); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return fmt.Errorf("delete image %s: %w", name, err)
	}
	return nil
}
