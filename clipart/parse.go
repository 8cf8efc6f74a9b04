package clipart

import (
	"strings"

	"reflectionflow"
)

// Parse reads a prompt into typed requirements. It reads GenEval's prompts, [ShortCaption] and
// [VariedCaption], and free text in their manner:
//
//   - "a dog", "the dog", "dog": at least one. "one dog", "two dogs", "3 dogs": exactly that
//     number. "dogs" and "at least two dogs": at least two. "a bird, a bird and a bird": exactly
//     three.
//   - "a cup and no dog", "without dogs": none.
//   - "a red cup and a blue cup", "a red and a blue cup", "two cups, one red and one blue",
//     "two cups, a red one and a blue one": exactly one of each color.
//   - "two dogs and a red dog": a number counts the dogs of all colors, so one of the two is red.
//   - "a dog left of a cat", also right of, above, below, "to the left of", "on", "on top of",
//     "under": the relation of the dog to the cat, of the centers of their boxes. It speaks of
//     the object named just before.
//   - "a dog on the left and a cat on the right", "a dog at the top and a cat at the bottom":
//     the dog is left of (above) the cat. Every place needs an object at the opposite place.
//   - "a dog left of a cat and a dog above a tie": within relations equal words name one object.
//   - "next to", "near", "with": both objects are in the image. Objects of a scene are always
//     near each other.
//
// Case and punctuation do not matter. Other names of the classes ("sofa", "phone", "knives") are
// known, see [Classes]. Praise ("a beautiful photo") and a plain background are ignored.
//
// Parse rejects what it cannot turn into a requirement instead of ignoring it: unknown words,
// other attributes than colors, actions, styles, depth ("behind", "inside"), places without a
// counterpart, contents ("a bowl of oranges"), more than [MaxCount] objects in all, and requirements that exclude each other.
// The error is a [*ParseError].
//
// Requirements come in the order of their first mention, positions last. Text is kept unchanged.
func Parse(text string) (reflectionflow.Prompt, error) {
	return parse(text, false)
}

// parseCaption is [Parse] for captions, which also describe where the objects of one scene are
// and how they look. It ignores what it cannot require and accepts up to [maxNumber] objects of
// a class. [SplitOf] depends on it: its readings must not change.
func parseCaption(text string) (reflectionflow.Prompt, error) {
	return parse(text, true)
}

