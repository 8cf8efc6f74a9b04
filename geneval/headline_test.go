package geneval

import (
	"math"
	"testing"
)

// The headline is one or two sentences that claim no more than the intervals support.
func TestHeadline(t *testing.T) {
	rows := []Row{{Strategy: "noise", Budget: 1, Overall: .5}, {Strategy: "adaptive", Budget: 4, Overall: .9}}
	better, level := RowDifference{Row: 1, Estimate: Estimate{Mean: .4, Low: .2, High: .6}}, RowDifference{Row: 1, Estimate: Estimate{Mean: .4, Low: -.1, High: .6}}
	prompts := map[string]int{"counting": 20}
	for _, tt := range []struct {
		name string
		sum  Summary
		want string
	}{
		{"nothing", Summary{}, "Nothing was evaluated."},
		{"too few prompts", Summary{Rows: rows, Prompts: map[string]int{"counting": 2}, Differences: []RowDifference{better}}, "2 prompts are too few for a conclusion. In this sample, noise with 1 image per prompt gets 50.0% of prompts right."},
		{"no improvement", Summary{Rows: rows[:1], Prompts: prompts}, "No strategy scores higher than noise with 1 image per prompt, which gets 50.0% of prompts right."},
		{"better", Summary{Rows: rows, Prompts: prompts, Differences: []RowDifference{better}}, "The best result is adaptive with 4 images per prompt: it gets 90.0% of prompts right, against 50.0% for noise with 1 image per prompt."},
		{"not significant", Summary{Rows: rows, Prompts: prompts, Differences: []RowDifference{level}}, "The best result is adaptive with 4 images per prompt: it gets 90.0% of prompts right, against 50.0% for noise with 1 image per prompt. The difference is not significant."},
	} {
		if got := headline(tt.sum); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A bar of fewer than 10 prompts has no interval in the figures.
func TestIntervalsOfFewPromptsAreOmitted(t *testing.T) {
	means := map[string]Estimate{"counting": {Mean: .5, Low: .1, High: .9}, "colors": {Mean: .5, Low: .4, High: .6}}
	s := grouped(Row{}, []string{"counting", "colors", "position"}, means, map[string]int{"counting": 9, "colors": 10})
	for i, want := range []struct{ bar, interval bool }{{true, false}, {true, true}, {false, false}} {
		if math.IsNaN(s.Y[i]) == want.bar || math.IsNaN(s.Low[i]) == want.interval || math.IsNaN(s.High[i]) == want.interval {
			t.Errorf("group %d: %v from %v to %v", i, s.Y[i], s.Low[i], s.High[i])
		}
	}
}
