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

// A log is not silent for minutes while the difficulty is probed.
func TestLogSpeaksWhileImagesAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		lines := &evaluationLines{out: &out, printed: time.Now()}
		for range 5 {
			time.Sleep(10 * time.Second)
			lines.Event(search.Config{}, search.Event{Kind: search.Generated})
			lines.Event(search.Config{}, search.Event{Kind: search.Scored})
		}
		if got, want := out.String(), "2 images drawn so far\n4 images drawn so far\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// The bar counts down what a search leaves of its own budget, and up what it takes of
// the budgets of others.
func TestEvaluationBarCountsBudgets(t *testing.T) {
	b := &evaluationBar{out: io.Discard}
	b.Progress(geneval.Progress{Images: 12})
	cfg := search.Default(search.Adaptive)
	cfg.Budget.Images = 4
	for done, want := range map[int]int{4: 12, 1: 9, 7: 15} {
		b.total = 12
		if b.Event(cfg, search.Event{Kind: search.Stopped, Done: done}); b.total != want {
			t.Errorf("%d images of 4: %d of 12 are left, want %d", done, b.total, want)
		}
	}
}
