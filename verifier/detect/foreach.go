package detect

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// ForEach calls work for 0 to n-1 on as many goroutines as there are processors. If ctx ends first
// it returns the error of ctx, otherwise the error of the lowest index that has one.
func ForEach(ctx context.Context, n int, work func(i int) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	errs := make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[i] = work(i)
			}
		})
	}
	workers.Wait()
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
