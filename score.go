package reflectionflow

import "slices"

// Score is a verifier's judgement of one image. Value is the number that the search
// compares: higher is better, NaN is forbidden. Scores of different verifiers are not
// comparable.
type Score struct {
	Value float64 `json:"value"`
	// Requirements holds one finding per requirement of the prompt, in order. It is
	// empty when the verifier does not judge requirements one by one.
	Requirements []Finding `json:"requirements,omitempty"`
	// Objects lists everything that the verifier saw in the image, in no particular
	// order. It is empty when the verifier saw nothing or does not name what it sees.
	Objects []Object `json:"objects,omitempty"`
	// Detail is free text for people: never parsed.
	Detail string `json:"detail,omitempty"`
	// Unanswered says in a phrase why the verifier did not judge the image at all: a
	// model refused, or its answer could not be read. Value means nothing then, and
	// findings are all Unsure. Empty for a judgement.
	Unanswered string `json:"unanswered,omitempty"`
	// Asks is how often the search asked about the image, 0 for once: see package search. The
	// score sums up the answers, and Contradicted counts the findings on which the second
	// answer differed from the first.
	Asks         int  `json:"asks,omitempty"`
	Contradicted int  `json:"contradicted,omitempty"`
	Cost         Cost `json:"cost"`
}

// Right reports whether every requirement that the image must meet was found met. Those
// with the weight [Should] do not count, unless there are no others. [Unsure] is not met.
// It is false for a score without findings.
func (s Score) Right() bool {
	return len(s.Requirements) > 0 && !slices.ContainsFunc(s.Deciding(), func(f Finding) bool { return f.Verdict != Met })
}

// Deciding returns the findings that decide whether an image is right: those on
// requirements that it must meet, or all where it must meet none.
func (s Score) Deciding() []Finding {
	optional := func(f Finding) bool { return f.Requirement.Weight == Should }
	if !slices.ContainsFunc(s.Requirements, optional) {
		return s.Requirements
	}
	if must := slices.DeleteFunc(slices.Clone(s.Requirements), optional); len(must) > 0 {
		return must
	}
	return s.Requirements
}

// Judged returns the findings that the verifier can judge.
func (s Score) Judged() []Finding {
	unjudged := func(f Finding) bool { return f.Unjudged }
	if !slices.ContainsFunc(s.Requirements, unjudged) {
		return s.Requirements
	}
	return slices.DeleteFunc(slices.Clone(s.Requirements), unjudged)
}

// NothingWrong reports whether the verifier has nothing left to find wrong: whatever it can
// judge of what the image must show is met. Where it can judge nothing, it cannot know: a
// detector that sees a person cannot tell whether it is a nurse. It is Right where every
// requirement is judged.
func (s Score) NothingWrong() bool { return Score{Requirements: s.Judged()}.Right() }

// Enough reports whether an image may end a search: nothing is found wrong with it
// ([Score.NothingWrong]), and what was judged is at least half of what counts. The objects
// that must be there count, where the prompt names any; else all that is asked for. That
// something is absent, or that there are not too many, counts where nothing else is asked:
// an empty image has that too.
func (s Score) Enough() bool {
	if !s.NothingWrong() {
		return false
	}
	var objects, judgedObjects, all, judged int
	for _, f := range s.Deciding() {
		switch f.Requirement.Kind {
		case Absent, AtMost:
			continue
		case AtLeast, Exactly:
			objects++
			if !f.Unjudged {
				judgedObjects++
			}
		}
		all++
		if !f.Unjudged {
			judged++
		}
	}
	if objects > 0 {
		return 2*judgedObjects >= objects
	}
	return 2*judged >= all
}

// Verdict says whether a requirement holds.
type Verdict string

// The verdicts.
const (
	Met    Verdict = "met"
	NotMet Verdict = "not_met"
	Unsure Verdict = "unsure"
)

// Finding is the verdict on one requirement.
type Finding struct {
	Requirement Requirement `json:"requirement"`
	Verdict     Verdict     `json:"verdict"`
	// Confidence is the verifier's probability in [0, 1] that the requirement is met.
	Confidence float64 `json:"confidence"`
	// Unjudged is set where the verifier cannot tell, whatever the image shows: it does
	// not know the kind, the object or the color. The verdict is Unsure then, and
	// Confidence is no probability that the requirement is met.
	Unjudged bool `json:"unjudged,omitempty"`
	// Evidence lists the objects that the verdict rests on.
	Evidence []Object `json:"evidence,omitempty"`
}

// Object is something seen in an image.
type Object struct {
	Class string `json:"class"`
	Color string `json:"color,omitempty"` // empty: no single color
	// Box is x0, y0, x1, y1 as fractions of the image's sides, in [0, 1].
	Box        [4]float64 `json:"box"`
	Confidence float64    `json:"confidence"`
}
