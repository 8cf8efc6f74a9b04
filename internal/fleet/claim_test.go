package fleet_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"reflectionflow"
)

// TestEqualQuestions asks the same of two workers at once, from two processes: one works, and
// all get its answer. When its call fails, another works.
func TestEqualQuestions(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	begun, goOn := make(chan struct{}, 8), make(chan error)
	engine := &fake{called: func(_ context.Context, kind, _ string) error {
		if kind != "draw" {
			return nil
		}
		begun <- struct{}{}
		return <-goOn
	}}
	for _, name := range []string{"a", "b"} {
		e := engine.engine(name)
		e.Slots = 2
		work(t, connect(t, url), e)
	}
	var asking sync.WaitGroup
	failures := make(chan error, 4)
	for range 2 {
		f := open(t, connect(t, url))
		asking.Go(func() {
			made, err := f.Generator(model()).Generate(t.Context(), []reflectionflow.Request{request(1), request(1)})
			if err != nil {
				t.Error(err)
				return
			}
			for _, m := range made {
				failures <- m.Err
			}
		})
	}
	<-begun
	select {
	case <-begun:
		t.Error("two workers work on one question")
	case <-time.After(300 * time.Millisecond): // longer than the others take to find the claim
	}
	goOn <- context.DeadlineExceeded // it may pass: its caller alone is told
	<-begun
	goOn <- nil
	asking.Wait()
	close(failures)
	failed := 0
	for err := range failures {
		if err != nil {
			failed++
		}
	}
	if n, _ := engine.total("draw"); n != 2 || failed != 1 {
		t.Errorf("%d calls and %d failures, want 2 and 1", n, failed)
	}
}

// TestExpiredImage lets the store forget an image that its caller takes for stored: it is
// stored and asked about again.
func TestExpiredImage(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	engine := &fake{}
	work(t, connect(t, url), engine.engine("a"))
	bus := connect(t, url)
	f := open(t, bus)
	img := drawn(t, 1)
	p := reflectionflow.PromptedImage{Prompt: prompt(), Image: img}
	if _, err := f.Verifier(model()).Verify(t.Context(), []reflectionflow.PromptedImage{p}); err != nil {
		t.Fatal(err)
	}
	store, err := bus.Stream.ObjectStore(t.Context(), "fleet")
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		if err := store.Delete(t.Context(), o.Name); err != nil {
			t.Fatal(err)
		}
	}
	// A worker that has not seen the image.
	e := engine.engine("b")
	other := e.Model
	other.Fingerprint = fmt.Sprintf("%x", digest("other"))
	e.Model = other
	work(t, connect(t, url), e)
	if _, err := f.Verifier(other).Verify(t.Context(), []reflectionflow.PromptedImage{p}); err != nil {
		t.Errorf("after the image has expired: %v", err)
	}
}
