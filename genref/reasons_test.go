package genref

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReasonsOfEarlierVersionsAreRenamed(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, 12)
	path := filepath.Join(dir, manifestName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	for old, renamed := range renamedReasons {
		data = []byte(strings.ReplaceAll(string(data), `"`+renamed+`"`, `"`+old+`"`))
	}
	if !strings.Contains(string(data), "picture") {
		t.Fatal("the manifest has no reason to rename")
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got, _, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("read %s, want %s", a, b)
	}
	annotation, err := parseAnnotation([]byte(`{"key":"a","annotator":"critic","flawed_first":true,"skipped":"prompts that are none"}`))
	if err != nil || annotation.Skipped != SkippedBadPrompt {
		t.Errorf("read %+v, %v", annotation, err)
	}
}
