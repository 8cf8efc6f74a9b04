package geneval

import (
	"strings"
	"testing"
)

// "Reaches" includes equality, if there are enough prompts to know; "above" does not.
func TestReachesAndAbove(t *testing.T) {
	results := func(a, b string) Results {
		r := Results{Manifest: Manifest{Strategies: []Arm{{Name: "a"}, {Name: "b"}}, Budgets: []int{1}, Samples: 1}}
		for i := range a {
			r.Prompts = append(r.Prompts, Metadata{Tag: "counting"})
			for name, right := range map[string]bool{"a": a[i] == '+', "b": b[i] == '+'} {
				r.Records = append(r.Records, Record{Index: i, Strategy: name, Budget: 1, Correct: right})
			}
		}
		return r
	}
	for _, test := range []struct{ a, b, reaches, above string }{
		{"++++++++----", "++++++++----", undecided, undecided},
		{strings.Repeat("++-", 100), strings.Repeat("++-", 100), agrees, undecided},
		{"++++++++++++", "------------", agrees, agrees},
		{"------------", "++++++++++++", disagrees, disagrees},
		{"++++++++++--", "+++++++++-+-", undecided, undecided},
	} {
		r := results(test.a, test.b)
		tab := table{r.Manifest, r.Summarize()}
		if c := r.reaching(tab, "", "", key{"a", 1}, key{"b", 1}); c.Verdict != test.reaches {
			t.Errorf("%.12s reaches %.12s: %s, %s; want %s", test.a, test.b, c.Verdict, c.Ours, test.reaches)
		}
		if c := r.above(tab, "", "", key{"a", 1}, key{"b", 1}); c.Verdict != test.above {
			t.Errorf("%.12s is above %.12s: %s, %s; want %s", test.a, test.b, c.Verdict, c.Ours, test.above)
		}
	}
}
