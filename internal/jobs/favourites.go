package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// SetFavourite makes a job a favourite of its owner, or takes it back.
func (q *Queue) SetFavourite(ctx context.Context, id string, yes bool) error {
	if !ValidID(id) {
		return ErrUnknown
	}
	var err error
	if yes {
		_, err = q.favourites.Put(ctx, id, nil)
	} else {
		err = q.favourites.Delete(ctx, id)
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("%w: a favourite: %w", ErrStore, err)
	}
	return nil
}

// Favourite reports whether a job is a favourite.
func (q *Queue) Favourite(ctx context.Context, id string) (bool, error) {
	_, err := q.favourites.Get(ctx, id)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a favourite: %w", err)
	}
	return true, nil
}

// FollowFavourites calls receive with every favourite, then with an empty ID, and then with
// every change, until ctx ends. It survives lost connections.
func (q *Queue) FollowFavourites(ctx context.Context, receive func(id string, yes bool)) error {
	watcher, err := q.favourites.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("follow the favourites: %w", err)
	}
	defer func() { _ = watcher.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, open := <-watcher.Updates():
			switch {
			case !open:
				return errors.New("follow the favourites: the connection was closed")
			case entry == nil:
				receive("", false)
			default:
				receive(entry.Key(), entry.Operation() == jetstream.KeyValuePut)
			}
		}
	}
}
