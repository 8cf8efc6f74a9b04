package remote_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// transient lists how a server of each kind fails for a while: by HTTP and, where the
// work is a job, by the job's own end.
func transient(c client) map[string]func(*testserver.Images) {
	fail := func(route string, faults ...testserver.Fault) func(*testserver.Images) {
		return func(s *testserver.Images) { s.Fail(route, faults...) }
	}
	list := map[string]func(*testserver.Images){
		"out of memory":    fail(c.generate, testserver.WithStatus(500, `{"error":"CUDA out of memory"}`)),
		"bad gateway":      fail(c.generate, testserver.WithStatus(502, "<html>Bad Gateway</html>")),
		"loading":          fail(c.generate, testserver.WithStatus(503, `{"detail":"loading"}`)),
		"busy":             fail(c.generate, testserver.RateLimited(2, "7")...),
		"connection reset": fail(c.generate, testserver.Drop()),
		"reply cut off":    fail(c.generate, testserver.ResetMidBody()),
		"one of each":      fail(c.generate, testserver.WithStatus(500, ""), testserver.Drop(), testserver.WithStatus(503, "")),
	}
	switch c.name {
	case "sdcpp":
		const route = "GET /sdcpp/v1/jobs/{id}"
		list["job failed"] = fail(route, testserver.WithStatus(200, `{"status":"failed","error":{"code":"generation_failed","message":"out of memory"}}`))
		list["job cancelled"] = fail(route, testserver.WithStatus(200, `{"status":"cancelled","error":{"code":"cancelled","message":"by another client"}}`))
		list["server restarted"] = fail(route, testserver.WithStatus(404, `{"error":"job not found"}`))
		list["error with 200"] = fail(route, testserver.WithStatus(200, `{"error":"worker crashed"}`))
	case "comfyui":
		const route = "GET /history/{id}"
		list["job failed"] = fail(route, historyEntry(comfyOutOfMemory))
		list["job cancelled"] = fail(route, historyEntry(comfyInterrupted))
	}
	return list
}

// TestTransientFailures: after a transient failure the image is the one that the server would
// have generated at once, and counts as one image.
func TestTransientFailures(t *testing.T) {
	for _, c := range clients() {
		for name, damage := range transient(c) {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				address, double := c.start(t)
				damage(double)
				r := requests()[0]
				out := generateOne(t, open(t, address), r)
				if out.Err != nil {
					t.Fatal(out.Err)
				}
				wantImage(t, "image", out.Image, c.want(r))
				if out.Cost.Images != 1 || out.Cost.USD != 0 {
					t.Errorf("cost %+v", out.Cost)
				}
			})
		}
	}
}

// TestFailsForGood: the number of attempts is bounded; the image alone fails, says how
// often it was tried, and that the failure is not permanent. The next image is not
// touched by that.
func TestFailsForGood(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			double.Fail(c.generate, slices.Repeat([]testserver.Fault{testserver.WithStatus(500, `{"error":"CUDA out of memory"}`)}, 4)...)
			list := requests()[:1]
			list = append(list, list[0])
			list[1].Seed++
			out, err := open(t, address).Generate(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, "the image", out[0].Err, endpoint.Status)
			var p interface{ Permanent() bool }
			if !errors.As(out[0].Err, &p) || p.Permanent() || !strings.Contains(out[0].Err.Error(), "(after 4 attempts)") {
				t.Errorf("%v: it does not say that it is transient, after 4 attempts", out[0].Err)
			}
			wantImage(t, "the next image", out[1].Image, c.want(list[1]))
			if n := double.Calls(c.generate); n != 5 {
				t.Errorf("%d requests, want 4 and 1", n)
			}
		})
	}
}

// TestPermanentFailures: a request that fails permanently is sent once.
func TestPermanentFailures(t *testing.T) {
	for _, c := range clients() {
		for name, tt := range map[string]struct {
			fault testserver.Fault
			call  bool // the error is that of the call: no other request would be served
		}{
			"empty account": {testserver.EmptyAccount(1)[0], true},
			"key":           {testserver.WithStatus(401, `{"error":{"message":"no","code":"invalid_api_key"}}`), true},
			"model":         {testserver.WithStatus(404, `{"error":{"message":"no","code":"model_not_found"}}`), true},
			"filter":        {testserver.WithStatus(400, `{"error":{"message":"no","code":"content_policy_violation"}}`), false},
			"too long":      {testserver.WithStatus(400, `{"error":{"message":"no","code":"context_length_exceeded"}}`), false},
			"parameter":     {testserver.WithStatus(422, `{"detail":"no"}`), false},
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				address, double := c.start(t)
				double.Fail(c.generate, always(tt.fault)...)
				out, err := open(t, address).Generate(t.Context(), requests()[:1])
				if (err != nil) != tt.call {
					t.Fatalf("the call: %v", err)
				}
				if err == nil {
					err = out[0].Err
				}
				var e *endpoint.Error
				if !errors.As(err, &e) || !e.Permanent() || double.Calls(c.generate) != 1 {
					t.Errorf("%v after %d requests, want a permanent error after 1", err, double.Calls(c.generate))
				}
			})
		}
	}
}

