package fleet_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/testserver"
)

// TestAhead: a worker takes the next task while its engine works, and one only; the engine
// works on one at a time. A task that is cancelled while it waits is not begun, and one that
// comes while another worker is free goes there.
func TestAhead(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	bus := connect(t, url)
	begun, goOn := make(chan struct{}), make(chan struct{})
	engine := &fake{called: func(context.Context, string, string) error {
		begun <- struct{}{}
		<-goOn
		return nil
	}}
	f := open(t, bus)
	var asking sync.WaitGroup
	ask := func(ctx context.Context, seed uint64) {
		asking.Go(func() {
			if _, err := f.Generator(model()).Generate(ctx, []reflectionflow.Request{request(seed)}); !errors.Is(err, ctx.Err()) {
				t.Errorf("image %d: got %v", seed, err)
			}
		})
		testserver.Wait(t, "a task in the queue", func() bool {
			s, err := bus.Stream.Stream(t.Context(), "TASKS")
			return err == nil && s.CachedInfo().State.LastSeq == seed
		})
	}
	begin := func(name string) {
		e := engine.engine(name)
		e.Slots, e.Roles = 1, []fleet.Role{fleet.Draw}
		work(t, connect(t, url), e)
	}
	consumer := func(what string, holds func(*jetstream.ConsumerInfo) bool) {
		t.Helper()
		testserver.Wait(t, what, func() bool {
			c, err := bus.Stream.Consumer(t.Context(), "TASKS", model().Fingerprint+"-draw")
			return err == nil && holds(c.CachedInfo())
		})
	}
	cancelling, cancel := context.WithCancel(t.Context())
	defer cancel()
	ask(t.Context(), 1)
	ask(t.Context(), 2)
	ask(cancelling, 3)
	ask(t.Context(), 4)
	begin("a")
	<-begun // it shows how long tasks take
	goOn <- struct{}{}
	<-begun
	consumer("the task that is taken ahead", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 2 && i.NumPending == 1 })
	cancel()
	consumer("the end of the cancelled task", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 1 })
	goOn <- struct{}{}
	<-begun // the last one
	begin("b")
	consumer("another worker that waits", func(i *jetstream.ConsumerInfo) bool { return i.NumWaiting > 0 })
	ask(t.Context(), 5)
	<-begun
	goOn <- struct{}{}
	goOn <- struct{}{}
	asking.Wait()
	if n, _ := engine.total("draw"); n != 4 {
		t.Errorf("%d tasks were begun, want 4", n)
	}
}
