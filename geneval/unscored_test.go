package geneval_test

import (
	"context"
	"strings"
	"testing"

	"reflectionflow/geneval"
)

// A search that fails for a transient reason is neither right nor wrong: the other
// searches are scored, the missing ones are named, and the next call repeats them.
func TestTransientFailuresAreNotScored(t *testing.T) {
	w := newWorld(t, 12)
	broken := true
	plan := func(prompt int, _ uint64) []planned {
		if broken && prompt == 3 {
			return []planned{{score: 1, right: true}, {flaky: true}}
		}
		return []planned{{score: 1, right: true}, {score: 2, right: prompt%2 == 0}}
	}
	run := func(dir string) (geneval.Summary, error) {
		e := &geneval.Evaluation{
			Prompts: w.prompts, Strategies: []geneval.Strategy{w.strategy("noise", plan)}, Budgets: []int{1, 2}, Samples: 1, Seed: 1,
			Judge: geneval.ByRules(w), Thresholds: geneval.OfficialThresholds(), Settings: []byte(`{}`), Dir: dir,
		}
		return e.Run(context.Background())
	}
	dir := t.TempDir()
	summary, err := run(dir)
	if err == nil || !strings.Contains(err.Error(), "1 of 12 searches are not scored because they failed, the first of noise for prompt 4: the engine is on fire") {
		t.Fatalf("got error %v", err)
	}
	if len(summary.Missing) != 1 || summary.Missing[0].Index != 3 || len(summary.Rows) != 2 {
		t.Fatalf("missing %+v, %d rows", summary.Missing, len(summary.Rows))
	}
	// Prompt 4 is one of two of its task: the other one, which is right, is all that is
	// known. Counted as wrong, the mean of the six tasks would be 11/12.
	if got := summary.Rows[0].Overall; got != 1 {
		t.Errorf("overall %v, want 1", got)
	}
	results, err := geneval.ReadResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	if text := results.Summarize().Markdown(); !strings.Contains(text, "Missing: 1 searches failed and are not in the scores (noise for prompt 4).") {
		t.Errorf("the tables do not name the missing search:\n%s", text)
	}

	before := w.searches.Load()
	broken = false
	if summary, err = run(dir); err != nil || len(summary.Missing) != 0 {
		t.Fatalf("repeated: error %v, missing %+v", err, summary.Missing)
	}
	if n := w.searches.Load() - before; n != 1 {
		t.Errorf("%d searches were repeated, want 1", n)
	}
	whole, err := run(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range whole.Rows {
		if got := summary.Rows[i]; got.Overall != row.Overall || got.CILow != row.CILow || got.Cost != row.Cost {
			t.Errorf("row %d is %+v, without the failure %+v", i, got, row)
		}
	}
}
