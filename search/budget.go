package search

import (
	"math"
	"time"
)

// Budget bounds a search; 0 leaves that figure unbounded.
type Budget struct {
	// Images is the most candidates, failed ones included. It is exact. An adaptive
	// search counts denoising steps: noises that it gives up take their share of an
	// image.
	Images int `json:"images"`
	// Seconds is the time after which no image is started; images under way
	// complete. It bounds a whole call of [Search.RunMany]. A search that it ends
	// depends on the speed of the machine.
	Seconds float64 `json:"seconds"`
}

// Validate reports a negative or senseless budget, as an error wrapping
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

// total is the most candidates that a prompt may get.
func (c Config) total() int {
	total := unbounded
	if c.Budget.Images > 0 && c.Adaptive == nil {
		total = c.Budget.Images
	}
	if c.Depth > 0 {
		total = min(total, c.Width*c.Depth)
	}
	return total
}

// spent reports whether the time is up.
func (b Budget) spent(elapsed time.Duration) bool {
	return b.Seconds > 0 && elapsed.Seconds() >= b.Seconds
}
