package reflectionflow

import (
	"context"
	"fmt"
)

// Preference is a [Comparer]'s judgement of a pair.
type Preference struct {
	// First is the probability in [0, 1] that the first image is better, whichever is shown
	// first.
	First float64 `json:"first_better"`
	// Shown is the probability that the comparer prefers the image that it is shown first:
	// 0.5 without position bias.
	Shown float64 `json:"shown_first"`
	// Contradicts is set where the comparer prefers another image when they are shown in
	// the other order.
	Contradicts bool `json:"contradicts,omitempty"`
	// Unanswered says in a phrase why there is no preference: a model refused, or gave
	// neither answer. First and Shown are 0.5 then. Empty for a preference.
	Unanswered string `json:"unanswered,omitempty"`
	Cost       Cost   `json:"cost"`
}

// Validate reports probabilities out of range, as an error wrapping [ErrInvalid].
func (p Preference) Validate() error {
	for _, v := range []float64{p.First, p.Shown} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: a preference of %v: it is a probability from 0 to 1", ErrInvalid, v)
		}
	}
	return nil
}

// Better is the side that is preferred: [Neither] where there is no answer, no difference,
// or where the comparer contradicts itself.
func (p Preference) Better() Side {
	switch {
	case p.Unanswered != "" || p.Contradicts || p.First == 0.5:
		return Neither
	case p.First > 0.5:
		return First
	}
	return Second
}

// Comparer says which image of a pair shows better what the prompt asks for.
//
// Compare returns one valid Preference per pair, in order. A Preference depends on its own
// pair alone; that of the swapped pair is the opposite. The rules for ctx and errors are
// those of [Verifier].
type Comparer interface {
	Compare(ctx context.Context, pairs []Pair) ([]Preference, error)
}

// Tiebreak is how a search chose the best of candidates that the verifier could not tell
// apart: the one with the lowest ID is compared with the next, and the better one of both
// with the one after. Where a comparer prefers neither, the earlier one stays.
type Tiebreak struct {
	// Tied lists the IDs of the candidates that were compared, in order; the first is the
	// best by the verifier.
	Tied []int `json:"tied"`
	// LeftOut is the number of candidates with the same value that were not compared.
	LeftOut int    `json:"left_out,omitempty"`
	Duels   []Duel `json:"duels"`
	// Cost of all comparisons, which the result's includes.
	Cost Cost `json:"cost"`
}

// Duel is one comparison: of the best candidate so far with a challenger.
type Duel struct {
	Best       int `json:"best"`
	Challenger int `json:"challenger"`
	// Preference is about the pair of Best and Challenger, in this order.
	Preference Preference `json:"preference"`
}

// Winner is the better candidate of both.
func (d Duel) Winner() int {
	if d.Preference.Better() == Second {
		return d.Challenger
	}
	return d.Best
}
