package fleet_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/testserver"
)

// TestSlowNATS: with 50 ms to every server and back again, all is generated and verified,
// and once.
func TestSlowNATS(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	for _, name := range []string{"a", "b"} {
		work(t, connect(t, testserver.Through(t, url, 25*time.Millisecond).URL), engine.engine(name))
	}
	f := open(t, connect(t, testserver.Through(t, url, 25*time.Millisecond).URL))
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
			way := testserver.Through(t, url, 0)
			cut, begun := &fake{delay: 200 * time.Millisecond}, make(chan struct{}, 8)
			cut.called = func(context.Context, string, string) error {
				begun <- struct{}{}
				return nil
			}
			work(t, connect(t, way.URL), cut.engine("cut"))
			f := open(t, connect(t, url))
			var asking sync.WaitGroup
			asking.Go(func() {
				made, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1)})
				if err != nil || made[0].Err != nil {
					t.Errorf("%v, %v", made, err)
				}
			})
			<-begun
			way.Cut(c.cut)
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
