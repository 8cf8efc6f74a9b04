package main

import (
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
)

// What config init writes is a configuration, and is never written over a file.
func TestConfigInit(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, engine := range starterEngines() {
		file := engine + ".yaml"
		code, stdout, stderr := here(t, "config", "init", engine, "--out", file)
		if code != 0 || !strings.Contains(stdout, "config check "+file) {
			t.Fatalf("%s: exit code %d: %s%s", engine, code, stdout, stderr)
		}
		if _, err := assemble.ReadConfig(file); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := here(t, "config", "init", engine, "--out", file); code != exitInvalid || !strings.Contains(stderr, "exists") {
			t.Errorf("%s: written twice: exit code %d: %s", engine, code, stderr)
		}
		if _, stdout, _ := here(t, "config", "init", engine, "--out", "-"); stdout != string(text) {
			t.Errorf("%s: the standard output differs from the file", engine)
		}
	}
	if code, _, stderr := here(t, "config", "init", "midjourney"); code != exitInvalid || !strings.Contains(stderr, "use a1111, clipart, comfyui, klein, openai, sdcpp") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
