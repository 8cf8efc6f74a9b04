package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// A run's record keeps how its corrections are worded. A record without a wording, as
// all were before there were wordings, resumes with the mark that was sent then.
func TestResumedWording(t *testing.T) {
	for parameter, tt := range map[string]struct{ recorded, sent string }{
		"":                  {`?wording=instruction"`, "Edit the image: "},
		"?wording=marked":   {`"`, " (Reflexion) "},
		"?wording=appended": {`?wording=appended"`, ". "},
	} {
		t.Run(parameter, func(t *testing.T) {
			double := testserver.NewSDCPP(t)
			t.Chdir(t.TempDir())
			code, _, complained := here(t, "generate", "a clock and a cup", "--generator", "sdcpp+"+double.URL+parameter, "--strategy", "reflection",
				"--size", "64", "--steps", "4", "--guidance", "1", "--budget", "4", "--width", "1", "--early-stop=false", "--out", "run")
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, complained)
			}
			record, err := os.ReadFile("run/run.json")
			if err != nil || !bytes.Contains(record, []byte("sdcpp+"+double.URL+tt.recorded)) {
				t.Errorf("%v: the record does not hold the URL with %s:\n%s", err, tt.recorded, record)
			}
			before := double.Generated()
			first := corrections(before)
			if len(first) == 0 || !strings.Contains(first[0], tt.sent) {
				t.Fatalf("corrections are worded %q, want %q", first, tt.sent)
			}
			// The run was killed after its first candidate.
			candidates, err := os.ReadFile("run/candidates.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := bytes.Cut(candidates, []byte("\n"))
			if err := os.WriteFile("run/candidates.jsonl", append(line, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove("run/result.json"); err != nil {
				t.Fatal(err)
			}
			if code, _, complained := here(t, "generate", "--resume", "run"); code != 0 {
				t.Fatalf("resumed: exit code %d: %s", code, complained)
			}
			again := corrections(double.Generated()[len(before):])
			if strings.Join(again, "\n") != strings.Join(first, "\n") {
				t.Errorf("resumed, corrections are worded %q, before %q", again, first)
			}
		})
	}
}

func corrections(drawings []testserver.ImageRequest) []string {
	var list []string
	for _, d := range drawings {
		if d.Reference != nil {
			list = append(list, d.Prompt)
		}
	}
	return list
}
