package progress

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow/geneval"
	"reflectionflow/search"
)

// No search ends while the difficulty of prompts is probed.
func TestEvaluationLinesWhileNoSearchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		lines := newEvaluationLines(&out)
		for range 5 {
			time.Sleep(10 * time.Second)
			lines.Event(search.Config{}, search.Event{Kind: search.Generated})
			lines.Event(search.Config{}, search.Event{Kind: search.Scored})
		}
		if got, want := out.String(), "[20.0 s] 2 images so far\n[40.0 s] 4 images so far\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func TestEvaluationBarCountsBudgets(t *testing.T) {
	b := &evaluationBar{out: io.Discard}
	b.Progress(geneval.Progress{Images: 12})
	cfg := search.Default(search.Adaptive)
	cfg.Budget.Images = 4
	for done, want := range map[int]int{4: 12, 1: 9, 7: 15} {
		b.total = 12
		if b.Event(cfg, search.Event{Kind: search.Stopped, Done: done}); b.total != want {
			t.Errorf("%d images of a budget of 4: the total is %d, want %d", done, b.total, want)
		}
	}
}
