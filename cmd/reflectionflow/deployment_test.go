package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
)

const key = "sk-never-to-be-seen"

// judgedByChat is a configuration of the embedded generator with a language model
// that judges and reflects.
const judgedByChat = `
endpoints:
  vlm: {url: "%s", model: double-1, key_env: TEST_KEY, concurrency: 1, cache: cache, price: {per_call: 0.01}}
verifiers:
  seen: {type: chat, endpoint: vlm, prompt: seen.txt}
reflectors:
  words: {type: chat, endpoint: vlm}
search: {budget: 8, early_stop: false, seed: 11}
`

// deployed makes a folder with the configuration, and sets the key for [here].
func deployed(t *testing.T, text string) string {
	t.Helper()
	t.Setenv("TEST_KEY", key)
	return deployment(t, text)
}

// withKey is the environment of this process, with the key where it has none.
func withKey() []string { return append([]string{"TEST_KEY=" + key}, os.Environ()...) }

// deployment makes a folder with the configuration.
func deployment(t *testing.T, text string) string {
	t.Helper()
	home := t.TempDir()
	for name, content := range map[string]string{
		"config.yaml": text,
		"seen.txt":    "Judge the picture for {{quote .Prompt}}:{{range .Requirements}} {{.ID}}: {{.Text}}.{{end}}",
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// keepsSecret looks for the key in every file of a folder.
func keepsSecret(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(key)) {
			t.Errorf("%s holds the key", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// here runs the command in this process, with the fake model.
func here(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	model := fakeModel(0)
	if os.Getenv("FAKE_JUDGE") != "" {
		model = judged(model)
	}
	p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &err, catalog: assemble.Catalog{model}}
	code = p.run(context.Background(), args)
	if strings.Contains(out.String()+err.String(), key) {
		t.Errorf("the key is printed:\n%s%s", out.String(), err.String())
	}
	return code, out.String(), err.String()
}

// A server that refuses a key repeats it: it is not passed on. The money is
// accounted, and files that parts are made from must stay.
func TestDeploymentRecord(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Key: key})
	home := deployed(t, fmt.Sprintf(judgedByChat, double.URL))
	t.Chdir(home)
	t.Setenv("TEST_KEY", key+"-wrong")
	if code, _, text := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "wrong"); code != 2 || !strings.Contains(text, "vlm") {
		t.Errorf("a wrong key: exit code %d, %s", code, text)
	}
	t.Setenv("TEST_KEY", key)
	if code, _, text := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "run"); code != 0 {
		t.Fatalf("exit code %d: %s", code, text)
	}
	var result struct {
		Cost reflectionflow.Cost `json:"cost"`
	}
	data, _ := os.ReadFile("run/result.json")
	if err := json.Unmarshal(data, &result); err != nil || result.Cost.USD < 0.08 {
		t.Errorf("8 images at 0.01 per call cost %v (%v)", result.Cost.USD, err)
	}
	keepsSecret(t, home)
	before := double.Requests()
	if err := os.Remove("run/result.json"); err != nil {
		t.Fatal(err)
	}
	if code, _, text := here(t, "generate", "--resume", "run"); code != 0 || double.Requests() != before {
		t.Errorf("resumed: exit code %d, %d more requests: %s", code, double.Requests()-before, text)
	}
	if err := os.WriteFile("seen.txt", []byte("Be kind to {{quote .Prompt}}."), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, text := here(t, "generate", "--resume", "run"); code != 2 || !strings.Contains(text, "seen.txt has changed") {
		t.Errorf("another prompt: exit code %d, %s", code, text)
	}
}

// The other way round: a remote generator judged by the photo verifier; and an
// ensemble of both kinds of verifier.
func TestHybrid(t *testing.T) {
	images, vlm := testserver.NewSDCPP(t), testserver.NewChat(t, testserver.ChatOptions{Key: key})
	const remoteGenerator = `
generators: {sd: {type: remote, url: "sdcpp+%s", size: 64, steps: 3, guidance: 2}}
search: {budget: 2, early_stop: false}
`
	ensemble := fmt.Sprintf(judgedByChat, vlm.URL) + "  # more\nuse: {verifier: both}\n"
	ensemble = strings.Replace(ensemble, "reflectors:", `  yes: {type: yes-no, endpoint: vlm, per_requirement: true}
  both: {type: ensemble, members: [{verifier: seen, weight: 2}, {verifier: yes}, {verifier: embedded}]}
reflectors:`, 1)
	for name, text := range map[string]string{"remote": fmt.Sprintf(remoteGenerator, images.URL), "ensemble": ensemble} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(deployed(t, text))
			if code, _, said := here(t, "generate", "a clock and a cup", "--config", "config.yaml", "--out", "run"); code != 0 {
				t.Fatalf("exit code %d: %s", code, said)
			}
			data, _ := os.ReadFile("run/candidates.jsonl")
			if strings.Count(string(data), `"verdict"`) < 4 || strings.Contains(string(data), `"error"`) {
				t.Errorf("the record:\n%s", data)
			}
			if name == "ensemble" && !strings.Contains(string(data), "embedded 0.") {
				t.Errorf("the embedded member has no say:\n%s", data)
			}
		})
	}
}
