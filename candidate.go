package reflectionflow

import "image"

// Action is how a candidate was made.
type Action string

// The actions of a search.
const (
	Explore Action = "explore" // new noise, the user's prompt
	Rewrite Action = "rewrite" // new noise, a refined prompt
	Reflect Action = "reflect" // the corrector corrects the parent
)

// Candidate is one image of a search. Chains are followed through Parent.
type Candidate struct {
	ID     int    `json:"id"`     // position in the search's order, from 0
	Parent int    `json:"parent"` // ID of the candidate that it starts from, -1 for none
	Round  int    `json:"round"`  // from 0
	Chain  int    `json:"chain"`  // from 0 to width-1
	Action Action `json:"action"`
	// Reason says in a phrase why the search chose this action, and what it dropped
	// on the way. It is for people: never parsed. Empty where there was no choice.
	Reason  string  `json:"reason,omitempty"`
	Request Request `json:"request"`
	// Abandoned lists the noises that were abandoned on their previews before the
	// noise of Request was finished, in order. Their costs are in Cost.
	Abandoned []Abandoned `json:"abandoned,omitempty"`
	Score     Score       `json:"score"`
	// Unseeded is set when the generator did not use the request's seed, or did not
	// confirm it: the same request may give another image.
	Unseeded bool `json:"unseeded,omitempty"`
	// Warnings say what is suspicious about the image: it is blank, or identical to
	// that of another seed, or the generator did not use all of the request. They are
	// for people: never parsed.
	Warnings []string `json:"warnings,omitempty"`
	// Error says why there is no image; it is empty for an image. A candidate with an
	// error has a zero Score and is never the best.
	Error string `json:"error,omitempty"`
	// Permanent is set when the same request would fail again (see [ErrPermanent]).
	Permanent bool `json:"permanent,omitempty"`
	// Cost of this candidate alone: generating, verifying, reflecting, refining.
	Cost Cost `json:"cost"`
}

// Abandoned is a noise whose image was not finished.
type Abandoned struct {
	Seed  uint64 `json:"seed"`
	Steps int    `json:"steps"` // denoising steps taken
}

// Steps is what the candidate takes of a budget, in denoising steps: those of its
// image, generated or failed, and those of abandoned noises.
func (c Candidate) Steps() int {
	steps := c.Request.Steps
	for _, a := range c.Abandoned {
		steps += a.Steps
	}
	return steps
}

// Retryable reports whether a resumed search tries the candidate's place again: its
// image failed and the failure is not permanent, or the verifier did not judge it.
func (c Candidate) Retryable() bool {
	return c.Error != "" && !c.Permanent || c.Score.Unanswered != ""
}

// Result is what a search returns.
type Result struct {
	Prompt     Prompt      `json:"prompt"`
	Candidates []Candidate `json:"candidates"` // in ID order
	// Best is the ID of the best candidate, -1 for none. Ties go to the lower ID, unless
	// Tiebreak decides.
	Best    int        `json:"best"`
	Stopped StopReason `json:"stopped"`
	Cost    Cost       `json:"cost"` // sum over the candidates and the tiebreak
	// Tiebreak is set where several candidates were equally good for the verifier and a
	// comparer chose among them.
	Tiebreak *Tiebreak `json:"tiebreak,omitempty"`
	// BestImage is the image of Best. It is nil where there is none, and where the
	// search had a journal, which holds all images.
	BestImage image.Image `json:"-"`
}

// StopReason says why a search ended.
type StopReason string

// The reasons for which a search ends.
const (
	StoppedRight  StopReason = "right"  // a candidate met every requirement
	StoppedJudged StopReason = "judged" // a candidate met every requirement that the verifier can judge: enough of them ([Score.Enough])
	StoppedBudget StopReason = "budget" // the budget is spent
	StoppedFailed StopReason = "failed" // no candidate is usable, or too many failed in a row
)
