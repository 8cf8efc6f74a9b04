package genref

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
)

// killedBuild returns a folder as a kill after two of three shards leaves it.
func killedBuild(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	w, err := NewWriter(dir, testPlan(t, 12))
	if err != nil {
		t.Fatal(err)
	}
	b := builder{Writer: w, source: testRule(&fakeGenerator{}), notify: func(Progress) {}, duplicates: newDuplicateIndex(), missing: 2}
	for i := range 2 {
		if err := b.shard(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	w.journal.file.Close()
	if err := w.claim.release(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// appendTo adds text to a file.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A set whose build was killed is read, and resumed, from manifest and journal together.
func TestKilledBuildResumesFromTheJournal(t *testing.T) {
	whole := t.TempDir()
	build(t, whole, 12)
	for name, change := range map[string]func(journal string){
		"as it was left":     func(string) {},
		"an incomplete line": func(journal string) { appendTo(t, journal, `{"number":2,"sha25`) },
		"killed while it was folded": func(journal string) {
			dir := filepath.Dir(journal)
			m, _, err := readManifest(dir)
			if err == nil {
				err = writeManifest(dir, m)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"the shard before the kill has no name yet": func(journal string) {
			name := filepath.Join(filepath.Dir(journal), ShardName(1))
			if err := os.Rename(name, name+".tmp"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := killedBuild(t)
			change(filepath.Join(dir, journalName))
			if !strings.Contains(name, "no name") {
				if got := len(samples(t, dir)); got != 10 {
					t.Errorf("%d triplets are read, want 10", got)
				}
				report, err := Check(t.Context(), dir, nil)
				if err != nil || report.Triplets != 10 || report.Problems.Total() != 1 || report.Problems.Counts[ProblemSet] != 1 {
					t.Errorf("check: %+v, %v", report, err)
				}
			}
			p := &fakeGenerator{}
			m, err := Build(t.Context(), dir, testPlan(t, 12), testRule(p), nil)
			if err != nil || m.Triplets() != 12 || p.calls == 0 || p.calls > 4 {
				t.Errorf("%d triplets, %d batches generated, %v", m.Triplets(), p.calls, err)
			}
			if !maps.Equal(files(t, dir), files(t, whole)) {
				t.Error("the set differs from one that was not killed")
			}
		})
	}
}

// A damaged journal is an error: ignoring it would rebuild finished shards.
func TestDamagedJournalIsRefused(t *testing.T) {
	dir := killedBuild(t)
	appendTo(t, filepath.Join(dir, journalName), "{\"number\":-1}\n")
	_, err := Open(dir)
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "shards.jsonl in "+dir+", line 3 is damaged") {
		t.Errorf("open: %v", err)
	}
	if _, err := Build(t.Context(), dir, testPlan(t, 12), testRule(&fakeGenerator{}), nil); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("build: %v", err)
	}
}

func TestLastMissing(t *testing.T) {
	plan := Plan{Count: 50, ShardSize: 10}
	for want, numbers := range map[int][]int{4: {0, 1}, -1: {0, 1, 2, 3, 4}, 2: {0, 3, 4}, 3: {0, 1, 2, 4}, 0: {1, 2, 3, 4}} {
		m := Manifest{Plan: plan}
		for _, n := range numbers {
			m.enter(Shard{Number: n})
		}
		if got := m.lastMissing(); got != want {
			t.Errorf("%v: %d, want %d", numbers, got, want)
		}
	}
	if got := (Manifest{Plan: Plan{Count: MaxCount, ShardSize: 1}}).lastMissing(); got != MaxCount-1 {
		t.Errorf("of none: %d", got)
	}
}
