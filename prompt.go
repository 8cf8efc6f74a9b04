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
	// Notes say in words what the parser found wrong with the text, such as a
	// contradiction or another language than it reads: for people, never parsed.
	Notes []string `json:"notes,omitempty"`
}

// Validate reports text that is empty, longer than [MaxPromptBytes] or not UTF-8, more
// than [MaxRequirements] requirements, and a requirement that is not valid, as an error
// wrapping [ErrInvalid].
func (p Prompt) Validate() error {
	switch {
	case strings.TrimSpace(p.Text) == "":
		return fmt.Errorf("%w: the prompt is empty", ErrInvalid)
	case len(p.Text) > MaxPromptBytes:
		return fmt.Errorf("%w: the prompt has %d bytes, at most %d are allowed", ErrInvalid, len(p.Text), MaxPromptBytes)
	case !utf8.ValidString(p.Text):
		return fmt.Errorf("%w: the prompt is not valid UTF-8", ErrInvalid)
	case len(p.Requirements) > MaxRequirements:
		return fmt.Errorf("%w: the prompt has %d requirements, at most %d are allowed", ErrInvalid, len(p.Requirements), MaxRequirements)
	case len(p.Notes) > MaxNotes:
		return fmt.Errorf("%w: the prompt has %d notes, at most %d are allowed", ErrInvalid, len(p.Notes), MaxNotes)
	}
	for _, n := range p.Notes {
		if len(n) > MaxNoteBytes || !utf8.ValidString(n) {
			return fmt.Errorf("%w: a note of the prompt is longer than %d bytes or not valid UTF-8", ErrInvalid, MaxNoteBytes)
		}
	}
	for i, r := range p.Requirements {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("requirement %d: %w", i+1, err)
		}
	}
	return nil
}

// Needs returns the indexes of the requirements that requirement i depends on, in order:
// a color, an attribute, a place, an action and a relation are asked only of objects that
// are there, and of the object in its color where one is named. There is no cycle. It is
// empty for an index out of range.
func (p Prompt) Needs(i int) []int {
	if i < 0 || i >= len(p.Requirements) {
		return nil
	}
	r := p.Requirements[i]
	var needs []int
	for k, other := range p.Requirements {
		if k != i && r.needs(other) {
			needs = append(needs, k)
		}
	}
	return needs
}
