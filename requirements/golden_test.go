package requirements_test

import (
	"bufio"
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"reflectionflow/requirements"
)

var update = flag.Bool("update", false, "rewrite testdata/prompts.txt")

// TestPromptsOfPeople holds the reading of prompts as people write them: a line with the
// prompt, and under it its requirements, optional ones in parentheses, and its notes. A
// change of the file is to be read like a change of code.
func TestPromptsOfPeople(t *testing.T) {
	const path = "testdata/prompts.txt"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	prompts := 0
	for s := bufio.NewScanner(bytes.NewReader(want)); s.Scan(); {
		text := s.Text()
		if text == "" || strings.HasPrefix(text, "\t") {
			continue
		}
		prompts++
		p, err := requirements.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		checkParsed(t, text, p)
		got.WriteString(text + "\n")
		for _, line := range said(p) {
			got.WriteString("\t" + line + "\n")
		}
		for _, note := range p.Notes {
			got.WriteString("\tnote: " + note + "\n")
		}
	}
	if prompts < 400 {
		t.Errorf("%d prompts", prompts)
	}
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil { //nolint:gosec // a fixture
			t.Fatal(err)
		}
		return
	}
	a, b := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("%s:%d: got %q, want %q; -update rewrites the file", path, i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d lines, want %d", len(a), len(b))
	}
}
