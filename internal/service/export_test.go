package service

import (
	"context"
	"time"
)

// Sweep deletes the jobs that are no longer kept at a time.
func (s *Server) Sweep(ctx context.Context, now time.Time) (int, error) {
	return s.sweepOnce(ctx, now)
}

// Routes returns the patterns of the API.
func (s *Server) Routes() (list []string) {
	for _, r := range s.routes() {
		list = append(list, r.pattern)
	}
	return list
}

// Bodies of requests.
type (
	JobRequest    = jobRequest
	ImageRequest  = imageRequest
	RerunRequest  = rerunRequest
	VerifyRequest = verifyRequest
	VerifyReply   = verifyReply
)
