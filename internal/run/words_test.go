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
	for _, reason := range []reflectionflow.StopReason{reflectionflow.StoppedRight, reflectionflow.StoppedJudged, reflectionflow.StoppedBudget, reflectionflow.StoppedFailed} {
		if text := stopped(reason, reflectionflow.Score{}); strings.HasSuffix(text, ": "+string(reason)+".") {
			t.Errorf("%s has no words of its own: %q", reason, text)
		}
	}
}

// A search that stopped at an image of which nothing was judged claims nothing met.
func TestStoppedWithNothingJudged(t *testing.T) {
	man := reflectionflow.Finding{Requirement: reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "man", Count: 1}, Verdict: reflectionflow.Unsure, Unjudged: true}
	if text := stopped(reflectionflow.StoppedJudged, reflectionflow.Score{Requirements: []reflectionflow.Finding{man}}); strings.Contains(text, " met") || !strings.Contains(text, "was not judged") {
		t.Errorf("%q", text)
	}
}

// What nobody judged is shown, and never as met.
func TestWhatIsNotJudgedInWords(t *testing.T) {
	met := reflectionflow.Finding{Requirement: reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "dog", Count: 1}, Verdict: reflectionflow.Met, Confidence: 1}
	unjudged := reflectionflow.Finding{Requirement: reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "oil"}, Verdict: reflectionflow.Unsure, Unjudged: true}
	if m := markOf(unjudged); m.Words != "not judged" || m.Sure != "" {
		t.Errorf("%+v", m)
	}
	wrong := met
	wrong.Verdict = reflectionflow.NotMet
	score := func(f ...reflectionflow.Finding) reflectionflow.Score { return reflectionflow.Score{Requirements: f} }
	for want, scores := range map[string][2]reflectionflow.Score{
		"1 of 1 requirements that could be judged are met, as many as in the first image; 1 could not be judged.":    {score(met, unjudged), score(met, unjudged)},
		"The first image met 0 of 1 requirements that could be judged; the best one meets 1. 1 could not be judged.": {score(wrong, unjudged), score(met, unjudged)},
		"None of the 2 requirements could be judged.":                                                                {score(unjudged, unjudged), score(unjudged, unjudged)},
		"The only requirement could not be judged.":                                                                  {score(unjudged), score(unjudged)},
		"The first image already meets every requirement.":                                                           {score(met), score(met)},
	} {
		if got := headline(scores[0], scores[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRequirementsInWords(t *testing.T) {
	for want, r := range map[string]reflectionflow.Requirement{
		"dog: at most 2":               {Kind: reflectionflow.AtMost, Object: "dog", Count: 2},
		"cup: at least 1 red":          {Kind: reflectionflow.Color, Object: "cup", Color: "red", Count: 1},
		"table: wooden":                {Kind: reflectionflow.Attribute, Object: "table", Value: "wooden"},
		"style: oil (optional)":        {Kind: reflectionflow.Style, Value: "oil", Weight: reflectionflow.Should},
		"scene: beach":                 {Kind: reflectionflow.Scene, Value: "beach"},
		"not read: “as if”":            {Kind: reflectionflow.Free, Value: "as if"},
		"dog in the left of the image": {Kind: reflectionflow.Place, Object: "dog", Value: "left"},
		"astronaut riding horse":       {Kind: reflectionflow.Interaction, Object: "astronaut", Relation: "riding", Target: "horse"},
		`sign with the text "OPEN"`:    {Kind: reflectionflow.Text, Object: "sign", Value: "OPEN"},
		"dog sleeping":                 {Kind: reflectionflow.Activity, Object: "dog", Value: "sleeping"},
		"cat between dog and tree":     {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.Between, Target: "dog", Second: "tree"},
	} {
		if got := Words(r); got != want {
			t.Errorf("got %q, want %q", got, want)
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
