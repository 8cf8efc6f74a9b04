package main

import (
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/internal/disk"
)

// A folder that one process writes to is refused to others, until it ends: by kill too.
func TestGenrefFolderIsLocked(t *testing.T) {
	home := t.TempDir()
	t.Setenv("FAKE_JUDGE", "good")
	set := filepath.Join(home, "set")
	build := []string{"genref", "build", "--source", "reward", "--count", "9", "--shard", "3", "--seed", "5", "--quiet", "--out", "set"}
	first := command(t, home, build...)
	first.Env = append(first.Env, "FAKE_DELAY=1h")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Process.Kill() }()
	waitFor(t, filepath.Join(set, "manifest.json"))
	refused := func(args ...string) {
		t.Helper()
		out, err := command(t, home, args...).CombinedOutput()
		if code := exitOf(t, err); code != exitInvalid || !strings.Contains(string(out), "in use by another process") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: exit %d, %q", args, code, out)
		}
	}
	refused(build...)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	if out, err := command(t, home, build...).CombinedOutput(); err != nil {
		t.Fatalf("after the kill: %v\n%s", err, out)
	}
	smallSet(t, filepath.Join(home, "edits"))
	export := []string{"genref", "export", "set", "--quiet", "--out", "export"}
	if out, err := command(t, home, export...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, dir := range []string{set, filepath.Join(home, "export")} {
		lock, err := disk.LockFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Unlock() //nolint:errcheck // the folder is removed
	}
	refused("genref", "annotate", "set")
	refused("genref", "build", "--source", "editing", "--from", "edits", "--out", "set")
	refused(export...)
	// Who only reads need not wait.
	for _, args := range [][]string{{"genref", "check", "set"}, {"genref", "stats", "set"}, {"genref", "export", "set", "--out", "export2"}} {
		if out, err := command(t, home, args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
