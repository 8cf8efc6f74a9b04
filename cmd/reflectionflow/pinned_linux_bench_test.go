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
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/testserver"
	"reflectionflow/search"
)

// BenchmarkPinned searches on one worker process with the embedded model, and on two, each on
// a core of its own, by turns. NATS and the searches, which are in this process, are on the
// core of the one worker, and on the cores of the two. "x" is how many times faster two
// workers on two cores are than one on one core. "x-free" compares them with one worker while
// NATS and the searches have another core for themselves. "x-apart" is what the machine gives:
// two generate processes on a core each, without a fleet, against one.
func BenchmarkPinned(b *testing.B) {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		b.Skip("needs taskset and two cores")
	}
	tasks, cfg := pinnedSearches(b)
	last := runtime.NumCPU() - 1
	one, two := fmt.Sprint(last), fmt.Sprintf("%d,%d", last-1, last)
	defer pin(b, fmt.Sprintf("0-%d", last))
	var alone, free, both, single, apart float64 // seconds
	for b.Loop() {
		pin(b, one)
		alone += pinned(b, 1, tasks, cfg).Seconds()
		pin(b, two)
		both += pinned(b, 2, tasks, cfg).Seconds()
		free += pinned(b, 1, tasks, cfg).Seconds()
		single += separate(b, 1).Seconds()
		apart += separate(b, 2).Seconds()
	}
	images := float64(b.N * len(tasks) * cfg.Budget.Images)
	b.ReportMetric(images/alone, "images/s-1")
	b.ReportMetric(images/both, "images/s-2")
	b.ReportMetric(alone/both, "x")
	b.ReportMetric(free/both, "x-free")
	b.ReportMetric(2*single/apart, "x-apart")
}

// separate is how long n processes take that generate 128 images each, the first on the last core.
func separate(b *testing.B, n int) time.Duration {
	var all []*exec.Cmd
	begun := time.Now()
	for i := range n {
		cmd := onCore(b, i, "generate", "a photo of two clocks and a red cup", "--strategy", "noise", "--budget", "128", "--early-stop=false", "--quiet")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}

// onCore is a command on a core, counted from the last.
func onCore(b *testing.B, i int, args ...string) *exec.Cmd {
	cmd := embedded(b.TempDir(), args...)
	cmd.Args = append([]string{"taskset", "-c", fmt.Sprint(runtime.NumCPU() - 1 - i)}, cmd.Args...)
	cmd.Args[3], cmd.Path = cmd.Path, lookPath(b, "taskset")
	cmd.Stderr = os.Stderr
	return cmd
}

// pin lets this process run on the listed cores alone.
func pin(b *testing.B, cores string) {
	if out, err := exec.Command(lookPath(b, "taskset"), "-a", "-c", "-p", cores, fmt.Sprint(os.Getpid())).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}

// pinnedSearches are 64 searches of 4 images: in fewer, the images that the last worker generates alone count.
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
	tasks := make([]search.Task, 64)
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
		worker := onCore(b, i, "worker", "--nats", url, "--slots", "1")
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
	var model fleet.Model
	testserver.Wait(b, "the model", func() bool { // a worker says what it runs before it is known
		model, err = f.Model(b.Context(), "clipart", programVersion(), "")
		return err == nil
	})
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
