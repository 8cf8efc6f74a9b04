package geneval_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// A comparison equals the summary's difference of the same two rows, also at other
// budgets, and its fixed and broken prompts account for the difference.
func TestCompare(t *testing.T) {
	w := newWorld(t, 9)
	e := w.evaluation(t.TempDir())
	e.Samples = 1
	s := run(t, e)
	r, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	name := func(row geneval.Row) string { return fmt.Sprintf("%s@%d", row.Strategy, row.Budget) }
	for _, d := range s.Differences {
		row, than := s.Rows[d.Row], s.Rows[d.Than]
		c, err := r.Compare(name(row), name(than))
		if err != nil {
			t.Fatal(err)
		}
		if c.Difference != d.Estimate || len(c.Tags) != 6 {
			t.Errorf("%s less %s is %+v, and in the summary %+v", name(row), name(than), c.Difference, d.Estimate)
		}
		points := 0.0
		for _, tag := range geneval.Tags() {
			points += float64(c.Fixed[tag]-c.Broken[tag]) / float64(s.Prompts[tag]) / 6
		}
		if math.Abs(points-d.Mean) > 1e-9 {
			t.Errorf("%v fixed and %v broken make %v, not %v", c.Fixed, c.Broken, points, d.Mean)
		}
	}
	c, err := r.Compare("reflection@8", "noise@1")
	if err != nil {
		t.Fatal(err)
	}
	if c.Closed == nil || c.Closed.Mean != 1 { // reflection at 8 has all right: see TestRun
		t.Errorf("the share of the error closed is %v, want 1", c.Closed)
	}
	for _, want := range []string{"reflection at 8 minus noise at 1: 100.0 against ", "| overall ", "| color_attr ", "Error closed: 100%", "Verdict: "} {
		if !strings.Contains(c.Markdown(), want) {
			t.Errorf("no %q in\n%s", want, c.Markdown())
		}
	}
	for _, bad := range []string{"", "reflection", "reflection@", "reflection@x", "@8", "reflection@0", "reflection@7", "adaptive@8"} {
		if _, err := r.Compare(bad, "noise@1"); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("row %q: %v", bad, err)
		}
	}
}
