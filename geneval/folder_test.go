package geneval_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// Strategies that are added later have the same results as if they had been there from
// the start.
func TestStrategiesAreAdded(t *testing.T) {
	w := newWorld(t, 4)
	whole, grown := w.evaluation(t.TempDir()), w.evaluation(t.TempDir())
	whole.Samples, grown.Samples = 1, 1
	run(t, whole)
	all := grown.Strategies
	grown.Strategies = all[:1]
	run(t, grown)
	grown.Strategies = all
	run(t, grown)
	if got, want := files(t, grown.Dir), files(t, whole.Dir); !reflect.DeepEqual(got, want) {
		t.Error("a strategy that was added later has other results")
	}
	grown.Strategies = all[:1]
	if _, err := grown.Run(t.Context()); err == nil {
		t.Error("a folder was resumed without one of its strategies")
	}
}

// Seeds that are added later have the same results as if they had been there from the start.
func TestSeedsAreAdded(t *testing.T) {
	w := newWorld(t, 4)
	whole, grown := w.evaluation(t.TempDir()), w.evaluation(t.TempDir())
	whole.Samples, grown.Samples = 3, 1
	run(t, whole)
	run(t, grown)
	grown.Samples = 3
	run(t, grown)
	got, want := files(t, grown.Dir), files(t, whole.Dir)
	if got["summary.json"] != want["summary.json"] || len(got) != len(want) {
		t.Error("seeds that were added later have other results")
	}
	grown.Samples = 2
	if _, err := grown.Run(t.Context()); err == nil {
		t.Error("a folder was resumed with fewer seeds than it has")
	}
}

// Only the same evaluation resumes a folder.
func TestForeignFolders(t *testing.T) {
	w := newWorld(t, 2)
	was := w.evaluation(t.TempDir())
	run(t, was)
	results := files(t, was.Dir)["results.jsonl"]
	line, rest, _ := strings.Cut(results, "\n")
	for name, c := range map[string]struct {
		spoil func(e *geneval.Evaluation)
		says  string
	}{
		"budgets":    {func(e *geneval.Evaluation) { e.Budgets = []int{1, 8} }, "other settings (budgets)"},
		"prompts":    {func(e *geneval.Evaluation) { e.Prompts = e.Prompts[:1] }, "other settings (prompts)"},
		"model":      {func(e *geneval.Evaluation) { e.Settings = json.RawMessage(`{"model":"y"}`) }, "other settings (settings)"},
		"strategies": {func(e *geneval.Evaluation) { e.Strategies = e.Strategies[1:] }, "other settings (strategies)"},
		"a strategy": {func(e *geneval.Evaluation) {
			e.Strategies[1].Settings = json.RawMessage(`{"width":2}`)
		}, "other settings (of strategy reflection)"},
		"seed":          {func(e *geneval.Evaluation) { e.Seed++ }, "other settings (seed)"},
		"thresholds":    {func(e *geneval.Evaluation) { e.Thresholds.Score = 0.5 }, "other settings (thresholds)"},
		"not empty":     {func(e *geneval.Evaluation) { remove(t, e.Dir, "evaluation.json") }, "is not empty"},
		"a file":        {func(e *geneval.Evaluation) { e.Dir = filepath.Join(e.Dir, "results.jsonl") }, "cannot hold an evaluation"},
		"no JSON":       {func(e *geneval.Evaluation) { write(t, e.Dir, "x\n"+results) }, "line 1 is damaged"},
		"unknown field": {func(e *geneval.Evaluation) { write(t, e.Dir, results+"{\"x\":1}\n") }, "is damaged"},
		"repeated":      {func(e *geneval.Evaluation) { write(t, e.Dir, results+results) }, "repeats a search: noise for prompt 1"},
		"out of order":  {func(e *geneval.Evaluation) { write(t, e.Dir, rest+line+"\n") }, "line 1 is not of this evaluation"},
		"other prompt": {func(e *geneval.Evaluation) {
			write(t, e.Dir, strings.Replace(results, `"index":0`, `"index":1`, 1))
		}, "line 1 is not of this evaluation"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(dir, os.DirFS(was.Dir)); err != nil {
				t.Fatal(err)
			}
			e := w.evaluation(dir)
			c.spoil(e)
			if _, err := e.Run(t.Context()); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an invalid input that says %q", err, c.says)
			}
		})
	}
}

func write(t *testing.T, dir, results string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "results.jsonl"), []byte(results), 0o644); err != nil {
		t.Fatal(err)
	}
}
