package geneval_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// GenEval's scorer contradicts the judge on every image of one folder: the row is
// inverted, and rows that it did not score are left out.
func TestWithVerdicts(t *testing.T) {
	w := newWorld(t, 6)
	e := w.evaluation(t.TempDir())
	e.Samples = 1
	before := run(t, e)
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range results.Records {
		if r.Strategy == "noise" && r.Budget == 8 {
			line, err := json.Marshal(map[string]any{
				"filename": "/elsewhere/" + r.Filename, "tag": r.Tag, "prompt": r.Prompt, "correct": !r.Correct,
				"reason": "", "metadata": r.Metadata, "details": "{}",
			})
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.ReplaceAll(string(line), "/", `\/`)) // as pandas writes them
		}
	}
	verdicts := func(text string) string {
		path := filepath.Join(t.TempDir(), "theirs.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	theirs, err := results.WithVerdicts(verdicts(strings.Join(lines, "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	after := theirs.Summarize()
	if len(after.Rows) != 1 || after.Rows[0].Strategy != "noise" || after.Rows[0].Budget != 8 || math.Abs(after.Rows[0].Overall+before.Rows[2].Overall-1) > 1e-9 {
		t.Errorf("%+v", after.Rows)
	}
	for name, text := range map[string]string{
		"a cut line":      lines[0][:len(lines[0])/2],
		"twice":           lines[0] + "\n" + lines[0],
		"no answer":       strings.Replace(lines[0], "noise-8", "luck-8", 1),
		"no path":         strings.Replace(lines[0], `noise-8\/`, "", 1),
		"another prompt":  strings.Replace(lines[0], `"prompt":"a photo of`, `"prompt":"a painting of`, 1),
		"without verdict": strings.Replace(lines[0], `"correct"`, `"right"`, 1),
	} {
		if _, err := results.WithVerdicts(verdicts(text)); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "theirs.jsonl: line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	one := verdicts(lines[0] + "\n")
	if _, err := results.WithVerdicts(one, verdicts(lines[0]+"\n")); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("the same answer in two files: %v", err)
	}
}
