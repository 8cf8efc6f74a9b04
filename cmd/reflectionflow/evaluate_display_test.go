package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow/search"
)

// A log is not silent for minutes while the difficulty is probed.
func TestLogSpeaksWhileImagesAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		lines := &evaluationLines{out: &out, printed: time.Now()}
		for range 5 {
			time.Sleep(10 * time.Second)
			lines.event(search.Config{}, search.Event{Kind: search.Generated})
			lines.event(search.Config{}, search.Event{Kind: search.Scored})
		}
		if got, want := out.String(), "2 images drawn so far\n4 images drawn so far\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
