package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func files(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"program", "LICENSE"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("the "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

var commit = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

func TestArchivesHoldTheFilesAndNoTimeOfTheBuild(t *testing.T) {
	var first []byte
	for round := range 2 {
		archive, err := pack(platform{"linux", "amd64"}, commit, files(t)) // files of another time in another folder
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 && !bytes.Equal(first, archive) {
			t.Error("the same files give another archive")
		}
		first = archive
	}
	expanded, err := gzip.NewReader(bytes.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(expanded); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %s: %s", h.Name, h.Mode, h.ModTime.UTC().Format(time.DateOnly), text))
	}
	if want := []string{"program 755 2026-11-30: the program", "LICENSE 644 2026-11-30: the LICENSE"}; !slices.Equal(got, want) {
		t.Errorf("the archive holds %q, want %q", got, want)
	}
}

func TestArchiveForWindowsIsAZip(t *testing.T) {
	archive, err := pack(platform{"windows", "arm64"}, commit, files(t))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 2 || z.File[0].Name != "program" || z.File[1].Name != "LICENSE" {
		t.Errorf("the archive holds %d files", len(z.File))
	}
}

func TestSumsCoverEveryFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	want := fmt.Sprintf("%x  a\n%x  b\n", sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b")))
	if err != nil || string(got) != want {
		t.Errorf("SHA256SUMS is %q, error %v, want %q", got, err, want)
	}
}

func TestReleaseRefusesBadVersionsAndFullFolders(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-version", "v1/2", "-out", t.TempDir()}, "such as v1.2.3"},
		{[]string{"-version", "-s -w", "-out", t.TempDir()}, "such as v1.2.3"},
		{[]string{"-version", "v1.2.3", "-out", full}, "is not empty"},
	} {
		if err := run(t.Context(), test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.args, err, test.want)
		}
	}
}
