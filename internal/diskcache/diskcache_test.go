package diskcache_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflectionflow/internal/diskcache"
)

func TestKeepsValues(t *testing.T) {
	f := diskcache.Folder{Path: filepath.Join(t.TempDir(), "a", "b"), Bound: 1000}
	if value, err := f.Get("key"); value != nil || err != nil {
		t.Fatalf("an empty cache has %q, %v", value, err)
	}
	for _, value := range []string{"first", "second", ""} {
		if err := f.Put("key", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Get("key"); err != nil || string(got) != value || got == nil {
			t.Errorf("got %q, %v, want %q", got, err, value)
		}
	}
	if got, err := f.Get("another key"); got != nil || err != nil {
		t.Errorf("another key has %q, %v", got, err)
	}
	if err := f.Put("long", make([]byte, 501)); err != nil {
		t.Error(err)
	}
	if got, _ := f.Get("long"); got != nil {
		t.Error("a value of more than half of the bound was kept")
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can read the folder: %v, %v", info.Mode(), err)
	}
}

// entry returns the only entry of the folder.
func entry(t *testing.T, f diskcache.Folder) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(f.Path, "*"))
	if err != nil || len(list) != 1 {
		t.Fatalf("entries %v, %v, want one", list, err)
	}
	return list[0]
}

// Any change of an entry is found, and the entry removed.
func TestDamagedEntries(t *testing.T) {
	f := diskcache.Folder{Path: t.TempDir(), Bound: 1000}
	if err := f.Put("key", []byte("value")); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(entry(t, f))
	if err != nil {
		t.Fatal(err)
	}
	name := entry(t, f)
	bad := [][]byte{nil, []byte("x"), good[:len(good)-1], append(bytes.Clone(good), 0), bytes.Repeat([]byte("x"), 1001)}
	for i := range good {
		changed := bytes.Clone(good)
		changed[i] ^= 1
		bad = append(bad, changed)
	}
	for _, data := range bad {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if value, err := f.Get("key"); value != nil || err == nil || !strings.Contains(err.Error(), "damaged") || strings.Contains(err.Error(), "\n") {
			t.Fatalf("entry %q gives %q, %v", data, value, err)
		}
		if value, err := f.Get("key"); value != nil || err != nil {
			t.Fatalf("entry %q was not removed: %q, %v", data, value, err)
		}
	}
}

// The least recently used entries give way, and so do files that were not finished.
func TestBound(t *testing.T) {
	f := diskcache.Folder{Path: t.TempDir(), Bound: 1000}
	left := filepath.Join(f.Path, "new-1.tmp")
	other := filepath.Join(f.Path, "notes.txt")
	for _, name := range []string{left, other} {
		if err := os.WriteFile(name, make([]byte, 2000), 0o600); err != nil {
			t.Fatal(err)
		}
		past := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(name, past, past); err != nil {
			t.Fatal(err)
		}
	}
	// The times of files tell the order: all entries become a minute older before each use.
	age := func() {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(f.Path, "*.entry"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			past := info.ModTime().Add(-time.Minute)
			if err := os.Chtimes(name, past, past); err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(key string) {
		t.Helper()
		age()
		if err := f.Put(key, make([]byte, 400)); err != nil {
			t.Fatal(err)
		}
	}
	has := func(key string) bool {
		t.Helper()
		age()
		value, err := f.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		return value != nil
	}
	put("a")
	put("b")
	if !has("a") {
		t.Fatal("a is missing")
	}
	put("c") // b was used last before a
	if has("b") || !has("a") || !has("c") {
		t.Error("want a and c, without b")
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("an abandoned file is left")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("a file of somebody else was removed")
	}
}

func TestMachineIsTheSame(t *testing.T) {
	a, err := diskcache.Machine()
	if err != nil || len(a) != 64 {
		t.Fatalf("%q, %v", a, err)
	}
}
