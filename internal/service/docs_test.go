package service_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestGuide runs the guide's calls with curl.
func TestGuide(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	guide, err := os.ReadFile("../../docs/guides/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, nil).URL
	dir := t.TempDir()
	ran := 0
	for _, block := range strings.Split(string(guide), "```sh\n")[1:] {
		script, _, _ := strings.Cut(block, "```")
		if !strings.Contains(script, "curl") {
			continue
		}
		ran++
		script = strings.ReplaceAll(strings.ReplaceAll(script, "http://127.0.0.1:8080", url), "curl -s", "curl --fail-with-body --show-error -s")
		shell := exec.CommandContext(t.Context(), "sh", "-ec", script) //nolint:gosec // of the repository
		shell.Dir = dir
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %.400s", script, err, out)
		}
		if text := string(out); !strings.Contains(text, `"b64_json"`) && !strings.Contains(text, `"right":`) && (!strings.Contains(text, "event: done") || !strings.Contains(text, `"by":[`)) {
			t.Errorf("%s answers %.400s", script, out)
		}
	}
	if ran != 3 {
		t.Errorf("%d blocks with calls", ran)
	}
	for name, begin := range map[string]string{"first.png": "\x89PNG", "run.zip": "PK"} {
		if file, err := os.ReadFile(dir + "/" + name); err != nil || !strings.HasPrefix(string(file), begin) {
			t.Errorf("%s: %.10q, error %v", name, file, err)
		}
	}
}

// TestReadme runs the calls of the README's section on the server.
func TestReadme(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	url := complete(t, nil)
	ran := 0
	for line := range strings.Lines(string(readme)) {
		script := strings.TrimSpace(line)
		if !strings.HasPrefix(script, "curl ") {
			continue
		}
		ran++
		script = strings.ReplaceAll(strings.ReplaceAll(script, "http://127.0.0.1:8080", url), "curl -s", "curl --fail-with-body --show-error -s")
		out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput() //nolint:gosec // of the repository
		if err != nil || !strings.Contains(string(out), `"b64_json"`) {
			t.Errorf("%s: %v: %.400s", script, err, out)
		}
	}
	if ran != 1 {
		t.Errorf("%d calls", ran)
	}
}
