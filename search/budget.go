package search

import (
	"math"
	"time"
)

// Budget bounds a search; 0 leaves that figure unbounded.
type Budget struct {
	// Images is the most candidates, failed ones included. A resumed search does not
	// count those that an earlier call recorded as failed, unless the failure is
	// permanent (see [reflectionflow.Candidate.Retryable]). An adaptive search counts
	// denoising steps: an abandoned noise takes its share of an image.
	Images int `json:"images"`
	// Seconds is the time after which no image is started; images under way
	// complete. It bounds a whole call of [Search.RunMany]. The result of a search
	// that it ends depends on the speed of the machine.
	Seconds float64 `json:"seconds"`
}

// Validate reports a budget out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (b Budget) Validate() error {
	switch {
	case b.Images < 0 || b.Images > MaxImages:
		return invalid("budget of %d images: must be from 0 (no bound) to %d", b.Images, MaxImages)
	case !(b.Seconds >= 0 && b.Seconds <= maxSeconds):
		return invalid("budget of %v seconds: must be from 0 (no bound) to %d", b.Seconds, maxSeconds)
	}
	return nil
}

// maxSeconds is ten years: far below where a time.Duration overflows.
const maxSeconds = 10 * 366 * 24 * 3600

// unbounded is the total of a search that only time or depth can end.
const unbounded = math.MaxInt

// total is the most candidates that the depth allows.
func (c Config) total() int {
	total := unbounded
	if c.Depth > 0 {
		total = c.Width * c.Depth
	}
	return total
}

// spent reports whether the time is up.
func (b Budget) spent(elapsed time.Duration) bool {
	return b.Seconds > 0 && elapsed.Seconds() >= b.Seconds
}
