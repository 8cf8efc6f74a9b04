package service

import (
	"context"
	"errors"
	"time"

	"reflectionflow/internal/jobs"
)

// Keep says how long ended jobs are kept, with their events and images. Jobs that have not
// ended are always kept.
type Keep struct {
	Age   time.Duration // since they ended; 0 is for ever
	Bytes uint64        // of all events and images; the oldest jobs go first; 0 is no bound
}

const (
	sweepTime  = 5 * time.Minute
	sweepBatch = 100 // jobs that are looked up at once
)

// sweep deletes jobs that are no longer kept until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	if s.options.Keep == (Keep{}) {
		return
	}
	tick := time.NewTicker(sweepTime)
	defer tick.Stop()
	begun := time.Now()
	for {
		// A clock that is set forward makes nothing older.
		if n, err := s.sweepOnce(ctx, begun.Add(time.Since(begun))); ctx.Err() == nil {
			if err != nil {
				s.log.Error("delete old jobs", "error", err.Error())
			} else if n > 0 {
				s.log.Info("deleted old jobs", "jobs", n)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweepOnce deletes the jobs that are no longer kept, and returns how many they were.
func (s *Server) sweepOnce(ctx context.Context, now time.Time) (n int, err error) {
	for {
		before := time.Unix(1<<40, 0) // a job may seem to end later than now: the clock was set back
		keep := s.options.Keep
		if keep.Bytes > 0 {
			used, err := s.queue.Bytes(ctx)
			if err != nil {
				return n, err
			}
			if used <= keep.Bytes {
				keep.Bytes = 0
			}
		}
		if keep.Bytes == 0 {
			if keep.Age == 0 {
				return n, nil
			}
			before = now.Add(-keep.Age)
		}
		limit := sweepBatch
		if keep.Bytes > 0 {
			limit = 1 // the size is asked for again
		}
		ids, err := s.history.Ended(ctx, before, limit)
		if err != nil || len(ids) == 0 {
			return n, err
		}
		for _, id := range ids {
			if err := s.drop(ctx, id); err != nil {
				return n, err
			}
			n++
		}
	}
}

// drop deletes all that is stored of an ended job. Another server may have been first.
func (s *Server) drop(ctx context.Context, id string) error {
	if err := s.queue.Delete(ctx, id); err != nil && !errors.Is(err, jobs.ErrUnknown) {
		return err
	}
	return s.history.Remove(ctx, id)
}
