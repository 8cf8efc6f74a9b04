package reflectionflow

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxPromptBytes is the longest prompt text accepted anywhere.
const MaxPromptBytes = 4096

// Prompt is what the user asked for, as text and as typed requirements. Images are
// judged against it even when a [Refiner] rewrites the generator's prompt.
type Prompt struct {
	Text         string        `json:"text"`
	Requirements []Requirement `json:"requirements,omitempty"`
}

// Validate reports text that is empty, longer than [MaxPromptBytes] or not UTF-8, as an
// error wrapping [ErrInvalid].
func (p Prompt) Validate() error {
	switch {
	case strings.TrimSpace(p.Text) == "":
		return fmt.Errorf("%w: the prompt is empty", ErrInvalid)
	case len(p.Text) > MaxPromptBytes:
		return fmt.Errorf("%w: the prompt has %d bytes, at most %d are allowed", ErrInvalid, len(p.Text), MaxPromptBytes)
	case !utf8.ValidString(p.Text):
		return fmt.Errorf("%w: the prompt is not valid UTF-8", ErrInvalid)
	}
	return nil
}

// Kind names what a [Requirement] asks for.
type Kind string

// The kinds of requirement. They cover GenEval's include and exclude lists.
const (
	AtLeast  Kind = "at_least" // Count or more of Object (of Color, when set)
	Exactly  Kind = "exactly"  // exactly Count of Object (of Color, when set)
	Absent   Kind = "absent"   // no Object (of Color, when set)
	Position Kind = "position" // Object (of Color) is in Relation to Target (of TargetColor)
)

// Relation is a spatial relation of GenEval between box centers; y points down.
type Relation string

// GenEval's four relations.
const (
	LeftOf  Relation = "left of"
	RightOf Relation = "right of"
	Above   Relation = "above"
	Below   Relation = "below"
)

// Requirement is one condition that the image must meet.
type Requirement struct {
	Kind        Kind     `json:"kind"`
	Object      string   `json:"object"`             // class name in GenEval's spelling, singular
	Color       string   `json:"color,omitempty"`    // one of the ten GenEval colors, or empty for any
	Count       int      `json:"count,omitempty"`    // for AtLeast and Exactly, 1 or more
	Relation    Relation `json:"relation,omitempty"` // for Position
	Target      string   `json:"target,omitempty"`   // for Position: the reference object's class
	TargetColor string   `json:"target_color,omitempty"`
}

// String returns the requirement in words, for example "exactly 2 clock" or
// "red cup left of blue bowl".
func (r Requirement) String() string {
	object := join(r.Color, r.Object)
	switch r.Kind {
	case AtLeast:
		return fmt.Sprintf("at least %d %s", r.Count, object)
	case Exactly:
		return fmt.Sprintf("exactly %d %s", r.Count, object)
	case Absent:
		return "no " + object
	case Position:
		return fmt.Sprintf("%s %s %s", object, r.Relation, join(r.TargetColor, r.Target))
	}
	return string(r.Kind) + " " + object
}

func join(color, object string) string {
	if color == "" {
		return object
	}
	return color + " " + object
}
