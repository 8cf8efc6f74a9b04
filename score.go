package reflectionflow

// Score is a verifier's judgement of one picture. Value is the one number the
// search compares: higher is better, NaN is forbidden. Scores of different
// verifiers are not comparable.
type Score struct {
	Value float64 `json:"value"`
	// Requirements holds one finding per requirement of the prompt, in order;
	// empty when the verifier cannot tell them apart.
	Requirements []Finding `json:"requirements,omitempty"`
	// Objects lists everything the verifier saw in the picture, in no particular
	// order; empty when it saw nothing or cannot name what it sees.
	Objects []Object `json:"objects,omitempty"`
	// Detail is free text for people: never parsed.
	Detail string `json:"detail,omitempty"`
	Cost   Cost   `json:"cost"`
}

// Right reports whether every requirement was found met. It is false for a
// score without findings.
func (s Score) Right() bool {
	for _, f := range s.Requirements {
		if f.Verdict != Met {
			return false
		}
	}
	return len(s.Requirements) > 0
}

// Verdict says whether a requirement holds.
type Verdict string

// The verdicts.
const (
	Met    Verdict = "met"
	NotMet Verdict = "not_met"
	Unsure Verdict = "unsure"
)

// Finding is what a verifier found for one requirement.
type Finding struct {
	Requirement Requirement `json:"requirement"`
	Verdict     Verdict     `json:"verdict"`
	// Confidence is the verifier's probability in [0, 1] that the requirement is met.
	Confidence float64 `json:"confidence"`
	// Evidence lists the objects the verdict rests on.
	Evidence []Object `json:"evidence,omitempty"`
}

// Object is something seen in a picture.
type Object struct {
	Class string `json:"class"`
	Color string `json:"color,omitempty"` // empty: no single colour
	// Box is x0, y0, x1, y1 as fractions of the picture's sides, in [0, 1].
	Box        [4]float64 `json:"box"`
	Confidence float64    `json:"confidence"`
}
