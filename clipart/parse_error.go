package clipart

import (
	"fmt"
	"strings"

	"reflectionflow"
)

// ParseErrorKind says why a text cannot be read as a prompt.
type ParseErrorKind string

// The kinds of [ParseError].
const (
	EmptyText       ParseErrorKind = "empty"              // no text, or no object that must be there
	BadText         ParseErrorKind = "bad_text"           // too long or not UTF-8
	UnknownObject   ParseErrorKind = "unknown_object"     // an unknown word where an object should be
	UnknownColor    ParseErrorKind = "unknown_color"      // a color that is none of the ten
	UnknownWord     ParseErrorKind = "unknown_word"       // any other unknown word
	MissingObject   ParseErrorKind = "missing_object"     // a number, color, place or relation without its object
	CountOutOfRange ParseErrorKind = "count_out_of_range" // more objects than MaxCount
	Contradiction   ParseErrorKind = "contradiction"      // requirements that exclude each other
	Unsupported     ParseErrorKind = "unsupported"        // understood, but no verifier can check it
)

// ParseError is the error of [Parse]. It wraps [reflectionflow.ErrInvalid].
type ParseError struct {
	Kind       ParseErrorKind
	Word       string // the word or words at fault, if any
	Position   int    // byte offset of Word in the text
	Suggestion string // the nearest known word, or empty
	detail     string // one line
}

// Error says in one line what is wrong and what to do.
func (e *ParseError) Error() string { return e.detail }

// Unwrap returns [reflectionflow.ErrInvalid]: the text is invalid input.
func (e *ParseError) Unwrap() error { return reflectionflow.ErrInvalid }

func parseErrorf(kind ParseErrorKind, at token, format string, args ...any) *ParseError {
	return &ParseError{Kind: kind, Word: at.text, Position: at.position, detail: fmt.Sprintf(format, args...)}
}

// otherModel ends the errors for what this world does not have.
const otherModel = "or choose another model with --model or --generator"

// reject is the error for a token that no requirement can be made of.
func (p *parser) reject(i int, t token) error {
	switch t.entry.meaning {
	case asVague:
		return parseErrorf(Unsupported, t, "%q is no count: say how many, for example \"three\"", t.text)
	case asDepth:
		return parseErrorf(Unsupported, t, "%q cannot be checked in a flat scene: say \"left of\", \"right of\", \"above\" or \"below\", or \"next to\" to ask for both objects", t.text)
	case asAttribute:
		return parseErrorf(Unsupported, t, "%q cannot be checked: only a color and a number can describe an object; leave it out, %s", t.text, otherModel)
	case asAction, asPosture:
		return parseErrorf(Unsupported, t, "%q is an action, and clip art shows none: name only objects, colors, numbers and positions, %s", t.text, otherModel)
	case asStyle:
		return parseErrorf(Unsupported, t, "%q is a style, and this model makes only flat clip art: leave it out, %s", t.text, otherModel)
	case asRefused, asAll:
		return parseErrorf(Unsupported, t, "%q cannot be checked: say what must be in the image, for example \"two dogs and no cat\"", t.text)
	}
	return p.unknown(i, t)
}

// unknown is the error for a word that is in no list. The words around it tell whether it should
// have been an object.
func (p *parser) unknown(i int, t token) error {
	if near, foreign := foreignColors[t.text]; foreign {
		err := parseErrorf(UnknownColor, t, "unknown color %q: the ten colors are %s; the nearest is %q", t.text, strings.Join(colorNames[:], ", "), near)
		err.Suggestion = near
		return err
	}
	role := p.role(i)
	found := suggest(t.text, role)
	kind, noun := UnknownWord, "word"
	switch {
	case len(found) > 0 && found[0].role == roleColor:
		kind, noun = UnknownColor, "color"
	case role == roleObject:
		kind, noun = UnknownObject, "object"
	}
	var advice string
	switch {
	case len(found) > 0:
		var names []string
		for _, s := range found {
			names = append(names, fmt.Sprintf("%q", s.text))
		}
		advice = "did you mean " + strings.Join(names, " or ") + "?"
	case role == roleObject:
		advice = fmt.Sprintf("it is none of the %d that this model knows (\"reflectionflow models show clipart\" lists them); name one of those, %s", len(classes().names), otherModel)
	case isAction(t.text):
		advice = "it looks like an action, and clip art shows none; leave it out, " + otherModel
	case role == roleAttribute:
		advice = "only a color and a number can describe an object; leave it out, " + otherModel
	default:
		advice = "prompts have objects, colors, numbers and positions (\"reflectionflow models show clipart\" lists them); leave it out, " + otherModel
	}
	err := parseErrorf(kind, t, "unknown %s %q: %s", noun, clip(t.text), advice)
	if len(found) > 0 {
		err.Suggestion = found[0].text
	}
	return err
}

// role is what the unknown token i should have been, by the words around it.
func (p *parser) role(i int) role {
	next, _ := p.meaningAfter(i)
	switch before := p.pending; {
	case next == asNoun || next == asHue:
		return roleAttribute
	case isAction(p.tokens[i].text):
		return roleAny
	case before.started || before.relation != "":
		return roleObject
	case len(p.mentions) == 0 && next != 0:
		return roleObject
	case i > 0 && (p.tokens[i-1].text == "and" || p.tokens[i-1].text == "of" || p.tokens[i-1].entry.meaning == asNear):
		return roleObject
	}
	return roleAny
}

// isAction guesses whether an unknown word is a verb.
func isAction(word string) bool { return len(word) > 5 && strings.HasSuffix(word, "ing") }

// dangling is the error for a noun phrase that has no noun before token i.
func (p *parser) dangling(i int, q pending) error {
	if q.color != "" && i < len(p.tokens) && p.tokens[i].entry.meaning == asConjunction {
		next, at := p.meaningAfter(i)
		if next == asRefused {
			return p.reject(at, p.tokens[at])
		}
		if next == asHue {
			other := p.tokens[at].entry.value
			return parseErrorf(Unsupported, q.at, "%q and %q for one object: give it one color, or say for example \"a %s and a %s cup\"",
				q.color, other, q.color, other)
		}
	}
	if q.at.entry.meaning == asHue && q.number < 0 && !q.definite && p.last >= 0 && !p.articleBefore(i) && q.relation == "" {
		m := p.mentions[p.last]
		return parseErrorf(MissingObject, q.at, "no object after %q: say the color before its object, for example \"a %s %s\"", q.color, q.color, m.class)
	}
	return p.missing(q)
}

func (p *parser) missing(q pending) error {
	if q.inverted {
		return parseErrorf(MissingObject, q.said, "%q needs two objects: say for example \"a dog %s a cat\"", q.said.text, q.said.text)
	}
	if q.relation != "" {
		q.at = q.said
	}
	return parseErrorf(MissingObject, q.at, "no object after %q: name one, for example \"a red cup\"", clip(q.at.text))
}

// clip keeps error lines short, whatever was typed.
func clip(s string) string {
	const longest = 40
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}
