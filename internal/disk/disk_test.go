package disk_test

import (
	"os"
	"path/filepath"
	"testing"

	"reflectionflow/internal/disk"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"a long first text", "short", ""} {
		if err := disk.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	// Where it cannot be put, what was begun is taken away.
	place := filepath.Join(filepath.Dir(path), "b")
	if err := os.MkdirAll(filepath.Join(place, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(place, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := disk.WriteFile(filepath.Join(place, "none", "c"), nil); err == nil {
		t.Error("it was written into a folder that is not there")
	}
	if _, err := os.Stat(place + ".tmp"); err == nil {
		t.Error("the temporary file is left behind")
	}
}

// A file that is opened twice is locked once, until it is closed.
func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	first := open()
	if ok, err := disk.TryLock(first); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	if ok, err := disk.TryLock(open()); ok || err != nil {
		t.Errorf("locked twice: %v, %v", ok, err)
	}
	first.Close()
	if ok, err := disk.TryLock(open()); !ok || err != nil {
		t.Errorf("after closing: %v, %v", ok, err)
	}
}
