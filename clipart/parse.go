package clipart

import (
	"strings"

	"reflectionflow"
)

// Parse turns a text into a prompt with typed requirements: captions of this
// package, GenEval's prompts, and free text in their manner.
//
//   - "a dog", "the dog", "dog": at least one. "one dog", "two dogs", "3 dogs":
//     exactly so many, up to [MaxCount]. "dogs" and "at least two dogs": at least two.
//   - "no dog", "without dogs": none.
//   - "a dog left of a cat", also above, below, "to the left of", "on top of",
//     "under": a position. It speaks of the object named just before.
//   - "next to", "with", "on" and other relations only ask for both objects, and
//     places ("at the left", "in the middle") ask for nothing.
//   - "a red cup and a blue cup" are exactly one of each, to tell them apart.
//
// Case and punctuation do not matter; sofa, phone, people, knives and their like
// are known; a few adjectives ("big", "cute") and the background are ignored. A
// word that is not known is an error, not a guess.
//
// Requirements come in the order of their first mention, positions last. The
// error is a [*ParseError]. Text is kept as it is.
func Parse(text string) (reflectionflow.Prompt, error) {
	prompt := reflectionflow.Prompt{Text: text}
	if err := prompt.Validate(); err != nil {
		kind := BadText
		if strings.TrimSpace(text) == "" {
			kind = EmptyText
		}
		return reflectionflow.Prompt{}, &ParseError{Kind: kind, detail: err.Error()}
	}
	p := parser{tokens: tokens(text)}
	if err := p.run(); err != nil {
		return reflectionflow.Prompt{}, err
	}
	requirements, err := p.requirements()
	if err != nil {
		return reflectionflow.Prompt{}, err
	}
	prompt.Requirements = requirements
	return prompt, nil
}

// Canonical rewrites a text that parses in GenEval's wording, the one that the
// embedded networks know best.
func Canonical(text string) (string, error) {
	prompt, err := Parse(text)
	if err != nil {
		return "", err
	}
	return ShortCaption(prompt.Requirements), nil
}

// mention is one noun phrase of the text.
type mention struct {
	at       token
	class    string
	color    string
	count    int
	exact    bool
	absent   bool
	definite bool // "the dog": perhaps one that was mentioned before
}

// claim is one position: indices into the mentions.
type claim struct {
	at              token
	subject, target int
	relation        reflectionflow.Relation
}

// parser reads tokens from left to right. What stands before a noun is kept in
// pending until the noun comes.
type parser struct {
	tokens   []token
	mentions []mention
	claims   []claim

	pending  pending
	last     int  // mention that a relation speaks of, -1 for none
	related  int  // subject of the last claim, -1 for none
	joined   bool // right after "and"
	negative bool // the object before must not be there
	or       bool // "no dogs or ..."
}

// pending is the part of a noun phrase before its noun.
type pending struct {
	at       token // first word, for errors
	started  bool
	definite bool
	negative bool
	exactly  bool
	minimum  bool
	number   int // -1 for none
	pair     bool
	color    string
	relation reflectionflow.Relation
	said     token // the words of relation
	subject  int   // of relation; -1: the subject follows the target
	inverted bool  // "left of a cat": the target was read, the subject comes
}

var nothing = pending{number: -1, subject: -1}

func (p *parser) run() error {
	p.pending, p.last, p.related = nothing, -1, -1
	for i, t := range p.tokens {
		if err := p.read(i, t); err != nil {
			return err
		}
	}
	if err := p.drop(token{entry: entry{meaning: asStop}}); err != nil {
		return err
	}
	if len(p.mentions) == 0 {
		return &ParseError{Kind: EmptyText, detail: `the prompt names no object: say, for example, "a photo of a clock"`}
	}
	return nil
}

// read takes one token in.
func (p *parser) read(i int, t token) error {
	joined := p.joined
	p.joined = joined && t.entry.meaning == asGlue // "a dog left of a cat and is above a cup"
	switch t.entry.meaning {
	case asNoun:
		return p.object(t)
	case asHue:
		if p.pending.color != "" {
			return parseErrorf(Unsupported, t, "%q and %q for one object: give it one color", p.pending.color, t.entry.value)
		}
		p.begin(t)
		p.pending.color = t.entry.value
	case asNumber:
		return p.count(t)
	case asIndefinite:
		p.begin(t)
	case asDefinite:
		p.begin(t)
		p.pending.definite = true
	case asNegation:
		if err := p.drop(t); err != nil {
			return err
		}
		p.begin(t)
		p.pending.negative = true
	case asPrecisely:
		p.begin(t)
		p.pending.exactly = true
	case asMinimum:
		p.begin(t)
		p.pending.minimum = true
	case asRelation:
		return p.relate(t, joined)
	case asConjunction, asBeside:
		return p.join(t)
	case asStop:
		err := p.drop(t)
		p.last, p.related, p.negative, p.or = -1, -1, false, false
		return err
	case asLocation:
		return p.drop(t)
	case asGlue:
		return p.drop(t)
	case asBackdrop:
		if p.pending.relation == "" {
			p.pending = nothing
			return nil
		}
		return parseErrorf(Unsupported, t, "a position needs an object, not the background")
	case asDecoration:
	case asVague:
		return parseErrorf(Unsupported, t, "%q is no number: say how many, for example \"three\"", t.text)
	case asRefused:
		return parseErrorf(Unsupported, t, "%q cannot be checked here: say what must be in the picture, for example \"two dogs and no cat\"", t.text)
	default:
		return unknown(t, p.expectsObject(i))
	}
	return nil
}

// expectsObject tells an unknown object from an unknown word before one.
func (p *parser) expectsObject(i int) bool {
	next := meaning(0)
	if i+1 < len(p.tokens) {
		next = p.tokens[i+1].entry.meaning
	}
	return next != asNoun && next != asHue
}
