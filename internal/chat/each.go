package chat

import (
	"context"
	"errors"
	"sync"

	"reflectionflow/internal/endpoint"
)

// Each calls do for 0 to n-1, as many side by side as the endpoint takes. After an
// error no more are begun; those under way complete, for they are paid for and
// their answers go to the cache. The error of the lowest index is returned, or
// that of ctx.
func (c *Client) Each(ctx context.Context, n int, do func(i int) error) error {
	errs := make([]error, n)
	var mu sync.Mutex
	next, failed := 0, false
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if failed || next == n || ctx.Err() != nil {
			return -1
		}
		next++
		return next - 1
	}
	var wg sync.WaitGroup
	for range min(n, c.Concurrency()) {
		wg.Go(func() {
			for i := take(); i >= 0; i = take() {
				if err := do(i); err != nil {
					mu.Lock()
					errs[i], failed = err, true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// errUnusable marks the error of [Ask] for answers that cannot be used.
var errUnusable = errors.New("unusable answer")

// Unanswered reports whether err means that the model was asked and gave no answer
// of use: it refused, or what it said could not be read twice. That concerns one
// picture and not the endpoint.
func Unanswered(err error) bool {
	return errors.Is(err, errUnusable) || Refused(err)
}

// Refused reports whether err means that the model, or its filter, would not answer.
func Refused(err error) bool { return endpoint.IsKind(err, endpoint.Declined) }
