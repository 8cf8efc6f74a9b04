package remote_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// stoppingClock ends the context of the caller when somebody waits.
type stoppingClock struct{ stop context.CancelFunc }

func (stoppingClock) Now() time.Time { return time.Now() }

func (c stoppingClock) Sleep(ctx context.Context, _ time.Duration) error {
	c.stop()
	return ctx.Err()
}

// TestCancelBetweenAttempts: a caller who leaves while a failed image waits for its next
// attempt gets the end of the context at once, and no further work is begun.
func TestCancelBetweenAttempts(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			double.Fail(c.generate, testserver.WithStatus(500, ""))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			g := open(t, address, func(o *remote.Options) { o.Endpoint = endpoint.Config{Name: "painter", Clock: stoppingClock{cancel}} })
			if _, err := g.Generate(ctx, requests()[:1]); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			if n := double.Calls(c.generate); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}
