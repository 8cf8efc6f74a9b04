package service

import (
	"context"
	"time"
)

// Sweep deletes the jobs that are no longer kept at a time.
func (s *Server) Sweep(ctx context.Context, now time.Time) (int, error) {
	return s.sweepOnce(ctx, now)
}
