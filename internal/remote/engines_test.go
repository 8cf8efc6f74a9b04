package remote_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

// generateOne generates one request.
func generateOne(t *testing.T, g reflectionflow.Generator, r reflectionflow.Request) reflectionflow.Generation {
	t.Helper()
	out, err := g.Generate(t.Context(), []reflectionflow.Request{r})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestSDCPPSettings(t *testing.T) {
	double := testserver.NewSDCPP(t)
	r := requests()[1]
	r.Prompt, r.Reflection = "two cats", ""
	out := generateOne(t, open(t, "sdcpp+"+double.URL+"?correct=init&strength=0.5&guidance=cfg&negative=blur&sampler=euler&scheduler=discrete"), r)
	wantImage(t, "image", out.Image, testserver.ImageRequest{
		Prompt: "two cats", Negative: "blur", Seed: r.Seed, Width: 64, Height: 64, Steps: 4, Guidance: 3.5, Reference: r.Reference, Strength: .5,
	})
	if out.Cost.DenoiseSteps != 2 {
		t.Errorf("%d steps, want the half of 4", out.Cost.DenoiseSteps)
	}
}

// always returns a fault that does not go away.
func always(f testserver.Fault) []testserver.Fault { return slices.Repeat([]testserver.Fault{f}, 99) }

func TestSDCPPJobs(t *testing.T) {
	tests := map[string]struct {
		damage func(*testserver.SDCPP)
		kind   endpoint.Kind
		says   string
	}{
		"failed": {func(d *testserver.SDCPP) { d.Break("generate_image returned empty results") }, endpoint.Failed, "empty results"},
		"lost": {func(d *testserver.SDCPP) {
			d.Fail("GET /sdcpp/v1/jobs/{id}", always(testserver.WithStatus(404, `{"error":"job not found"}`))...)
		}, endpoint.Failed, "restarted"},
		"gone": {func(d *testserver.SDCPP) {
			d.Fail("GET /sdcpp/v1/jobs/{id}", always(testserver.WithStatus(410, `{}`))...)
		}, endpoint.Failed, "restarted"},
		"stopped": {func(d *testserver.SDCPP) {
			d.Fail("GET /sdcpp/v1/jobs/{id}", always(testserver.WithStatus(200, `{"status":"cancelled"}`))...)
		}, endpoint.Failed, "cancelled"},
		"odd state": {func(d *testserver.SDCPP) {
			d.Fail("GET /sdcpp/v1/jobs/{id}", testserver.WithStatus(200, `{"status":"resting"}`))
		}, endpoint.Malformed, "resting"},
		"id with a path": {func(d *testserver.SDCPP) {
			d.Fail("POST /sdcpp/v1/img_gen", testserver.WithStatus(202, `{"id":"../../admin"}`))
		}, endpoint.Malformed, "id"},
		"same index": {func(d *testserver.SDCPP) {
			d.Fail("GET /sdcpp/v1/jobs/{id}", testserver.WithStatus(200, `{"status":"completed","result":{"images":[{"index":7,"b64_json":"AAAA"}]}}`))
		}, endpoint.Malformed, "numbered"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			double := testserver.NewSDCPP(t)
			tt.damage(double)
			out := generateOne(t, open(t, "sdcpp+"+double.URL), requests()[0])
			wantKind(t, "the image", out.Err, tt.kind)
			if out.Err != nil && !strings.Contains(out.Err.Error(), tt.says) {
				t.Errorf("%v does not say %q", out.Err, tt.says)
			}
		})
	}
}

