package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a disk of a size, such as 96k, as the folder small of home, or skips the test.
func smallDisk(t *testing.T, home, size string) string {
	t.Helper()
	small := filepath.Join(home, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	return small
}

// A disk that fills up during a run is the machine's failure, exit code 1; with
// room again, the run resumes to the same files.
func TestFullDisk(t *testing.T) {
	home := t.TempDir()
	small := smallDisk(t, home, "160k")
	fill := filepath.Join(small, "fill")
	if err := os.WriteFile(fill, make([]byte, 124<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, home, append(generateSlowly, "--out", "small/run")...).CombinedOutput()
	if code := exitOf(t, err); code != 1 {
		t.Fatalf("exit code %d, want 1\n%s", code, out)
	}
	for _, part := range []string{"no space left on device", "resume with: reflectionflow generate --resume small/run"} {
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
	if out, err := command(t, home, append(generateSlowly, "--out", "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameFiles(t, record(t, filepath.Join(small, "run")), record(t, filepath.Join(home, "whole")))
}

// A set on a disk that fills up keeps its finished shards, and with room again it resumes to
// the same bytes; so does an export.
func TestFullDiskOfSets(t *testing.T) {
	home := t.TempDir()
	small := smallDisk(t, home, "96k")
	t.Setenv("FAKE_JUDGE", "good")
	build := []string{"genref", "build", "--source", "reward", "--count", "30", "--shard", "2", "--quiet", "--out"}
	export := []string{"genref", "export", "whole", "--quiet", "--out"}
	for _, test := range []struct {
		args []string
		name string
		says string
	}{{build, "set", "triplets of 30 are kept; resume with the same command"}, {export, "export", "the images written are kept in small/export; resume with the same command"}} {
		whole := map[string]string{"set": "whole", "export": "exported"}[test.name]
		if out, err := command(t, home, append(test.args, whole)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := command(t, home, append(test.args, "small/"+test.name)...).CombinedOutput()
		if code := exitOf(t, err); code != 1 || !strings.Contains(string(out), test.says) || !strings.Contains(string(out), "no space left on device") || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", test.name, code, out)
		}
		if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
			t.Fatal(err)
		}
		if out, err := command(t, home, append(test.args, "small/"+test.name)...).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		sameFiles(t, record(t, filepath.Join(small, test.name)), record(t, filepath.Join(home, whole)))
		if err := os.RemoveAll(filepath.Join(small, test.name)); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=96k"); err != nil {
			t.Fatal(err)
		}
	}
}
