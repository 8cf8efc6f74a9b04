package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// What the parser cannot read and what the verifier cannot judge are shown wherever the
// prompt's requirements are: in the summary, the JSON, the report and the record.
func TestWhatIsNotReadIsShown(t *testing.T) {
	images := testserver.NewSDCPP(t)
	t.Chdir(t.TempDir())
	const prompt = "two dogs and no dogs, watercolor, supercalifragilistic"
	args := []string{"generate", prompt, "--generator", "sdcpp+" + images.URL, "--size", "64", "--steps", "2", "--strategy", "noise", "--budget", "1"}
	code, said, complained := here(t, append(args, "--out", "a")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	for _, want := range []string{
		"unjudged style: watercolor\n", "not read “supercalifragilistic”", "a contradiction: exactly 2 dog, and no dog",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the summary lacks %q:\n%s", want, said)
		}
	}
	for file, wants := range map[string][]string{
		"a/report.html": {"Not read: “supercalifragilistic”", "About the prompt: a contradiction: exactly 2 dog, and no dog", "not judged", "style: watercolor"},
		"a/run.json":    {`"kind": "free"`, `"value": "supercalifragilistic"`, `"notes": [`},
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(data), want) {
				t.Errorf("%s lacks %q", file, want)
			}
		}
	}
	code, said, complained = here(t, append(args, "--out", "b", "--json", "--quiet")...)
	var result struct {
		Right         bool     `json:"right"`
		Notes, Unread []string `json:",omitempty"`
		Requirements  []struct {
			Requirement string
			Unjudged    bool
		}
	}
	if err := json.Unmarshal([]byte(said), &result); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v: %s", code, err, complained)
	}
	unjudged := 0
	for _, r := range result.Requirements {
		if r.Unjudged {
			unjudged++
		}
	}
	if result.Right || len(result.Notes) != 1 || len(result.Unread) != 1 || unjudged != 2 {
		t.Errorf("%+v", result)
	}
}
