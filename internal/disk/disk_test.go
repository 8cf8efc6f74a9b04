package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
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
	// On an error the temporary file is removed.
	place := filepath.Join(filepath.Dir(path), "b")
	if err := os.MkdirAll(filepath.Join(place, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(place, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := disk.WriteFile(filepath.Join(place, "none", "c"), nil); err == nil {
		t.Error("a file was written into a missing folder")
	}
	if _, err := os.Stat(place + ".tmp"); err == nil {
		t.Error("the temporary file is left behind")
	}
}

// Put replaces files atomically, and SyncTree flushes a folder with its content.
func TestPutAndSyncTree(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a long first text", "short"} {
		if err := disk.Put(filepath.Join(inner, "a"), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(inner, "a")); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	if err := disk.Put(filepath.Join(inner, "none", "b"), nil); err == nil {
		t.Error("a file was written into a missing folder")
	}
	if err := disk.Put(inner, nil); err == nil {
		t.Error("a folder was replaced")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if err := disk.SyncTree(dir); err != nil {
		t.Error(err)
	}
	if err := disk.SyncTree(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing folder was flushed")
	}
}

// A second handle of a locked file gets no lock until the first is closed.
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

// A folder has one lock at a time, and Unlock removes the lock file.
func TestLockFolder(t *testing.T) {
	dir := t.TempDir()
	lock, err := disk.LockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.LockFolder(dir); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, disk.LockName)); err == nil && runtime.GOOS != "windows" {
		t.Error("the file of the lock is left behind")
	}
	if _, err := disk.LockFolder(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	// Concurrent holders are never two at a time.
	var holders, taken atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				lock, err := disk.LockFolder(dir)
				if errors.Is(err, disk.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if holders.Add(1) != 1 {
					t.Error("two have the lock")
				}
				taken.Add(1)
				holders.Add(-1)
				if err := lock.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() == 0 {
		t.Error("no goroutine got the lock")
	}
}
