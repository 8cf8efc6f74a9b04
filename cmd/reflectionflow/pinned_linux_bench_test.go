package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/testserver"
	"reflectionflow/search"
)

// BenchmarkPinned searches on one worker process with the embedded model, on a core of its
// own, and on two, by turns. NATS and the searches have what the workers leave of the
// machine. "x" is how many times faster two are.
func BenchmarkPinned(b *testing.B) {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		b.Skip("needs taskset and two cores")
	}
	tasks, cfg := pinnedSearches(b)
	took := map[int]time.Duration{}
	for b.Loop() {
		for n := 1; n <= 2; n++ {
			took[n] += pinned(b, n, tasks, cfg)
		}
	}
	images := float64(b.N * len(tasks) * cfg.Budget.Images)
	b.ReportMetric(images/took[1].Seconds(), "images/s-1")
	b.ReportMetric(images/took[2].Seconds(), "images/s-2")
	b.ReportMetric(took[1].Seconds()/took[2].Seconds(), "x")
}

// pinnedSearches are 16 searches of 4 images.
func pinnedSearches(b *testing.B) ([]search.Task, search.Config) {
	model, err := assemble.Embedded().Find("")
	if err != nil {
		b.Fatal(err)
	}
	early := false
	cfg, err := assemble.SearchConfig(config.Search{Strategy: search.Noise, Budget: "4", EarlyStop: &early}, model)
	if err != nil {
		b.Fatal(err)
	}
	tasks := make([]search.Task, 16)
	for i := range tasks {
		if tasks[i].Prompt, _, err = model.Parse(b.Context(), "a photo of two clocks and a red cup"); err != nil {
			b.Fatal(err)
		}
		tasks[i].Seed = uint64(i + 1) //nolint:gosec // small
	}
	return tasks, cfg
}

// pinned is how long the searches take on n workers, the first of which is on the last core.
func pinned(b *testing.B, n int, tasks []search.Task, cfg search.Config) time.Duration {
	url := testserver.NATS(b, nil)
	for i := range n {
		worker := embedded(b.TempDir(), "worker", "--nats", url, "--slots", "1")
		worker.Args = append([]string{"taskset", "-c", fmt.Sprint(runtime.NumCPU() - 1 - i)}, worker.Args...)
		worker.Args[3], worker.Path = worker.Path, lookPath(b, "taskset")
		worker.Stderr = os.Stderr
		out, err := worker.StdoutPipe()
		if err == nil {
			err = worker.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = worker.Process.Kill(); _ = worker.Wait() }()
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "runs clipart") {
			b.Fatalf("the worker says %q, %v", line, err)
		}
	}
	p := &program{stderr: os.Stderr}
	defer p.clusters.close()
	f, err := p.fleet(b.Context(), config.NATS{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	model, err := f.Model(b.Context(), "clipart", programVersion(), "")
	if err != nil {
		b.Fatal(err)
	}
	cfg.Batch = 16
	loop := search.Search{Generator: f.Generator(model), Verifier: f.Verifier(model)}
	begun := time.Now()
	if _, err := loop.RunMany(b.Context(), tasks, cfg); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

func lookPath(b *testing.B, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		b.Fatal(err)
	}
	return path
}
