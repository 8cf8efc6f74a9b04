package search_test

import (
	"errors"
	"image"
	"testing"

	"reflectionflow"
	"reflectionflow/search"
)

// closedJournal is a journal of a finished search.
type closedJournal struct{ *disk }

func (closedJournal) Finished() bool { return true }

func (closedJournal) Record(reflectionflow.Candidate, image.Image) error {
	return errors.New("the journal is closed")
}

// TestFinishedJournals: finished searches are recalled for the budget that they share,
// and neither grow nor try failed images again; the others do.
func TestFinishedJournals(t *testing.T) {
	for _, strategy := range []string{search.Adaptive, search.Reflection} {
		s := fakes()
		s.Generator = &fakeGenerator{fail: func(r reflectionflow.Request) error {
			if mixed(r.Seed+uint64(r.Prompt[0]))%5 == 0 {
				return errBroken
			}
			return nil
		}}
		cfg := config(strategy, 1, 4)
		cfg.EarlyStop = true
		list, journals := tasks(6)
		before, err := s.RunMany(t.Context(), list, cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list[:5] {
			list[i].Journal = closedJournal{journals[i]}
		}
		s.Generator = &fakeGenerator{}
		after, err := s.RunMany(t.Context(), list, cfg)
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for i := range list[:5] {
			failed += retryable(before[i])
			if encode(t, before[i].Candidates) != encode(t, after[i].Candidates) {
				t.Errorf("%s: finished search %d has %d candidates, and had %d", strategy, i, len(after[i].Candidates), len(before[i].Candidates))
			}
		}
		if failed == 0 {
			t.Errorf("%s: no image of a finished search failed", strategy)
		}
		if open := after[5].Candidates; len(open) < len(before[5].Candidates)+retryable(before[5]) && after[5].Stopped != reflectionflow.StoppedRight {
			t.Errorf("%s: the open search has %d candidates, and had %d with %d failures", strategy, len(open), len(before[5].Candidates), retryable(before[5]))
		}
	}
}
