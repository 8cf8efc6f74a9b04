package genref

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOpeningIsTheInstructionsFirstWord(t *testing.T) {
	for reflection, want := range map[string]string{
		"add one more dog": "add",
		"dog top left, cat bottom right. remove one dog": "remove",
		"The cat is missing. Add a cat.":                 "add",
		" . ":                                            "", "": "", "\"Move\" it": "move",
	} {
		if got := opening(reflection); got != want {
			t.Errorf("%q: %q, want %q", reflection, got, want)
		}
	}
}

func TestStats(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, 12)
	annotate(t, dir, AnnotateOptions{Annotator: &fakeAnnotator{}, Name: "critic", Batch: 5, Count: 9})
	damage(t, filepath.Join(dir, "genref_0.tar"))
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := CollectStats(context.Background(), []*Set{set}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Triplets != 7 || s.Shards != 3 || s.Sources["rule"] != 7 || s.Subsets["rule"] != 7 || s.Problems.Counts[ProblemShard] != 1 {
		t.Errorf("stats %+v", s)
	}
	if s.Annotated != 9 || s.Categories["color"] != 9 || s.Better[BetterEnhanced] != 9 {
		t.Errorf("annotated %d, %v, %v", s.Annotated, s.Categories, s.Better)
	}
	// The right images score 0, those with too few dogs 10. The reflection is "add one more dog".
	if row := s.ScoreGaps.Rows[0]; row.Name != "rule" || row.Count != 7 || row.Mean != -10 || row.Median != -10 {
		t.Errorf("gaps %+v", s.ScoreGaps)
	}
	if row := s.Words.Rows[0]; row.Count != 7 || row.Mean != 4 || s.Openings[0] != (Opening{"add", 7}) {
		t.Errorf("words %+v, %v", s.Words, s.Openings)
	}
	if len(s.Examples) != examples {
		t.Errorf("%d examples", len(s.Examples))
	}
	out := filepath.Join(dir, "stats")
	if err := s.Publish(out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"categories.png", "categories.svg", "contact-sheet.png", "reflection-words.png", "reflection-words.svg",
		"score-gaps.png", "score-gaps.svg", "sources.png", "sources.svg", "stats.json",
	}
	all := files(t, out)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("files %q", got)
	}
	if !strings.Contains(all["sources.svg"], "rule") || !strings.Contains(all["stats.json"], `"triplets": 7`) {
		t.Error("the figures or the JSON lack what they are about")
	}
	// A folder without shards is not a set. A set whose shards are all damaged has no figures.
	if _, err := Open(out); err == nil {
		t.Error("a folder without shards is a set")
	}
	lost := t.TempDir()
	if err := os.WriteFile(filepath.Join(lost, "genref_0.tar"), []byte("no tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	if set, err = Open(lost); err != nil {
		t.Fatal(err)
	}
	if s, err = CollectStats(context.Background(), []*Set{set}, nil); err != nil || s.Triplets != 0 || s.Problems.Total() != 1 {
		t.Errorf("stats %+v, %v", s, err)
	}
	if err := s.Publish(filepath.Join(lost, "stats")); err != nil {
		t.Error(err)
	}
}

// Several sets have common statistics, as in the paper's figure.
func TestStatsOfSeveralSets(t *testing.T) {
	rules, edits := t.TempDir(), t.TempDir()
	build(t, rules, 7)
	if _, err := importSet(t, edits, editSet(t), 0); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(edits, "genref_0.tar"))
	var sets []*Set
	for _, dir := range []string{rules, edits} {
		set, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	last := 0
	s, err := CollectStats(t.Context(), sets, func(n int) { last = n })
	if err != nil || s.Triplets != 15 || last != 15 || s.Shards != 7 || s.Problems.Counts[ProblemShard] != 1 {
		t.Errorf("%d triplets, notified of %d, in %d shards, %+v, %v", s.Triplets, last, s.Shards, s.Problems, err)
	}
	if want := map[string]int{"rule": 7, "editing": 8}; !maps.Equal(s.Sources, want) || !maps.Equal(s.Subsets, want) {
		t.Errorf("sources %v, subsets %v", s.Sources, s.Subsets)
	}
	if len(s.ScoreGaps.Rows) != 1 || len(s.Words.Rows) != 2 || len(s.Examples) != 2*examples {
		t.Errorf("%d gaps, %d lengths, %d examples", len(s.ScoreGaps.Rows), len(s.Words.Rows), len(s.Examples))
	}
}

func TestHistogram(t *testing.T) {
	numbers := make([]float32, 0, 101)
	for i := range 100 {
		numbers = append(numbers, float32(i%10))
	}
	h := histogram(map[string][]float32{"a": append(numbers, 1000), "b": {3}}, 1)
	if !slices.Equal(h.Edges, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Fatalf("edges %v", h.Edges)
	}
	a, b := h.Rows[0], h.Rows[1]
	if !slices.Equal(a.Bins, []int{10, 10, 10, 10, 10, 10, 10, 10, 10, 11}) || a.Median != 5 || a.P95 != 9 || b.Bins[3] != 1 || b.Mean != 3 {
		t.Errorf("rows %+v", h.Rows)
	}
	if h := histogram(map[string][]float32{"a": {0.5, 0.5}}, 0); len(h.Edges) != 1 || h.Rows[0].Bins[0] != 2 {
		t.Errorf("of one value: %+v", h)
	}
	if h := histogram(nil, 1); len(h.Rows) != 0 {
		t.Errorf("of nothing: %+v", h)
	}
	for x, want := range map[float64]float64{0: 1, 0.03: 0.05, 1: 1, 1.1: 2, 7: 10, 99: 100} {
		if got := roundStep(x); got < want*0.999 || got > want*1.001 {
			t.Errorf("step for %v: %v, want %v", x, got, want)
		}
	}
}
