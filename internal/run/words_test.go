package run

import (
	"strings"
	"testing"

	"reflectionflow"
)

// The confidence of a finding is the probability that the requirement is met; the
// report says how sure the verdict is.
func TestConfidenceInWords(t *testing.T) {
	for _, test := range []struct {
		verdict    reflectionflow.Verdict
		confidence float64
		want       string
	}{
		{reflectionflow.NotMet, 0, "over 99% sure"},
		{reflectionflow.NotMet, 0.03, "97% sure"},
		{reflectionflow.NotMet, 0.6, "60% likely met"},
		{reflectionflow.Met, 1, "over 99% sure"},
		{reflectionflow.Met, 0.87, "87% sure"},
		{reflectionflow.Met, 0.3, "30% likely met"},
		{reflectionflow.Unsure, 0.5, "50% likely met"},
		{reflectionflow.Unsure, 0, "1% likely met"},
	} {
		if got := markOf(reflectionflow.Finding{Verdict: test.verdict, Confidence: test.confidence}).Sure; got != test.want {
			t.Errorf("%s with %v: got %q, want %q", test.verdict, test.confidence, got, test.want)
		}
	}
}

func TestStoppedHasWordsForEveryReason(t *testing.T) {
	for _, reason := range []reflectionflow.StopReason{reflectionflow.StoppedRight, reflectionflow.StoppedBudget, reflectionflow.StoppedFailed} {
		if text := stopped(reason); strings.HasSuffix(text, ": "+string(reason)+".") {
			t.Errorf("%s has no words of its own: %q", reason, text)
		}
	}
}

func TestTreeLayout(t *testing.T) {
	// 0 → 1 → 3 (best), 0 → 2, and 4 on its own.
	cards := make([]*card, 5)
	for id, parent := range []int{-1, 0, 0, 1, -1} {
		cards[id] = &card{ID: id, Parent: parent, HasParent: parent >= 0, IsBest: id == 3}
	}
	layout := treeOf(cards)
	for id, at := range [][2]int{{0, 0}, {1, 0}, {1, 1}, {2, 0}, {0, 2}} {
		n := layout.Nodes[id]
		if n.ID != id || (n.X-treeBoundary)/columnPitch != at[0] || (n.Y-treeBoundary)/rowPitch != at[1] {
			t.Errorf("candidate %d is at %d, %d, want column %d, row %d", id, n.X, n.Y, at[0], at[1])
		}
		if n.OnPath != (id == 0 || id == 1 || id == 3) {
			t.Errorf("candidate %d on the path: %t", id, n.OnPath)
		}
	}
	if len(layout.Edges) != 3 {
		t.Errorf("%d edges, want 3", len(layout.Edges))
	}
	cards[1].HasParent, cards[2].HasParent, cards[3].HasParent = false, false, false
	if treeOf(cards) != nil {
		t.Error("candidates without parents have a tree")
	}
}
