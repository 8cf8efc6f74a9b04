package progress

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow"
	"reflectionflow/search"
)

// candidate has one requirement of two met.
func candidate(id int, value float64) reflectionflow.Candidate {
	return reflectionflow.Candidate{ID: id, Score: reflectionflow.Score{Value: value, Requirements: []reflectionflow.Finding{
		{Verdict: reflectionflow.Met}, {Verdict: reflectionflow.NotMet},
	}}}
}

func TestSearchLinesKeepTheirTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := search.Default(search.Reflection)
		cfg.Budget.Images = 8
		var out strings.Builder
		l := newSearchLines(&out, 1, cfg)
		first, second := candidate(0, -2.204), candidate(1, 1.074)
		second.Action, second.Request.Reflection = reflectionflow.Reflect, "Move the\n\x1b[2Jhorse."
		second.Reason = "expected gain\u202e 0.3"
		time.Sleep(900 * time.Millisecond)
		l.Event(search.Event{Kind: search.Generated, Candidate: first, Total: 8})
		l.Event(search.Event{Kind: search.Scored, Candidate: first, Best: first, Done: 1, Total: 8})
		time.Sleep(90 * time.Second)
		l.Event(search.Event{Kind: search.Scored, Candidate: second, Best: second, Done: 2, Total: 2})
		l.Event(search.Event{Kind: search.Stopped, Candidate: second, Best: second, Done: 2, Total: 2, Reason: reflectionflow.StoppedRight})
		want := `[1/8, 0.9 s] image 0: new noise; score -2.20 (higher is better), 1 of 2 requirements met; best so far: image 0 with -2.20
[2/8, 1 min 31 s] image 1: correction (move the \u001b[2Jhorse); score 1.07, 1 of 2 requirements met; best so far: image 1 with 1.07
    reason: expected gain\u202e 0.3
[2/8, 1 min 31 s] stopped after 2 images: every requirement is met
`
		if out.String() != want {
			t.Errorf("%s\nwant\n%s", out.String(), want)
		}
	})
}

func TestSearchLinesOfSeveralPrompts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := search.Default(search.Adaptive)
		cfg.Budget.Images = 2
		var out strings.Builder
		l := newSearchLines(&out, 2, cfg)
		failed := reflectionflow.Candidate{ID: 1, Error: "HTTP 500:\r\nbusy", Abandoned: make([]reflectionflow.Abandoned, 2)}
		l.Event(search.Event{Kind: search.Recalled, Task: 1, Candidate: candidate(0, 0.5), Best: candidate(0, 0.5), Done: 1})
		l.Event(search.Event{Kind: search.Scored, Task: 0, Candidate: failed, Best: reflectionflow.Candidate{ID: -1}, Done: 2})
		want := `[1/4, 0.0 s] prompt 2 of 2, image 0: recalled; score 0.50 (higher is better), 1 of 2 requirements met
[3/4, 0.0 s] prompt 1 of 2, image 1: new noise, 2 noises abandoned early; no image: HTTP 500: busy; no best image yet
`
		if out.String() != want {
			t.Errorf("%s\nwant\n%s", out.String(), want)
		}
	})
}

func TestSearchLinesOfWhatCannotBeJudged(t *testing.T) {
	cfg := search.Default(search.Noise)
	c := candidate(0, 0)
	c.Score.Requirements = []reflectionflow.Finding{{Verdict: reflectionflow.Unsure, Unjudged: true}}
	var out strings.Builder
	newSearchLines(&out, 1, cfg).Event(search.Event{Kind: search.Scored, Candidate: c, Best: c, Done: 1})
	if want := "score 0.00 (higher is better), nothing judged of 1 requirement; best so far"; !strings.Contains(out.String(), want) {
		t.Errorf("%q lacks %q", out.String(), want)
	}
}

func TestSearchLinesWithoutImageBudget(t *testing.T) {
	cfg := search.Default(search.Noise)
	cfg.Budget = search.Budget{Seconds: 90}
	var out strings.Builder
	newSearchLines(&out, 1, cfg).Event(search.Event{Kind: search.Scored, Candidate: candidate(0, 0), Best: candidate(0, 0), Done: 1})
	if !strings.HasPrefix(out.String(), "[1, ") {
		t.Errorf("%q does not begin with the count alone", out.String())
	}
}

func TestCostNamesItsCurrency(t *testing.T) {
	for cost, want := range map[*reflectionflow.Cost]string{
		{}:                                     "none",
		{Images: 1, TokensIn: 3, TokensOut: 4}: "1 image, 7 tokens",
		{Images: 2, DenoiseSteps: 12, USD: .5}: "2 images, 12 denoising steps, 0.5000 USD",
		{USD: 0.00002}:                         "2e-05 USD",
	} {
		if got := Cost(*cost); got != want {
			t.Errorf("%+v: %q, want %q", *cost, got, want)
		}
	}
}

// Failed images that a resumed search tries again add to the total; those that failed for
// good do not.
func TestSearchLinesOfResumedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := search.Default(search.Noise)
		cfg.Budget.Images = 2
		var out strings.Builder
		l := newSearchLines(&out, 1, cfg)
		none := reflectionflow.Candidate{ID: -1}
		failed := reflectionflow.Candidate{Error: "busy"}
		refused := reflectionflow.Candidate{ID: 1, Error: "declined", Permanent: true}
		l.Event(search.Event{Kind: search.Recalled, Candidate: failed, Best: none, Done: 1})
		l.Event(search.Event{Kind: search.Recalled, Candidate: refused, Best: none, Done: 2})
		blank := candidate(2, 0)
		blank.Unseeded, blank.Warnings = true, []string{"the image is blank"}
		l.Event(search.Event{Kind: search.Scored, Candidate: blank, Best: blank, Done: 3})
		want := `[1/3, 0.0 s] image 0: recalled; no image: busy
[2/3, 0.0 s] image 1: recalled; no image: declined
[3/3, 0.0 s] image 2: new noise; score 0.00 (higher is better), 1 of 2 requirements met; best so far: image 2 with 0.00
    warning: the generator did not use the seed: this run cannot be reproduced
    warning: image 2 is blank
`
		if out.String() != want {
			t.Errorf("%s\nwant\n%s", out.String(), want)
		}
	})
}
