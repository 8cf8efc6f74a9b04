package fleet_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

// fill fills the store of a server and returns what empties it again.
func fill(t *testing.T, bus *jobs.Bus) (empty func()) {
	t.Helper()
	_, err := bus.Stream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JUNK", Subjects: []string{"junk"}, Storage: jetstream.FileStorage})
	for size := 64 << 10; err == nil || size > 1; size /= 2 {
		for err = nil; err == nil; {
			_, err = bus.Stream.Publish(t.Context(), "junk", make([]byte, size))
		}
		t.Logf("%d: %v", size, err)
	}
	return sync.OnceFunc(func() {
		if err := bus.Stream.DeleteStream(context.Background(), "JUNK"); err != nil {
			t.Error(err)
		}
	})
}

// TestFullStore: a caller is told that nothing can be stored; a worker keeps the answer that
// it has, and stores it once there is space.
func TestFullStore(t *testing.T) {
	t.Parallel()
	url := testserver.NATS(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	bus := connect(t, url)
	f := open(t, bus)
	var empty func()
	begun := make(chan struct{})
	engine := &fake{called: func(context.Context, string, string) error {
		empty = fill(t, bus)
		close(begun)
		return nil
	}}
	work(t, connect(t, url), engine.engine("a"))
	answers := make(chan error, 1)
	go func() {
		_, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)})
		answers <- err
	}()
	<-begun
	if _, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(2)}); !errors.Is(err, jobs.ErrStore) {
		t.Errorf("with a full store: %v", err)
	}
	select {
	case err := <-answers:
		t.Errorf("with a full store: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	empty()
	if err := <-answers; err != nil {
		t.Error(err)
	}
	if n, _ := engine.total("draw"); n != 1 {
		t.Errorf("%d generations, want 1", n)
	}
}
