package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// A run names the built-in prompt of its verifier. With another one it does not resume, and
// without, as in records of older versions, it does.
func TestResumeComparesBuiltInPrompts(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: lean})
	for _, kind := range []struct{ keys, id string }{{"type: yes-no", "yesno-question.v1 "}, {"type: yes-no, per_requirement: true", "yesno-atoms.v1"}, {"type: chat", "requirements.v2 "}} {
		text := strings.Replace(tied, "{type: yes-no, endpoint: vlm, per_requirement: true}", "{"+kind.keys+", endpoint: vlm}", 1)
		text = strings.Replace(text, "budget: 4", "budget: 1", 1)
		t.Chdir(deployed(t, fmt.Sprintf(text, vlm.URL, sd.URL)))
		if code, _, said := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "run"); code != 0 && kind.keys != "type: chat" {
			t.Fatalf("%s: exit code %d: %s", kind.keys, code, said)
		}
		record, err := os.ReadFile("run/run.json")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(record), `"verifiers.asked": "`)
		id, _, _ := strings.Cut(rest, `"`)
		if !ok || !strings.HasPrefix(id, kind.id) {
			t.Fatalf("%s: prompt %q in %s", kind.keys, id, record)
		}
		write := func(old, to string) {
			if err := os.WriteFile("run/run.json", []byte(strings.Replace(string(record), old, to, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(id, "requirements.v1 sha256:0123")
		if code, _, said := here(t, "generate", "--resume", "run"); code != 2 || !strings.Contains(said, `verifiers.asked: the run started with the prompt "requirements.v1 sha256:0123", this program has "`+id) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: another prompt: exit code %d: %s", kind.keys, code, said)
		}
		write(`"verifiers.asked": "`+id+`"`, "")
		if code, _, said := here(t, "generate", "--resume", "run"); code == 2 {
			t.Errorf("%s: an old record: %s", kind.keys, said)
		}
	}
}
