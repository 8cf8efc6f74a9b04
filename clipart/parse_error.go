package clipart

import (
	"fmt"

	"reflectionflow"
)

// ParseErrorKind says why a text is no prompt for this world.
type ParseErrorKind string

// The kinds of [ParseError].
const (
	EmptyText       ParseErrorKind = "empty"              // no text, or no object in it
	BadText         ParseErrorKind = "bad_text"           // too long or not UTF-8
	UnknownObject   ParseErrorKind = "unknown_object"     // a word where an object should be
	UnknownColor    ParseErrorKind = "unknown_color"      // a colour that is none of the ten
	UnknownWord     ParseErrorKind = "unknown_word"       // any other word that is not understood
	MissingObject   ParseErrorKind = "missing_object"     // a number, colour or relation without its object
	CountOutOfRange ParseErrorKind = "count_out_of_range" // more than MaxCount
	Contradiction   ParseErrorKind = "contradiction"      // requirements that exclude each other
	Unsupported     ParseErrorKind = "unsupported"        // understood, but nothing that can be required
)

// ParseError is why a text could not be parsed. It wraps
// [reflectionflow.ErrInvalid].
type ParseError struct {
	Kind       ParseErrorKind
	Word       string // the word or words at fault, as far as there are any
	Position   int    // byte offset of Word in the text
	Suggestion string // the nearest known word, or empty
	detail     string // one clear line
}

// Error says in one line what is wrong and what to do.
func (e *ParseError) Error() string { return e.detail }

// Unwrap returns [reflectionflow.ErrInvalid]: the text is invalid input.
func (e *ParseError) Unwrap() error { return reflectionflow.ErrInvalid }

func parseErrorf(kind ParseErrorKind, at token, format string, args ...any) *ParseError {
	return &ParseError{Kind: kind, Word: at.text, Position: at.position, detail: fmt.Sprintf(format, args...)}
}

// unknown is the error for a word that is in no list. What it should have been is
// told by what stands before it and by the known word nearest to it.
func unknown(at token, objectExpected bool) *ParseError {
	if near, foreign := foreignColors[at.text]; foreign {
		err := parseErrorf(UnknownColor, at, "unknown color %q: the nearest of the ten colors is %q", at.text, near)
		err.Suggestion = near
		return err
	}
	suggestion, isColor := nearest(at.text)
	kind, noun := UnknownWord, "word"
	switch {
	case isColor:
		kind, noun = UnknownColor, "color"
	case objectExpected:
		kind, noun = UnknownObject, "object"
	}
	advice := "say it with the words of the known objects and colors"
	switch {
	case suggestion != "":
		advice = fmt.Sprintf("did you mean %q?", suggestion)
	case kind == UnknownObject:
		advice = fmt.Sprintf("it is none of the %d known objects", len(classes().names))
	}
	err := parseErrorf(kind, at, "unknown %s %q: %s", noun, clip(at.text), advice)
	err.Suggestion = suggestion
	return err
}

// clip keeps error lines short, whatever was typed.
func clip(s string) string {
	const longest = 40
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}
