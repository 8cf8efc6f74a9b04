package run_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/run"
)

func finished(t *testing.T, dir string) map[string]string {
	t.Helper()
	f := create(t, dir)
	record(t, f, 0, 4)
	finish(t, f, 4)
	return files(t, dir)
}

// Files that follow from the records of a finished run are written again on opening.
func TestOpenRepairsAFinishedRun(t *testing.T) {
	cut := func(name string, keep int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, name), int64(keep)); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		damage   func(*testing.T, string)
		repaired []string
	}{
		"nothing":        {func(*testing.T, string) {}, nil},
		"best missing":   {remove("best.png"), []string{"best.png"}},
		"best cut":       {cut("best.png", 100), []string{"best.png"}},
		"best is other":  {func(t *testing.T, dir string) { put(t, dir, "best.png", files(t, dir)["images/0001.png"]) }, []string{"best.png"}},
		"report missing": {remove("report.html"), []string{"report.html"}},
		"report cut":     {cut("report.html", 5000), []string{"report.html"}},
		"report empty":   {cut("report.html", 0), []string{"report.html"}},
		"both missing": {func(t *testing.T, dir string) {
			remove("best.png")(t, dir)
			remove("report.html")(t, dir)
		}, []string{"best.png", "report.html"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			want := finished(t, dir)
			test.damage(t, dir)
			f := open(t, dir)
			defer closeFolder(t, f)
			if !slices.Equal(f.Repaired(), test.repaired) {
				t.Errorf("repaired %v, want %v", f.Repaired(), test.repaired)
			}
			if got := files(t, dir); !reflect.DeepEqual(got, want) {
				t.Error("the files are not those of the finished run")
			}
		})
	}
}

// A truncated result.json does not count: the search finishes the run again.
func TestOpenOfACutResult(t *testing.T) {
	dir := t.TempDir()
	want := finished(t, dir)
	put(t, dir, "result.json", want["result.json"][:20])
	f := open(t, dir)
	if _, done := f.Outcome(); done || f.Len() != 4 || !slices.Equal(f.Repaired(), []string{"result.json"}) {
		t.Errorf("finished %t, %d candidates, repaired %v", done, f.Len(), f.Repaired())
	}
	finish(t, f, 4)
	if got := files(t, dir); !reflect.DeepEqual(got, want) {
		t.Error("the files are not those of the finished run")
	}
}

// Images and candidates that cannot be restored are named, with the way to generate them
// again.
func TestOpenNamesWhatIsLost(t *testing.T) {
	lines := func(t *testing.T, dir string) []string {
		return strings.SplitAfter(files(t, dir)["candidates.jsonl"], "\n")
	}
	tests := map[string]struct {
		damage func(*testing.T, string)
		want   string
	}{
		"last candidate": {func(t *testing.T, dir string) { // not the best
			put(t, dir, "candidates.jsonl", strings.Join(lines(t, dir)[:3], ""))
		}, "candidates.jsonl is cut: it records 3 of the run's 4 images"},
		"half a line": {func(t *testing.T, dir string) {
			all := files(t, dir)["candidates.jsonl"]
			put(t, dir, "candidates.jsonl", all[:len(all)-30])
		}, "candidates.jsonl is cut: it records 3 of the run's 4 images"},
		"best candidate": {func(t *testing.T, dir string) {
			put(t, dir, "candidates.jsonl", strings.Join(lines(t, dir)[:1], ""))
		}, "candidates.jsonl has 1 candidates, and candidate 2, the best, is not among them"},
		"all candidates": {func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "candidates.jsonl"))
		}, "has no candidates.jsonl"},
		"images": {func(t *testing.T, dir string) {
			_ = os.Remove(filepath.Join(dir, "images/0001.png"))
			put(t, dir, "images/0003.png", "")
		}, "images/0001.png is missing, images/0003.png is not a PNG image"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f := create(t, dir)
			record(t, f, 0, 4)
			finish(t, f, 3)
			test.damage(t, dir)
			before := files(t, dir)
			_, err := run.Open(dir)
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want invalid with %q", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), "generate --replay "+filepath.Join(dir, "run.json")) {
				t.Errorf("error %v does not say how to generate the run again", err)
			}
			if !reflect.DeepEqual(files(t, dir), before) {
				t.Error("the folder was changed")
			}
		})
	}
}
