package chat

import (
	"context"
	"sync"
)

// Each calls do with 0 to n-1, as many calls at a time as the model allows. After an
// error it starts no further calls and waits for those in progress, whose answers are
// paid for. It returns the error with the lowest index, or that of ctx.
func Each(ctx context.Context, m Model, n int, do func(i int) error) error {
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
	for range min(n, max(1, m.Concurrency())) {
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
