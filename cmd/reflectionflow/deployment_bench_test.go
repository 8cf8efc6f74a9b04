package main

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
	"reflectionflow/search"
)

// slowly lets a server do one thing at a time, each with a delay on top.
func slowly(mu *sync.Mutex, delay time.Duration) testserver.Fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		time.Sleep(delay)
		honest.ServeHTTP(w, r)
	}
}

// BenchmarkDeployment is TestSchedule over HTTP: the parts of a configuration and
// doubles of their servers, at the table's delays and at a tenth of them, where what
// HTTP costs shows. ×generator is the wall time over the generator's delays alone.
func BenchmarkDeployment(b *testing.B) {
	for _, part := range []time.Duration{10, 1} {
		generate, verify := 2*time.Second/part, time.Second/part
		b.Run(fmt.Sprintf("generate %v, verify %v", generate, verify), func(b *testing.B) { benchmarkDeployment(b, generate, verify) })
	}
}

func benchmarkDeployment(b *testing.B, generate, verify time.Duration) {
	b.Setenv("XDG_CACHE_HOME", b.TempDir())
	for b.Loop() {
		images, vlm := testserver.NewOpenAIImages(b, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"}), testserver.NewChat(b, testserver.ChatOptions{})
		var painting, judging sync.Mutex
		images.Fail("POST /v1/images/generations", slices.Repeat([]testserver.Fault{slowly(&painting, generate)}, scheduleBudget)...)
		vlm.Fail(slices.Repeat([]testserver.Fault{slowly(&judging, verify)}, scheduleBudget)...)
		c, err := assemble.ParseConfig("bench.yaml", fmt.Appendf(nil, `
endpoints: {vlm: {url: "%s", model: double-1, cache: none, concurrency: 1}}
generators: {g: {type: remote, url: "openai+%s?model=q&dialect=vllm-omni&concurrency=1"}}
verifiers: {v: {type: chat, endpoint: vlm}}
`, vlm.URL, images.URL), "/")
		if err != nil {
			b.Fatal(err)
		}
		model, err := (&program{catalog: assemble.Catalog{fakeModel(0)}}).builder(c).Model()
		if err != nil {
			b.Fatal(err)
		}
		parts, err := model.Open(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		cfg := search.Default(search.Noise)
		cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Width, cfg.EarlyStop = 64, 64, 4, scheduleWidth, false
		cfg.Budget.Images = scheduleBudget
		begin := time.Now()
		if _, err := (&search.Search{Generator: parts.Generator, Verifier: parts.Verifier}).Run(b.Context(), reflectionflow.Prompt{Text: "a thing"}, cfg); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begin).Seconds()/(scheduleBudget*generate).Seconds(), "×generator")
	}
}
