package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflectionflow/internal/testserver"
)

var generateSlowly = []string{"generate", "a clock and a cup", "--budget", "8", "--early-stop=false", "--seed", "11"}

// command is the reflectionflow of these tests, in the folder, taking a few
// milliseconds an image.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("reflectionflow", args...)
	cmd.Dir = dir
	cmd.Env = append(withKey(), "FAKE_DELAY=4ms")
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

// A run that is killed at random moments and resumed until it ends has the same files as
// one that was not interrupted.
func TestKilledAndResumed(t *testing.T) {
	t.Parallel()
	t.Run("one prompt", func(t *testing.T) { killAndResume(t, generateSlowly, 10) })
	// The share of each prompt in the common budget depends on all of them.
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

func killAndResume(t *testing.T, generateSlowly []string, trials int) {
	home := t.TempDir()
	begin := time.Now()
	if out, err := command(t, home, append(generateSlowly, "--out", "whole")...).CombinedOutput(); err != nil {
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
		args := append(generateSlowly, "--out", dir)
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

// A signal ends a run with code 130 and the command that resumes it to the same bytes.
func TestSignalEndsRunThatResumes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	heedHangups(t)
	home := t.TempDir()
	if out, err := command(t, home, append(generateSlowly, "--out", "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		dir := "it's " + fmt.Sprint(int(sig))
		cmd := command(t, home, append(generateSlowly, "--out", dir)...)
		cmd.Env = append(cmd.Env, "FAKE_DELAY=40ms")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, filepath.Join(home, dir, "images", "0001.png"))
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := exitOf(t, cmd.Wait()); code != exitInterrupted {
			t.Errorf("%v: exit code %d, want %d", sig, code, exitInterrupted)
		}
		hint := "resume with: reflectionflow generate --resume " + quoted(dir)
		if !strings.HasSuffix(stderr.String(), hint+"\n") {
			t.Errorf("%v: it printed %q, want %q at the end", sig, stderr.String(), hint)
		}
		if strings.Contains(stderr.String(), "context canceled") {
			t.Errorf("%v: an error for programmers: %q", sig, stderr.String())
		}
		if out, err := command(t, home, "generate", "--resume", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		sameFiles(t, record(t, filepath.Join(home, dir)), record(t, filepath.Join(home, "whole")))
	}
}

// heedHangups lets programs that the test starts receive SIGHUP, also where the test itself
// runs under nohup: an ignored signal stays ignored in a child, one with a handler does not.
func heedHangups(t *testing.T) {
	t.Helper()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
}

// The end of the terminal session cancels the jobs at a server.
func TestHangupCancelsRemoteJobs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to send")
	}
	heedHangups(t)
	double := testserver.NewSDCPP(t)
	double.Hold()
	cmd := command(t, t.TempDir(), "generate", "a clock", "--generator", "sdcpp+"+double.URL, "--strategy", "noise",
		"--size", "64", "--steps", "4", "--guidance", "1", "--budget", "1", "--out", "run")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testserver.Wait(t, "a job of the server", func() bool { return double.Known() > 0 })
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if n := double.Cancelled(); n != 1 {
		t.Errorf("%d jobs are cancelled, want 1", n)
	}
}

// A run under nohup ignores the end of the terminal session.
func TestHangupIgnoredUnderNohup(t *testing.T) {
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("no nohup command")
	}
	home := t.TempDir()
	cmd := command(t, home, append(generateSlowly, "--out", "run")...)
	cmd.Path, cmd.Args = nohup, append([]string{nohup}, cmd.Args...)
	cmd.Env = append(cmd.Env, "FAKE_DELAY=20ms")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(home, "run", "images", "0001.png"))
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd.Wait()); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func waitFor(t *testing.T, path string) {
	t.Helper()
	testserver.Wait(t, path, func() bool {
		_, err := os.Stat(path)
		return err == nil
	})
}
