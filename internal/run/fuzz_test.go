package run

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"reflectionflow"
)

// FuzzRecord feeds the parsers of run.json and candidates.jsonl. What they accept
// must be written back unchanged, and all else must be reported as invalid.
func FuzzRecord(f *testing.F) {
	for _, name := range []string{"run.json", "candidates.jsonl"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseManifest(data); err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("manifest: %v does not say that the input is invalid", err)
			}
		} else if _, err := encodeIndented(m); err != nil {
			t.Errorf("manifest: accepted but cannot be written: %v", err)
		}
		entries, kept, err := parseEntries(data)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("candidates: %v does not say that the input is invalid", err)
			}
			return
		}
		var written []byte
		for _, e := range entries {
			line, err := e.line()
			if err != nil {
				t.Fatalf("candidates: accepted but cannot be written: %v", err)
			}
			written = append(written, line...)
		}
		again, whole, err := parseEntries(written)
		if err != nil || whole != len(written) || len(again) != len(entries) {
			t.Fatalf("candidates: %d entries from %d bytes are read back as %d, %v", len(entries), kept, len(again), err)
		}
		var rewritten []byte
		for _, e := range again {
			line, err := e.line()
			if err != nil {
				t.Fatal(err)
			}
			rewritten = append(rewritten, line...)
		}
		if !bytes.Equal(written, rewritten) {
			t.Error("candidates: the written form is not stable")
		}
	})
}
