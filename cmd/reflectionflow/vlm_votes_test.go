package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// A verifier with three votes asks about an image three times, and each answer is paid for.
func TestVotes(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	vlm := testserver.NewChat(t, testserver.ChatOptions{})
	text := strings.Replace(fmt.Sprintf(tied, vlm.URL, sd.URL), "{type: yes-no, endpoint: vlm, per_requirement: true}", "{type: chat, endpoint: vlm, votes: 3, temperature: 0.7}", 1)
	text = strings.Replace(text, "comparers: {pairs: {type: chat, endpoint: vlm}}\n", "", 1)
	t.Chdir(deployed(t, strings.Replace(text, "budget: 4", "budget: 2", 1)))
	code, said, complained := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "run", "--json")
	if code != 0 || vlm.Requests() != 2*3 {
		t.Fatalf("exit code %d after %d requests: %s%s", code, vlm.Requests(), said, complained)
	}
	if !strings.Contains(said, `"money":0.06`) {
		t.Errorf("six answers at 0.01: %s", said)
	}
	if record, err := os.ReadFile("run/candidates.jsonl"); err != nil || strings.Count(string(record), "3 of 3 votes answered") != 2 {
		t.Errorf("%v: %s", err, record)
	}
}
