package fleet_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"reflectionflow"
)

// network is a way to a NATS server that is slow, or takes nothing for a while.
type network struct {
	url   string
	delay time.Duration // of everything, each way

	mutex sync.Mutex
	until time.Time // nothing passes before
}

// through returns a network to a server.
func through(t *testing.T, url string, delay time.Duration) *network {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	n := &network{url: "nats://" + listener.Addr().String(), delay: delay}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "nats://"))
			if err != nil {
				_ = from.Close()
				continue
			}
			go n.pass(from, to)
			go n.pass(to, from)
		}
	}()
	return n
}

// pass passes what comes on, late.
func (n *network) pass(from, to net.Conn) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 1000)
	go func() {
		for p := range pieces {
			time.Sleep(time.Until(p.due))
			n.mutex.Lock()
			until := n.until
			n.mutex.Unlock()
			time.Sleep(time.Until(until))
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		_ = to.Close()
		for range pieces { // the reader ends too
		}
	}()
	defer close(pieces)
	for {
		buffer := make([]byte, 32<<10)
		size, err := from.Read(buffer)
		if err != nil {
			return
		}
		pieces <- piece{buffer[:size], time.Now().Add(n.delay)}
	}
}

// cut lets nothing pass for a time.
func (n *network) cut(d time.Duration) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.until = time.Now().Add(d)
}

// TestSlowNATS: with 50 ms to every server and back again, all is generated and verified,
// and once.
func TestSlowNATS(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	for _, name := range []string{"a", "b"} {
		work(t, connect(t, through(t, url, 25*time.Millisecond).url), engine.engine(name))
	}
	f := open(t, connect(t, through(t, url, 25*time.Millisecond).url))
	made, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1), request(2), request(3)})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range made {
		if m.Err != nil || m.Image == nil {
			t.Fatalf("image %d: %v", i, m.Err)
		}
		if _, err := f.Verifier(model()).Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt(), Image: m.Image}}); err != nil {
			t.Error(err)
		}
	}
	if n, _ := engine.total("draw"); n != 3 {
		t.Errorf("%d images were generated, want 3", n)
	}
}

// TestPartition cuts a worker off while it works: for less than its silence may last, when
// it goes on as if nothing had happened, and for longer, when another worker answers.
func TestPartition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cut  time.Duration
		most int // images that are generated for one
	}{{"short", 500 * time.Millisecond, 1}, {"long", 4 * time.Second, 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := startServer(t)
			way := through(t, url, 0)
			cut, begun := &fake{delay: 200 * time.Millisecond}, make(chan struct{}, 8)
			cut.called = func(context.Context, string, string) error {
				begun <- struct{}{}
				return nil
			}
			work(t, connect(t, way.url), cut.engine("cut"))
			f := open(t, connect(t, url))
			var asking sync.WaitGroup
			asking.Go(func() {
				made, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)})
				if err != nil || made[0].Err != nil {
					t.Errorf("%v, %v", made, err)
				}
			})
			<-begun
			way.cut(c.cut)
			other := &fake{}
			work(t, connect(t, url), other.engine("other"))
			asking.Wait()
			here, _ := cut.total("draw")
			there, _ := other.total("draw")
			if here != 1 || here+there != c.most {
				t.Errorf("%d and %d images were generated", here, there)
			}
		})
	}
}
