package main

import (
	"fmt"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// A language model that replies byte by byte is given up when its time is over: the run ends
// with one line that says so, and resumes with what it has.
func TestSlowModel(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: lean})
	text := strings.Replace(fmt.Sprintf(tied, vlm.URL, sd.URL), "cache: none", "cache: none, timeout: 1s", 1)
	t.Chdir(deployed(t, strings.Replace(text, "budget: 4", "budget: 1", 1)))
	vlm.Fail(testserver.SlowLoris())
	code, _, said := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "run", "--quiet")
	if code != 1 || !strings.Contains(said, "endpoint vlm") || !strings.Contains(said, "timeout") || vlm.Requests() != 1 {
		t.Fatalf("exit code %d after %d requests: %s", code, vlm.Requests(), said)
	}
	if code, _, said := here(t, "generate", "--resume", "run", "--quiet"); code != 0 || vlm.Requests() != 2 {
		t.Errorf("resumed: exit code %d after %d requests: %s", code, vlm.Requests(), said)
	}
}
