package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

// startWorker starts a worker process and waits until its model is loaded.
func startWorker(t *testing.T, url string) *exec.Cmd {
	t.Helper()
	cmd := embedded(t.TempDir(), "worker", "--nats", url, "--slots", "1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "runs clipart") {
		t.Fatalf("the worker says %q, %v", line, err)
	}
	return cmd
}

const fleetConfig = `nats:
  url: URL
generators:
  workers: {type: fleet, model: clipart}
use: {parser: embedded}
`

// A search on workers leaves the images of a search on this machine, although a worker is
// killed on the way, and a worker that is asked to stop ends well.
func TestWorkers(t *testing.T) {
	t.Parallel()
	url, home := testserver.NATS(t, nil), t.TempDir()
	file := filepath.Join(home, "fleet.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(fleetConfig, "URL", url)), 0o600); err != nil {
		t.Fatal(err)
	}
	generate := []string{"generate", "two clocks and a red cup", "--budget", "3", "--steps", "3", "--early-stop=false", "--seed", "5", "--quiet"}
	if out, err := embedded(home, append(generate, "--config", file, "--out", "none")...).CombinedOutput(); exitOf(t, err) != 2 || !strings.Contains(string(out), "reflectionflow worker") {
		t.Errorf("without workers: %v\n%s", err, out)
	}
	first := startWorker(t, url)
	if out, err := embedded(home, append(generate, "--out", "alone")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	away := embedded(home, append(generate, "--config", file, "--out", "away")...)
	var said bytes.Buffer
	away.Stdout, away.Stderr = &said, &said
	if err := away.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(home, "away", "images", "0000.png"))
	_ = first.Process.Kill()
	second := startWorker(t, url)
	if err := away.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	for _, name := range []string{"0000.png", "0001.png", "0002.png"} {
		if pixelsIn(t, filepath.Join(home, "alone", "images", name)) != pixelsIn(t, filepath.Join(home, "away", "images", name)) {
			t.Errorf("%s is another image than alone", name)
		}
	}
	_ = second.Process.Signal(syscall.SIGTERM)
	if err := second.Wait(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

// pixelsIn are the pixels of a file. Its texts name the model, which the user calls
// otherwise where workers have it.
func pixelsIn(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return pixelsOf(img)
}

// TestFleetCommandsAfterKills: an evaluation and a data set that workers generate come out
// as when they were left alone, although the command and a worker are killed, again and
// again.
func TestFleetCommandsAfterKills(t *testing.T) {
	t.Setenv("FAKE_JUDGE", "good")
	url, home := testserver.NATS(t, nil), t.TempDir()
	config := strings.NewReplacer("URL", url, "model: clipart", "model: stripes", "use: {parser: embedded}", "").Replace(fleetConfig)
	writeFile(t, filepath.Join(home, "fleet.yaml"), config)
	worker := func(name string) *process {
		p := &process{name: name, make: func(string) *exec.Cmd { return command(t, home, "worker", "--nats", url, "--name", name) }}
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.kill("") })
		testserver.Wait(t, "worker "+name, func() bool { return strings.Contains(p.said.String(), "runs stripes") })
		return p
	}
	first := worker("a")
	commands := map[string][]string{
		"set":        {"genref", "build", "--config", "fleet.yaml", "--source", "correction", "--count", "12", "--shard", "4", "--seed", "5", "--quiet", "--out"},
		"evaluation": {"evaluate", "--config", "fleet.yaml", "--limit", "6", "--budgets", "1,2", "--difficulty", "1", "--judge", "embedded", "--force-judge", "--quiet", "--out"},
	}
	want, whole := map[string]map[string]string{}, map[string]time.Duration{}
	for name, args := range commands {
		begin := time.Now()
		if out, err := command(t, home, append(args, name)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		whole[name], want[name] = time.Since(begin), record(t, filepath.Join(home, name))
		untimed(want[name])
	}
	worker("b")
	random := rand.New(rand.NewPCG(3, 4))
	for name, args := range commands {
		kills := 0
		for trial := 0; trial < 8 && kills == 0; trial++ { // a slow machine makes whole too long
			forgetAnswers(t, url)
			out := fmt.Sprint(name, trial)
			// The tasks of this worker, if it has any, go to the other one.
			fuse := time.AfterFunc(whole[name]/2, func() { first.kill(""); _ = first.start() })
			kills = killed(t, home, whole[name], random, append(args, out)...)
			fuse.Stop()
			got := record(t, filepath.Join(home, out))
			untimed(got)
			sameFiles(t, got, want[name])
		}
		t.Logf("%s: %d kills", name, kills)
		if kills == 0 {
			t.Errorf("%s was never killed: the test shows nothing", name)
		}
	}
}

// forgetAnswers drops what workers have answered.
func forgetAnswers(t *testing.T, url string) {
	t.Helper()
	bus, err := jobs.Connect(url, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	stream, err := bus.Stream.Stream(t.Context(), "OBJ_fleet")
	if err == nil {
		err = stream.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}
