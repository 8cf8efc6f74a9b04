package service_test

import (
	"context"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
	"reflectionflow/models/clipart"
	"reflectionflow/search"
)

// benchServer starts a server on a folder with a model for a benchmark; with work it runs
// jobs. It runs until stop is called.
func benchServer(b *testing.B, dir string, model assemble.Model, work bool) (url string, stop func()) {
	b.Helper()
	bus, err := jobs.Embedded(filepath.Join(dir, "nats"))
	if err != nil {
		b.Fatal(err)
	}
	queue, err := jobs.Open(b.Context(), bus, jobs.Options{Server: "a"})
	if err != nil {
		b.Fatal(err)
	}
	s, err := service.New(b.Context(), service.Options{Queue: queue, Models: []service.Served{{Name: model.Name, Model: model}}, History: filepath.Join(dir, "history.db")})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	if work {
		working.Go(func() { _ = s.Work(ctx) })
	}
	server := httptest.NewServer(s.Handler())
	return server.URL, func() {
		server.Close()
		cancel()
		working.Wait()
		_ = s.Close()
		queue.Close()
		bus.Close()
	}
}

func post(b *testing.B, url, body string) string {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer reply.Body.Close()
	var text strings.Builder
	if _, err := fmt.Fprint(&text, reply.StatusCode, " "); err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := reply.Body.Read(buffer)
		text.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	if reply.StatusCode >= http.StatusBadRequest {
		b.Fatal(text.String())
	}
	return text.String()
}

// BenchmarkOverhead asks for images one after another, each a search of one that takes 50
// ms and 10 to verify, and reports what comes on top of the time that the generator and the
// verifier took: durable submission, events and the reply with the image.
func BenchmarkOverhead(b *testing.B) {
	model := fakeModel()
	var engine atomic.Int64 // ns of the calls
	work := func(d time.Duration) func() {
		begun := time.Now()
		time.Sleep(d)
		return func() { engine.Add(int64(time.Since(begun))) }
	}
	parts := &assemble.Engine{Verifier: reflectionflow.VerifierFunc(func(ctx context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		defer work(10 * time.Millisecond)()
		return judged(ctx, p)
	}), Generator: reflectionflow.GeneratorFunc(func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
		defer work(50 * time.Millisecond)()
		return painted(ctx, r)
	})}
	model.Open = func(context.Context, string) (*assemble.Engine, error) { return parts, nil }
	url, stop := benchServer(b, b.TempDir(), model, true)
	defer stop()
	body := `{"model":"paint:noise","prompt":"red","quality":"low"}`
	post(b, url+"/v1/images/generations", body)
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		engine.Store(0)
		post(b, url+"/v1/images/generations", body)
		took = append(took, time.Since(begun)-time.Duration(engine.Load()))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*95/100].Seconds()*1000, "p95-ms")
}

// rss returns the memory of the process in bytes, as Linux sees it.
func rss() float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(data)); err == nil && len(fields) > 1 {
		pages, _ := strconv.Atoi(fields[1])
		return float64(pages * os.Getpagesize())
	}
	return 0
}

// BenchmarkQueued submits 10,000 jobs that wait, by 8 clients, each durable when it is
// answered, and reports jobs a second and the memory of the process. Then it starts the
// server again and reports the time until it answers for a job, and the memory.
func BenchmarkQueued(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		dir := b.TempDir()
		url, stop := benchServer(b, dir, fakeModel(), false)
		begun := time.Now()
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for range n / 8 {
					post(b, url+"/api/v1/jobs", `{"prompt":"red","search":{"strategy":"noise","budget":"4"}}`)
				}
			})
		}
		clients.Wait()
		b.ReportMetric(n/time.Since(begun).Seconds(), "jobs/s")
		b.ReportMetric(rss()/1e6, "MB")
		stop()
		begun = time.Now()
		url, stop = benchServer(b, dir, fakeModel(), false)
		post(b, url+"/api/v1/jobs", `{"prompt":"red","search":{"strategy":"noise","budget":"4"}}`)
		b.ReportMetric(time.Since(begun).Seconds(), "s-start")
		b.ReportMetric(rss()/1e6, "MB-restarted")
		stop()
	}
}

