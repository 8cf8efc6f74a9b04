package remote_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// realTime sets the real clock: a held job would reach its timeout at once otherwise.
func realTime(o *remote.Options) { o.Endpoint.Clock = nil }

// cancelDuring starts n requests and cancels when begun reports that they are in progress.
func cancelDuring(t *testing.T, g reflectionflow.Generator, n int, started func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := g.Generate(ctx, slices.Repeat(requests()[:1], n))
		result <- err
	}()
	testserver.Wait(t, "the requests start", started)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestCancelSDCPP(t *testing.T) {
	double := testserver.NewSDCPP(t)
	double.Hold()
	cancelDuring(t, open(t, "sdcpp+"+double.URL, realTime), 2, func() bool { return double.Calls("GET /sdcpp/v1/jobs/{id}") >= 4 })
	if n := double.Cancelled(); n != 2 {
		t.Errorf("%d jobs were cancelled, want 2", n)
	}
}

// TestCancelDuringSubmission: a job whose submission is in progress is cancelled too.
func TestCancelDuringSubmission(t *testing.T) {
	double := testserver.NewSDCPP(t)
	double.Hold()
	gate, seen := make(chan struct{}), make(chan struct{})
	double.Fail("POST /sdcpp/v1/img_gen", func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		close(seen)
		<-gate
		honest.ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-seen
		cancel()
		close(gate)
	}()
	if _, err := open(t, "sdcpp+"+double.URL, realTime).Generate(ctx, requests()[:1]); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := double.Cancelled(); n != 1 {
		t.Errorf("%d jobs were cancelled, want 1", n)
	}
}

func TestCancelComfyUI(t *testing.T) {
	double := testserver.NewComfyUI(t)
	double.Hold()
	g := open(t, "comfyui+"+double.URL+"?workflow=testdata/draw.json", realTime)
	cancelDuring(t, g, 2, func() bool { return len(double.States()) == 2 && double.Calls("GET /history/{id}") >= 4 })
	states := double.States()
	slices.Sort(states)
	named := double.Interrupted()
	// Which of the two is cancelled first decides whether the other is still pending.
	if states[0] != "deleted" || states[1] != "over" || len(named) != 1 || named[0] == "" {
		t.Errorf("jobs are %v, interruptions name %q", states, named)
	}
}

func TestCancelA1111(t *testing.T) {
	for name, old := range map[string]bool{"tasks": false, "no tasks": true} {
		t.Run(name, func(t *testing.T) {
			double := testserver.NewA1111(t, testserver.A1111Options{NoTasks: old})
			double.Hold()
			cancelDuring(t, open(t, "a1111+"+double.URL, realTime), 1, double.Busy)
			if n := double.Interrupted(); n != 1 {
				t.Errorf("%d interruptions, want 1", n)
			}
		})
	}
}

// TestOtherClientsJobIsNotInterrupted: cancelling a request that waits behind another client's does not interrupt that one.
func TestOtherClientsJobIsNotInterrupted(t *testing.T) {
	double := testserver.NewA1111(t, testserver.A1111Options{})
	double.Hold()
	other := make(chan error, 1)
	theirs, release := context.WithCancel(t.Context())
	go func() {
		_, err := open(t, "a1111+"+double.URL, realTime).Generate(theirs, requests()[:1])
		other <- err
	}()
	testserver.Wait(t, "the other client's request starts", double.Busy)
	cancelDuring(t, open(t, "a1111+"+double.URL, realTime), 1, func() bool { return double.Calls("POST /sdapi/v1/txt2img") == 2 })
	if n := double.Interrupted(); n != 0 {
		t.Errorf("%d interruptions, want none", n)
	}
	release()
	if err := <-other; !errors.Is(err, context.Canceled) || double.Interrupted() != 1 {
		t.Errorf("got %v after %d interruptions", err, double.Interrupted())
	}
}

// TestCancelOpenAI: the connection ends; the protocol has nothing else.
func TestCancelOpenAI(t *testing.T) {
	double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{})
	started, left := make(chan struct{}), make(chan struct{})
	double.Fail("POST /v1/images/generations", func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		// The server watches the connection once the request is read.
		buf := make([]byte, 1<<16)
		for {
			if _, err := r.Body.Read(buf); err != nil {
				break
			}
		}
		close(started)
		<-r.Context().Done()
		close(left)
	})
	cancelDuring(t, open(t, "openai+"+double.URL+"?model=gpt-image-2", realTime), 1, func() bool {
		select {
		case <-started:
			return true
		default:
			return false
		}
	})
	<-left
}

// TestTimeoutCancelsTheJob: a job that exceeds the timeout is cancelled.
func TestTimeoutCancelsTheJob(t *testing.T) {
	double := testserver.NewSDCPP(t)
	double.Hold()
	out, err := open(t, "sdcpp+"+double.URL+"?timeout=1m").Generate(t.Context(), requests()[:1])
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the image", out[0].Err, endpoint.Timeout)
	if double.Cancelled() != 2 { // the second try too
		t.Error("the jobs were not cancelled")
	}
	comfy := testserver.NewComfyUI(t)
	comfy.Hold()
	out, err = open(t, "comfyui+"+comfy.URL+"?workflow=testdata/draw.json&timeout=1m").Generate(t.Context(), requests()[:1])
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "the image", out[0].Err, endpoint.Timeout)
	if len(comfy.Interrupted()) != 2 {
		t.Error("the jobs were not interrupted")
	}
}
