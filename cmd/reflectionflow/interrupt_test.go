package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var drawSlowly = []string{"generate", "a clock and a cup", "--budget", "8", "--early-stop=false", "--seed", "11"}

// command is the reflectionflow of these tests, in the folder, taking a few
// milliseconds an image.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("reflectionflow", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "FAKE_DELAY=4ms")
	return cmd
}

func exitOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// record reads a run folder, less the files of timing and the order and the seconds of
// calls.jsonl.
func record(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "timing.") {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(data)
		if d.Name() == "calls.jsonl" {
			lines := slices.Sorted(strings.Lines(seconds.ReplaceAllString(string(data), "")))
			files[name] = strings.Join(lines, "")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var seconds = regexp.MustCompile(`,"seconds":[^,}]+`)

func sameFiles(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs from the uninterrupted run", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is left over", name)
		}
	}
}

// Killed at any moments, as often as it takes, and resumed: the files are those
// of a run that was left alone.
func TestKilledAndResumed(t *testing.T) {
	t.Run("one prompt", func(t *testing.T) { killAndResume(t, drawSlowly, 10) })
	// What each gets of the common budget depends on all of them.
	t.Run("adaptive prompts", func(t *testing.T) {
		killAndResume(t, []string{
			"generate", "a cup", "a clock", "a clock and two cups", "a cup and a clock",
			"--strategy", "adaptive", "--budget", "3", "--seed", "11",
		}, 6)
	})
}

// finished runs a command in a folder and kills it after a while, unless it ended by
// itself before. One that ends with an error fails the test.
func finished(t *testing.T, home string, while time.Duration, args ...string) bool {
	t.Helper()
	cmd := command(t, home, args...)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fuse := time.AfterFunc(while, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	fuse.Stop()
	if err != nil && exitOf(t, err) != -1 {
		t.Fatalf("%v\n%s", err, said.String())
	}
	return err == nil
}

func killAndResume(t *testing.T, drawSlowly []string, trials int) {
	home := t.TempDir()
	begin := time.Now()
	if out, err := command(t, home, append(drawSlowly, "--out", "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(begin) // starting the program included, however slow the machine is
	want := record(t, filepath.Join(home, "whole"))
	kills := 0
	if testing.Short() {
		trials = 3
	}
	random := rand.New(rand.NewPCG(1, 2))
	// A machine that was busy at first makes whole too long to hit much: then it
	// takes a few trials more.
	for trial := 0; trial < trials || (kills < trials/2 && trial < 4*trials); trial++ {
		dir := filepath.Join(home, fmt.Sprint("killed", trial))
		args := append(drawSlowly, "--out", dir)
		for patience := whole; ; patience += whole / 4 { // so that a sitting gets through in the end
			if finished(t, home, time.Duration(random.Int64N(int64(patience))), args...) {
				break
			}
			kills++
			_, single := os.Stat(filepath.Join(dir, "run.json"))
			_, batch := os.Stat(filepath.Join(dir, "batch.json"))
			if single == nil || batch == nil {
				args = []string{"generate", "--resume", dir}
			} else if err := os.RemoveAll(dir); err != nil { // killed before it was a run
				t.Fatal(err)
			}
		}
		sameFiles(t, record(t, dir), want)
	}
	if kills < trials/2 {
		t.Errorf("only %d kills in %d trials: the test is too slow to hit anything", kills, trials)
	}
}

// Ctrl-C keeps what was drawn, exits with 130 and says how to go on.
func TestInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupt signal to send")
	}
	home := t.TempDir()
	if out, err := command(t, home, append(drawSlowly, "--out", "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := command(t, home, append(drawSlowly, "--out", "it's")...)
	cmd.Env = append(cmd.Env, "FAKE_DELAY=40ms")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(home, "it's", "images", "0001.png"))
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd.Wait()); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	const hint = `resume with: reflectionflow generate --resume 'it'\''s'`
	if !strings.HasSuffix(said.String(), hint+"\n") {
		t.Errorf("it said %q, want %q at the end", said.String(), hint)
	}
	if strings.Contains(said.String(), "context canceled") {
		t.Errorf("it speaks of contexts: %q", said.String())
	}
	if out, err := command(t, home, "generate", "--resume", "it's").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameFiles(t, record(t, filepath.Join(home, "it's")), record(t, filepath.Join(home, "whole")))
}

func waitFor(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not appear", path)
}