// TestLostRepliesAreCounted: a reply that was lost may have been charged, so its price
// is in the image's cost and in the ledger.
func TestLostRepliesAreCounted(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			address, double := c.start(t)
			folder := t.TempDir()
			double.Fail(c.generate, testserver.ResetMidBody(), testserver.WithStatus(500, ""))
			g, _ := newSession(t, address, folder)
			out := generateOne(t, g, requests()[0])
			if out.Err != nil || out.Cost.USD != 4 || out.Cost.Images != 1 || len(out.Cost.Calls) != 1 {
				t.Errorf("cost %+v, %v, want 2 for the lost reply and 2 for the image", out.Cost, out.Err)
			}
			double.Fail(c.generate, slices.Repeat([]testserver.Fault{testserver.ResetMidBody()}, 4)...)
			r := requests()[0]
			r.Seed++
			lost := generateOne(t, g, r)
			wantKind(t, "the image", lost.Err, endpoint.Interrupted)
			if lost.Cost.USD != 8 || lost.Cost.Images != 0 || len(lost.Cost.Calls) != 1 {
				t.Errorf("cost %+v, want 8 for four lost replies", lost.Cost)
			}
			data, err := os.ReadFile(filepath.Join(folder, "calls.jsonl"))
			if err != nil || strings.Count(string(data), "\n") != 2 || strings.Count(string(data), `"money":8`) != 1 || strings.Count(string(data), `"failed":true`) != 1 {
				t.Errorf("calls.jsonl: %s, %v", data, err)
			}
		})
	}
}

// TestInterruptedA1111: an image that somebody interrupts in the web interface comes
// like a finished one; it is generated again, and never passes for finished.
func TestInterruptedA1111(t *testing.T) {
	for _, watched := range []bool{false, true} {
		double := testserver.NewA1111(t, testserver.A1111Options{})
		double.InterruptNext(1)
		set := func(o *remote.Options) {
			if watched {
				o.Progress = func(remote.Progress) {}
			}
		}
		r := requests()[0]
		out := generateOne(t, open(t, "a1111+"+double.URL, set), r)
		wantImage(t, "the image", out.Image, testserver.ImageRequest{Prompt: r.Prompt, Seed: r.Seed, Width: 64, Height: 64, Steps: 4, Guidance: 3.5})
		double.InterruptNext(9)
		out = generateOne(t, open(t, "a1111+"+double.URL, set), r)
		wantKind(t, "the image", out.Err, endpoint.Failed)
		if out.Err == nil || !strings.Contains(out.Err.Error(), "interrupted") || len(double.Generated()) != 2+4 {
			t.Errorf("%v after %d images", out.Err, len(double.Generated()))
		}
	}
	// stable-diffusion.cpp's route of the same name has no state to ask for.
	double := testserver.NewA1111(t, testserver.A1111Options{})
	double.Fail("GET /sdapi/v1/progress", testserver.WithStatus(404, ""))
	g := open(t, "a1111+"+double.URL)
	for range 2 {
		if out := generateOne(t, g, requests()[0]); out.Err != nil {
			t.Error(out.Err)
		}
	}
	if n := double.Calls("GET /sdapi/v1/progress"); n != 1 {
		t.Errorf("a server without a state was asked %d times", n)
	}
}

// TestErrorWith200: the error shows the server's text, redacted and on one line.
func TestErrorWith200(t *testing.T) {
	for _, c := range clients() {
		address, double := c.start(t)
		double.Fail(c.generate, always(testserver.WithStatus(http.StatusOK, `{"error":{"message":"the key sk-secret-key-1 has\n\u001b[31mno credits","code":"insufficient_quota"}}`))...)
		g := open(t, address, func(o *remote.Options) { o.Endpoint.Secret = endpoint.NewSecret("sk-secret-key-1") })
		_, err := g.Generate(t.Context(), requests()[:1])
		if err == nil || !strings.Contains(err.Error(), "the key [secret] has [31mno credits") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPoolTakesOver: an image that one server fails to generate is generated by another, at
// the cost of both.
func TestPoolTakesOver(t *testing.T) {
	p, doubles := fleet(t, 2)
	for _, double := range doubles[:1] {
		double.Break("out of memory")
	}
	list := seeds(4)
	out, err := p.Generate(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if out[i].Err != nil {
			t.Errorf("image %d: %v", i, out[i].Err)
		}
	}
	if n := len(doubles[1].Generated()); n != len(list) {
		t.Errorf("%d images for %d requests", n, len(list))
	}
}
