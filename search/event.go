package search

import (
	"image"

	"reflectionflow"
)

// EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	Recalled  EventKind = "recalled"   // the journal had the candidate
	Planned   EventKind = "planned"    // the request is known: it is generated next
	Generated EventKind = "generated"  // there is an image (or an error), and no score yet
	Scored    EventKind = "scored"     // the candidate is finished
	RoundDone EventKind = "round_done" // the last candidate of a round is finished
	Stopped   EventKind = "stopped"    // the search of this prompt is over and recorded
)

// Event is one step of a search, for progress displays and logs. Events of one prompt
// and one kind come in ID order. Candidate.Warnings says what is suspicious about an
// image; it is set from Scored on.
type Event struct {
	Kind EventKind
	// Task is the index of the prompt in [Search.RunMany], 0 in [Search.Run].
	Task int
	// Candidate is what the event is about: the last of the round for RoundDone, the
	// best for Stopped.
	Candidate reflectionflow.Candidate
	// Image is the candidate's image; nil for RoundDone, Stopped and a failed candidate.
	Image image.Image
	// Best is the best finished candidate so far; its ID is -1 where there is none.
	Best reflectionflow.Candidate
	// Done counts the finished candidates. Total is the most there can be, which an
	// early stop lowers; 0 means that only time bounds the search.
	Done, Total int
	// Cost is the sum over the finished candidates, and the tiebreak for Stopped.
	Cost reflectionflow.Cost
	// Reason is set for Stopped, and Tiebreak where a comparer chose the best candidate.
	Reason   reflectionflow.StopReason
	Tiebreak *reflectionflow.Tiebreak
}