func TestA1111(t *testing.T) {
	r := requests()[0]
	want := testserver.ImageRequest{Prompt: r.Prompt, Seed: r.Seed, Width: 64, Height: 64, Steps: 4, Guidance: 3.5}
	lists := func(o testserver.A1111Options, parameters string) (*testserver.A1111, reflectionflow.Generator) {
		double := testserver.NewA1111(t, o)
		return double, open(t, "a1111+"+double.URL+"?"+parameters, func(o *remote.Options) {
			o.LookupEnv = func(string) (string, bool) { return "me:secret-word", true }
		})
	}
	_, g := lists(testserver.A1111Options{User: "me:secret-word"}, "key_env=WEBUI&auth=basic&guidance=distilled&model=flux")
	with := want
	with.Model = "flux"
	out := generateOne(t, g, r)
	wantImage(t, "with a password", out.Image, with)

	_, g = lists(testserver.A1111Options{NoInfo: true}, "")
	if out := generateOne(t, g, r); out.Err != nil || !out.Unseeded {
		t.Errorf("a seed that is not confirmed: %v, unseeded %t", out.Err, out.Unseeded)
	}
	_, g = lists(testserver.A1111Options{SeedShift: 1}, "")
	if out := generateOne(t, g, r); out.Err != nil || !out.Unseeded {
		t.Errorf("another seed: %v, unseeded %t", out.Err, out.Unseeded)
	}
	_, g = lists(testserver.A1111Options{Grid: true}, "batch=2")
	pair := []reflectionflow.Request{r, r}
	pair[1].Seed++
	both, err := g.Generate(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	wantImage(t, "behind a grid", both[0].Image, want)
	want.Seed++
	wantImage(t, "second behind a grid", both[1].Image, want)
}

func TestComfyUISockets(t *testing.T) {
	for name, set := range map[string]func(*testserver.ComfyUI){
		"deaf": func(d *testserver.ComfyUI) { d.NoSocket = true }, "silent": func(d *testserver.ComfyUI) { d.SilentSocket = true }, "talking": func(*testserver.ComfyUI) {},
	} {
		t.Run(name, func(t *testing.T) {
			double := testserver.NewComfyUI(t)
			set(double)
			var mu sync.Mutex
			var seen []remote.Progress
			g := open(t, "comfyui+"+double.URL+"?workflow=testdata/draw.json", func(o *remote.Options) {
				o.Progress = func(p remote.Progress) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, p)
				}
			})
			r := requests()[0]
			for range 2 { // the second time the server has it all in its cache
				if out := generateOne(t, g, r); out.Err != nil || out.Image == nil {
					t.Fatal(out.Err)
				}
			}
			for _, p := range seen {
				if p.Request.Prompt != r.Prompt || p.Done < 0 || p.Done > 1 {
					t.Errorf("progress %+v", p)
				}
			}
			if name != "talking" && len(seen) > 0 {
				t.Errorf("progress out of nothing: %v", seen)
			}
		})
	}
}

const (
	comfyOutOfMemory = `{"outputs":{},"status":{"status_str":"error","messages":[["execution_start",{}],["execution_error",{"node_type":"KSampler","exception_message":"out of memory"}]]}}`
	comfyInterrupted = `{"outputs":{},"status":{"status_str":"error","messages":[["execution_interrupted",{}]]}}`
)

// historyEntry answers for any job with an entry of that job.
func historyEntry(entry string) testserver.Fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		testserver.WithStatus(200, fmt.Sprintf("{%q:%s}", r.PathValue("id"), entry))(w, r, honest)
	}
}

func TestComfyUIJobs(t *testing.T) {
	const route = "GET /history/{id}"
	answer := func(entry string) func(*testserver.ComfyUI) {
		return func(d *testserver.ComfyUI) { d.Fail(route, always(historyEntry(entry))...) }
	}
	tests := map[string]struct {
		damage func(*testserver.ComfyUI)
		kind   endpoint.Kind
		says   string
	}{
		"failed":      {answer(comfyOutOfMemory), endpoint.Failed, "KSampler: out of memory"},
		"interrupted": {answer(comfyInterrupted), endpoint.Failed, "interrupted"},
		"no image":    {answer(`{"outputs":{},"status":{"status_str":"success"}}`), endpoint.Malformed, "0 images"},
		"refused": {func(d *testserver.ComfyUI) {
			d.Fail("POST /prompt", testserver.WithStatus(400, `{"error":{"type":"prompt_outputs_failed_validation","message":"Prompt outputs failed validation"},"node_errors":{}}`))
		}, endpoint.Status, "failed validation"},
		"image is gone": {func(d *testserver.ComfyUI) { d.Fail("GET /view", testserver.WithStatus(404, "")) }, endpoint.Status, "404"},
		"lost": {func(d *testserver.ComfyUI) {
			d.Hold()
			d.Fail("GET /queue", always(testserver.WithStatus(200, `{"queue_running":[],"queue_pending":[]}`))...)
		}, endpoint.Failed, "restarted"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			double := testserver.NewComfyUI(t)
			tt.damage(double)
			g := open(t, "comfyui+"+double.URL+"?workflow=testdata/draw.json")
			list := slices.Repeat(requests()[:1], 1)
			out, err := g.Generate(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			err = out[0].Err
			wantKind(t, "the image", err, tt.kind)
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v does not say %q", err, tt.says)
			}
		})
	}
}

// TestProgress: the server's progress is reported.
func TestProgress(t *testing.T) {
	double := testserver.NewSDCPP(t)
	var seen []remote.Progress
	g := open(t, "sdcpp+"+double.URL, func(o *remote.Options) { o.Progress = func(p remote.Progress) { seen = append(seen, p) } })
	generateOne(t, g, requests()[0])
	if len(seen) != 2 || !seen[0].Queued || seen[1].Queued {
		t.Errorf("progress %+v", seen)
	}
	webui := testserver.NewA1111(t, testserver.A1111Options{})
	webui.Hold()
	halfway := make(chan struct{})
	var once sync.Once
	g = open(t, "a1111+"+webui.URL, func(o *remote.Options) {
		o.Progress = func(p remote.Progress) {
			if p.Done == .5 {
				once.Do(func() { close(halfway) })
			}
		}
	})
	cancelDuring(t, g, 1, func() bool {
		select {
		case <-halfway:
			return true
		default:
			return false
		}
	})
}
