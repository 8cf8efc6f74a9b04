package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// pack returns an archive of files, each under its base name: a zip for Windows,
// else a tar.gz. The first file is executable. Its bytes depend on the files' bytes,
// their order and the time alone.
func pack(p platform, at time.Time, files []string) ([]byte, error) {
	var out bytes.Buffer
	if p.os == "windows" {
		z := zip.NewWriter(&out)
		for _, file := range files {
			w, err := z.CreateHeader(&zip.FileHeader{Name: filepath.Base(file), Method: zip.Deflate, Modified: at})
			if err != nil {
				return nil, err
			}
			if err := copyInto(w, file); err != nil {
				return nil, err
			}
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	}
	compressed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(compressed)
	for i, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if i == 0 {
			mode = 0o755
		}
		if err := t.WriteHeader(&tar.Header{Name: filepath.Base(file), Mode: mode, Size: info.Size(), ModTime: at, Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if err := copyInto(t, file); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func copyInto(w io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// writeSums writes SHA256SUMS of all files in a folder, in the form that
// sha256sum --check reads.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