func parse(text string, caption bool) (reflectionflow.Prompt, error) {
	prompt := reflectionflow.Prompt{Text: text}
	if err := prompt.Validate(); err != nil {
		kind := BadText
		if strings.TrimSpace(text) == "" {
			kind = EmptyText
		}
		return reflectionflow.Prompt{}, &ParseError{Kind: kind, detail: err.Error()}
	}
	p := parser{tokens: tokens(text, caption), caption: caption}
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

// Canonical rewrites a text that parses in GenEval's wording, the one that the embedded networks
// were trained on.
func Canonical(text string) (string, error) {
	prompt, err := Parse(text)
	if err != nil {
		return "", err
	}
	return ShortCaption(prompt.Requirements), nil
}

// mention is one noun phrase of the text.
type mention struct {
	at        token
	sentence  int
	class     string
	color     string
	count     int
	exact     bool
	absent    bool
	definite  bool // "the dog": possibly an object that was mentioned before
	single    bool // "a dog", "dog": another one with every mention
	qualified bool // "exactly" or "at least" was said
	part      bool // "one black" of "two dogs"
}

// claim is one position: indices into the mentions.
type claim struct {
	at              token
	subject, target int
	relation        reflectionflow.Relation
}

// parser reads tokens from left to right. The words before a noun are kept in pending until the
// noun is read.
type parser struct {
	tokens   []token
	caption  bool // see parseCaption
	mentions []mention
	claims   []claim
	places   []placing

	pending  pending
	shared   []pending // "a red and ..." before "a blue cup"
	skip     int       // tokens that were read ahead
	sentence int
	last     int   // mention that a relation or place speaks of, -1 for none
	related  int   // subject of the last claim, -1 for none
	joined   bool  // right after "and"
	negative bool  // the object before is absent
	or       bool  // "no dogs or ..."
	ahead    token // a place before its object: "on the left a dog"
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
	inverted bool  // "left of a cat": the target was read, the subject follows
}

var nothing = pending{number: -1, subject: -1}

func (p *parser) run() error {
	p.pending, p.last, p.related = nothing, -1, -1
	for i, t := range p.tokens {
		if p.skip > 0 {
			p.skip--
			continue
		}
		if err := p.read(i, t); err != nil {
			return err
		}
	}
	if err := p.drop(len(p.tokens), token{entry: entry{meaning: asStop}}); err != nil {
		return err
	}
	if p.ahead.text != "" {
		return placeWithoutObject(p.ahead)
	}
	present := false
	for _, m := range p.mentions {
		present = present || !m.absent
	}
	switch {
	case len(p.mentions) == 0:
		return &ParseError{Kind: EmptyText, detail: `the prompt names no object: name one, for example "a photo of a clock"`}
	case !present && !p.caption:
		m := p.mentions[0]
		return parseErrorf(EmptyText, m.at, "the prompt names no object that the image must show: add one, for example %q", "a clock and no "+m.class)
	}
	return nil
}

// read processes token i.
func (p *parser) read(i int, t token) error {
	joined := p.joined
	p.joined = joined && t.entry.meaning == asGlue // "a dog left of a cat and is above a cup"
	switch t.entry.meaning {
	case asNoun:
		return p.object(i, t)
	case asHue:
		if p.pending.color != "" {
			return parseErrorf(Unsupported, t, "%q and %q for one object: give it one color", p.pending.color, t.entry.value)
		}
		p.begin(t)
		p.pending.color = t.entry.value
	case asNumber:
		return p.count(t)
	case asIndefinite, asDefinite, asPrecisely, asMinimum:
		p.begin(t)
		p.pending.definite = p.pending.definite || t.entry.meaning == asDefinite
		p.pending.exactly = p.pending.exactly || t.entry.meaning == asPrecisely
		p.pending.minimum = p.pending.minimum || t.entry.meaning == asMinimum
	case asNegation:
		if err := p.drop(i, t); err != nil {
			return err
		}
		p.begin(t)
		p.pending.negative = true
	case asRelation:
		return p.relate(i, t, joined)
	case asConjunction, asNear:
		return p.join(i, t)
	case asStop:
		err := p.drop(i, t)
		p.sentence++
		p.last, p.related, p.negative, p.or = -1, -1, false, false
		return err
	case asPlace:
		return p.place(i, t)
	case asGlue:
		if err := p.contents(i, t); err != nil {
			return err
		}
		return p.drop(i, t)
	case asBackdrop:
		return p.backdrop(t)
	case asAll:
		return p.all(i, t)
	case asPraise:
	case asPosture:
		switch next := p.following(i); next {
		case asRelation, asNear, asPlace, asDepth:
			return p.drop(i, t)
		}
		return p.reject(i, t)
	default:
		return p.reject(i, t)
	}
	return nil
}

// meaningAfter is the meaning of the first token after i that is not a filler word, and its
// index.
func (p *parser) meaningAfter(i int) (meaning, int) {
	for i++; i < len(p.tokens); i++ {
		if m := p.tokens[i].entry.meaning; m != asGlue && m != asPraise {
			return m, i
		}
	}
	return asStop, i
}

// following is the meaning of the token after i.
func (p *parser) following(i int) meaning {
	if i+1 < len(p.tokens) {
		return p.tokens[i+1].entry.meaning
	}
	return asStop
}

// begins reports whether a noun phrase can begin with a word of the meaning.
func (m meaning) begins() bool {
	switch m {
	case asNoun, asHue, asNumber, asIndefinite, asDefinite, asPrecisely, asMinimum:
		return true
	}
	return false
}