// BenchmarkThroughput lets 16 clients ask for images of the embedded model, and lets one
// search have the same prompts, by turns, and reports the share of images a second that the
// service reaches, and how busy it keeps the processors' slots of the engine while images
// wait for one.
func BenchmarkThroughput(b *testing.B) {
	catalog, err := assemble.FolderModel(clipart.Name, clipart.Files)
	if err != nil {
		b.Fatal(err)
	}
	engine, err := catalog.Open(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close() //nolint:errcheck // nothing is lost
	busy := &busyGenerator{inner: engine.Generator}
	shared := *engine
	shared.Generator = busy
	catalog.Open = func(context.Context, string) (*assemble.Engine, error) { return &shared, nil }
	url, stop := benchServer(b, b.TempDir(), catalog, true)
	defer stop()
	const clients, each, budget = 16, 2, 4
	tasks := make([]search.Task, clients*each)
	for i := range tasks {
		if tasks[i].Prompt, err = clipartPrompt(catalog); err != nil {
			b.Fatal(err)
		}
		tasks[i].Seed = uint64(i + 1) //nolint:gosec // small
	}
	cfg, err := noiseConfig(catalog, budget)
	if err != nil {
		b.Fatal(err)
	}
	alone, served := 0.0, 0.0
	for b.Loop() {
		begun := time.Now()
		loop := search.Search{Generator: engine.Generator, Verifier: engine.Verifier}
		if _, err := loop.RunMany(b.Context(), tasks, cfg); err != nil {
			b.Fatal(err)
		}
		alone += time.Since(begun).Seconds()
		begun, busy.calls = time.Now(), nil
		var asking sync.WaitGroup
		for client := range clients {
			asking.Go(func() {
				for i := range each {
					post(b, url+"/v1/images/generations", fmt.Sprintf(`{"model":"clipart:noise","prompt":%q,"reflectionflow":{"budget":"%d","early_stop":false,"seed":%d}}`, benchPrompt, budget, client*each+i+1))
				}
			})
		}
		asking.Wait()
		took := time.Since(begun).Seconds()
		served += took
		b.ReportMetric(100*busy.share(runtime.GOMAXPROCS(0)), "%busy")
	}
	b.ReportMetric(alone/served, "of-evaluate")
}

const benchPrompt = "a photo of two clocks and a red cup"

func clipartPrompt(m assemble.Model) (reflectionflow.Prompt, error) {
	prompt, _, err := m.Parse(context.Background(), benchPrompt)
	return prompt, err
}

// busyGenerator notes when calls begin and end.
type busyGenerator struct {
	inner reflectionflow.Generator
	mutex sync.Mutex
	calls [][2]time.Time
}

// share is the share of the slots' time that is used, from the begin of the first call to
// that of the last: afterwards nothing waits.
func (g *busyGenerator) share(slots int) float64 {
	first, last := g.calls[0][0], g.calls[0][0]
	for _, c := range g.calls {
		if c[0].Before(first) {
			first = c[0]
		}
		if c[0].After(last) {
			last = c[0]
		}
	}
	used := time.Duration(0)
	for _, c := range g.calls {
		used += min(c[1].Sub(c[0]), last.Sub(c[0]))
	}
	return used.Seconds() / (last.Sub(first).Seconds() * float64(slots))
}

func (g *busyGenerator) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(g.inner, r)
}

func (g *busyGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	begun := time.Now()
	defer func() {
		g.mutex.Lock()
		defer g.mutex.Unlock()
		g.calls = append(g.calls, [2]time.Time{begun, time.Now()})
	}()
	return g.inner.Generate(ctx, requests)
}

func noiseConfig(m assemble.Model, budget int) (search.Config, error) {
	early := false
	return assemble.SearchConfig(config.Search{Strategy: search.Noise, Budget: strconv.Itoa(budget), EarlyStop: &early}, m)
}
