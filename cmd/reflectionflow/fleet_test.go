package main

import (
	"bufio"
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
	begun := func() bool {
		_, err := os.Stat(filepath.Join(home, "away", "images", "0000.png"))
		return err == nil
	}
	for limit := time.Now().Add(time.Minute); !begun() && time.Now().Before(limit); {
		time.Sleep(10 * time.Millisecond)
	}
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
