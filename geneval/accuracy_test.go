package geneval

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCrossing(t *testing.T) {
	budgets := []float64{1, 2, 4, 8}
	for name, c := range map[string]struct {
		scores []float64
		goal   float64
		want   float64
	}{
		"between":      {[]float64{0.1, 0.2, 0.4, 0.6}, 0.3, math.Sqrt(8)},
		"at a budget":  {[]float64{0.1, 0.2, 0.4, 0.6}, 0.4, 4},
		"at the first": {[]float64{0.1, 0.2, 0.4, 0.6}, 0.05, 1},
		"falling":      {[]float64{0.1, 0.3, 0.1, 0.4}, 0.3, 4 * math.Sqrt2}, // 0.1, 0.2, 0.2, 0.4
		"never":        {[]float64{0.1, 0.2, 0.2, 0.2}, 0.3, math.Inf(1)},
		"flat":         {[]float64{0.1, 0.3, 0.3, 0.3}, 0.3, 2},
	} {
		if got := crossing(budgets, c.scores, c.goal); math.Abs(got-c.want) > 1e-9 && got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// erringResults are of noise and reflection on 60 prompts, of which so many are right.
func erringResults(right map[key]int) Results {
	r := Results{Manifest: Manifest{Budgets: []int{1, 2, 4}, Samples: 1, Strategies: []Arm{
		{Name: "noise", Kind: "noise"},
		{Name: "noise+flip20", Kind: "noise", Errors: &Errors{Percent: 20}},
		{Name: "reflection", Kind: "reflection", Most: 2},
		{Name: "reflection+flip20", Kind: "reflection", Most: 2, Errors: &Errors{Percent: 20}},
		{Name: "noise+stop+share", Kind: "noise+stop+share"},
		{Name: "adaptive", Kind: "adaptive"},
	}}}
	for i := range 60 {
		r.Prompts = append(r.Prompts, Metadata{Tag: "counting", Prompt: "a photo of two dogs"})
		for k, n := range right {
			r.Records = append(r.Records, Record{Index: i, Tag: "counting", Strategy: k.strategy, Budget: k.budget, Correct: i < n, Candidate: -1, Cost: Spent{Images: float64(k.budget)}})
		}
	}
	return r
}

// The page says by rule at which accuracy two images by reflection reach what noise reaches,
// how many images noise needs, and what adaptive gains over noise that stops and shares.
func TestPageOfErringVerifiers(t *testing.T) {
	r := erringResults(map[key]int{
		{"noise", 1}: 10, {"noise", 2}: 20, {"noise", 4}: 58, {"noise+flip20", 1}: 10, {"noise+flip20", 2}: 12, {"noise+flip20", 4}: 14,
		{"reflection", 1}: 10, {"reflection", 2}: 30, {"reflection+flip20", 1}: 10, {"reflection+flip20", 2}: 40,
		{"noise+stop+share", 1}: 10, {"noise+stop+share", 2}: 40, {"noise+stop+share", 4}: 58, {"adaptive", 1}: 10, {"adaptive", 2}: 59, {"adaptive", 4}: 58,
	})
	tab := table{r.Manifest, r.Summarize()}
	needs := r.needs(tab, false)
	if len(needs) != 2 || !math.IsInf(needs[1].images, 1) || needs[0].images < 2 || needs[0].images > 4 || needs[0].low > needs[0].images || needs[0].high < needs[0].images {
		t.Errorf("needs %+v", needs)
	}
	r.Dir = t.TempDir()
	path := filepath.Join(r.Dir, "page.md")
	if err := r.WritePage(path, "test"); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Results: the accuracy of the verifier decides", "page-accuracy.svg", "page-needed.svg",
		"(2 images by reflection reach what noise reaches at all): 20%.", "It does not hold: as it is.", "> 4 (", "| reflection, 20%",
		"The axes gain something at 2 images.", "All axes together gain nothing significant over it at 4 images.",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s", want, page[:4000])
		}
	}
}

// With the verdicts of a second judge the page has its scores and its comparisons beside the
// first judge's.
func TestPageOfTwoJudges(t *testing.T) {
	r := erringResults(map[key]int{
		{"noise", 1}: 10, {"noise", 2}: 20, {"noise", 4}: 58, {"noise+flip20", 1}: 10, {"noise+flip20", 2}: 12, {"noise+flip20", 4}: 14,
		{"reflection", 1}: 10, {"reflection", 2}: 30, {"reflection+flip20", 1}: 10, {"reflection+flip20", 2}: 40,
		{"noise+stop+share", 1}: 10, {"noise+stop+share", 2}: 40, {"noise+stop+share", 4}: 58, {"adaptive", 1}: 10, {"adaptive", 2}: 59, {"adaptive", 4}: 58,
	})
	r.Dir = t.TempDir()
	for i := range r.Records {
		rec := &r.Records[i]
		rec.Filename, rec.Details, rec.Candidate = answerPath(rec.Strategy, rec.Budget, rec.Index, 0), "{}", 0
	}
	theirs := slices.Clone(r.Records)
	for i, rec := range theirs {
		theirs[i].Details = fmt.Sprintf(`{"image":%d}`, i) // images that differ
		if rec.Strategy == "reflection+flip20" {
			theirs[i].Correct = false
		}
	}
	if err := writeVerdicts(filepath.Join(r.Dir, secondFile("template")), theirs); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.Dir, "page.md")
	if err := r.WritePage(path, "test"); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Second judge: template agrees on 910 of 960 images", "50 right by the first judge alone", " 66.7 / 0.0 |", "by template |", ", below |", " / 96.7", "reaches at all): 20% (template: below)."} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}
