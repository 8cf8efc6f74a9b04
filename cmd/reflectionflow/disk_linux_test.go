package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk that fills up during a run is the machine's failure, exit code 1; with
// room again, the run goes on to the same files.
func TestFullDisk(t *testing.T) {
	home := t.TempDir()
	small := filepath.Join(home, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=96k"); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	}()
	fill := filepath.Join(small, "fill")
	if err := os.WriteFile(fill, make([]byte, 60<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, home, append(drawSlowly, "--out", "small/run")...).CombinedOutput()
	if code := exitOf(t, err); code != 1 {
		t.Fatalf("exit code %d, want 1\n%s", code, out)
	}
	for _, part := range []string{"no space left on device", "go on with: reflectionflow generate --resume small/run"} {
		if !strings.Contains(string(out), part) {
			t.Errorf("it said %q, want %q in it", out, part)
		}
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, home, "generate", "--resume", "small/run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := command(t, home, append(drawSlowly, "--out", "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameFiles(t, record(t, filepath.Join(small, "run")), record(t, filepath.Join(home, "whole")))
}
