package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/cpu"
	"reflectionflow/internal/fluxfiles"
	"reflectionflow/weights/gguf"
)

// A run records what --precision auto stood for, and a replay generates the same bytes without the flag. An unknown precision
// is refused.
func TestPrecisionIsRecorded(t *testing.T) {
	args := formatModel(t, "klein", fluxfiles.Plain).inGGUF(t, gguf.Q8_0)
	dir := t.TempDir()
	generate := func(more ...string) {
		t.Helper()
		if out, err := embedded(dir, more...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", more, err, out)
		}
	}
	generate(generateTiny(args[0], append(args[1:], "--steps", "2", "--precision", "auto")...)...)
	record := readFile(t, filepath.Join(dir, "run", "run.json"))
	var m struct{ Precision, Backend string }
	if err := json.Unmarshal([]byte(record), &m); err != nil {
		t.Fatal(err)
	}
	want := "f32"
	switch bf16, int8 := cpu.Precisions(); {
	case int8:
		want = "int8"
	case bf16:
		want = "bf16"
	}
	if m.Precision != want || m.Backend != "" {
		t.Errorf("the run records precision %q on backend %q, want %q on none", m.Precision, m.Backend, want)
	}
	generate("generate", "--replay", "run/run.json", "--out", "again", "--quiet")
	read := func(run string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, run, "best.png"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if !bytes.Equal(read("run"), read("again")) {
		t.Error("the replay generates another image")
	}
	out, err := embedded(dir, "generate", "a cup", "--precision", "fp4").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `unknown precision "fp4": use f32, bf16, int8, auto`) {
		t.Errorf("fp4: %v: %s", err, out)
	}
}
