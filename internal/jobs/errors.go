package jobs

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a queue, besides those that wrap [reflectionflow.ErrInvalid].
var (
	ErrUnknown  = errors.New("there is no such job")
	ErrConflict = errors.New("the idempotency key was used for another job")
	ErrEnded    = errors.New("the job has ended")
	ErrStore    = errors.New("nothing can be stored now: the disk may be full, or NATS does not answer")
	ErrLive     = errors.New("the job has not ended: cancel it first")
)

// LimitError says that a job was refused because too many are waiting or running.
type LimitError struct {
	What       string        // which limit, for the client
	RetryAfter time.Duration // when it is worth trying again
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: try again in %d seconds", e.What, int(e.RetryAfter.Seconds()))
}
