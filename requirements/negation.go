package requirements

import (
	"strings"

	"reflectionflow"
)

// negations stand before what must not be there, longer ones first.
var negations = byFirst([]string{
	"without a single", "without any", "without", "with not a single", "with not even one", "with not one", "with no", "with zero",
	"not even a single", "not even one", "not even a", "not a single", "not one", "free of", "and no", "but no", "no", "not any", "zero", "don't include any", "don't include", "do not include any", "do not include", "don't show any", "don't show",
	"do not show any", "do not show", "don't add any", "don't add", "do not add any", "do not add", "avoid any", "avoid", "exclude any", "exclude", "excluding", "neither", "there are no", "there is no", "there's no",
	"there is not a single", "there is not one", "there is not any", "there is not a", "there isn't a single", "there isn't any", "there isn't a", "there's not a single", "there's not a",
	"there are not any", "there aren't any", "0",
})

// negation reads what the image must not show. Other negations are kept in the prompt's
// words.
func (p *parser) negation() bool {
	start := p.pos
	if end := p.nobodyAt(start); end > 0 {
		return p.nobody(start, end)
	}
	_, _, isRange := p.span(start) // "zero to two"
	next := 0
	for _, n := range negations[p.word(start)] {
		if next = p.phrase(start, n); next > 0 {
			break
		}
	}
	switch w := p.word(start); {
	case isRange, next > 0 && p.boundAt(next-1), p.boundAt(start), copulas[w] && p.boundAt(start+1):
		return false // "no more than two"
	case w == "nothing":
		return p.nothing(start)
	case next == 0 && w == "not" && p.notThat(start):
		next = start + 1
	case next == 0 && (w == "not" || w == "never" || w == "none" || strings.HasSuffix(w, "n't") || w == "cannot" || copulas[w] && p.word(start+1) == "not"):
		return p.refused(start)
	case next == 0:
		return false
	}
	if p.word(next) == "a" || p.word(next) == "an" || definite[p.word(next)] {
		next++
	}
	owned := p.recent >= 0 && (p.word(start) == "with" || p.word(start) == "without")
	m, ok := p.noun(next)
	if ok && m.noun == "" && p.word(start) == "not" && p.recent >= 0 { // "a red car, not a blue one"
		m.noun = p.mentions[p.recent].noun
	}
	if !ok || m.noun == "" {
		return p.refused(start)
	}
	if at := p.exceptAt(m.end); at > 0 {
		return p.absentExcept(start, m, at)
	}
	for ok && m.noun != "" {
		m.q = quantity{kind: reflectionflow.Absent, named: true}
		m.start, m.owned = start, owned
		p.pos = m.end
		p.mention(m)
		// "no dogs, cats or birds"
		if p.kind(p.pos) != comma || !p.orFollows(p.pos+1) {
			break
		}
		start = p.pos + 1
		m, ok = p.noun(start)
		ok = ok && m.bare
	}
	p.absentList, p.joined = true, false
	p.pos = p.anywhere(p.pos)
	return true
}

// notThat reports whether "not" at i stands before an object that is not wished for: "a cat,
// not a dog". After a verb it denies what that says.
func (p *parser) notThat(i int) bool {
	if w := p.word(i + 1); w != "a" && w != "an" && w != "any" {
		return false
	}
	if before := p.word(i - 1); p.kind(i-1) == word && before != "and" && before != "but" {
		return false
	}
	m, ok := p.noun(i + 1)
	return ok && (m.noun == "" || p.clauseEnds(m.end) || p.word(m.end) == "or" || p.word(m.end) == "nor") && (m.noun != "" || len(m.props) > 0)
}

// orFollows reports whether the sentence continues with "or" or "nor".
func (p *parser) orFollows(i int) bool {
	for ; p.kind(i) != stop; i++ {
		if w := p.word(i); w == "or" || w == "nor" {
			return true
		}
	}
	return false
}

// refused leaves a negation up to the end of its clause unread: its objects are not
// wished for.
func (p *parser) refused(start int) bool {
	end := start + 1
	for end < len(p.tokens) && p.kind(end) == word && p.word(end) != "but" && p.word(end) != "and" {
		end++
	}
	for i := start; i < end; i++ {
		p.unread[i] = true
	}
	p.pos = end
	return true
}

// nobodyAt is the token after "nobody" or "no one" at i, 0 where that is not there.
func (p *parser) nobodyAt(i int) int {
	for _, before := range []string{"", "with", "there is", "there's", "and", "but"} {
		at := p.phraseOr(i, before, -1)
		if before == "" {
			at = i
		}
		switch w := p.word(at); {
		case at < 0:
		case w == "nobody" || w == "no-one" || w == "noone":
			return at + 1
		case w == "no" && p.word(at+1) == "one" && !p.nounable(at+2):
			return at + 2
		}
	}
	return 0
}

// nobody records that there is no person. What nobody does is not read: "nobody smiling".
func (p *parser) nobody(start, end int) bool {
	if w := p.word(end); w == "else" || w == "but" || w == "except" || relatives[w] || copulas[w] || p.verbAt(end) {
		return p.refused(start)
	}
	p.pos = p.anywhere(end)
	p.mention(mention{noun: "person", q: quantity{kind: reflectionflow.Absent, named: true}, start: start, end: end})
	p.absentList, p.joined = true, false
	return true
}

// anywhere is the token after the words that say that something is nowhere in the image.
func (p *parser) anywhere(i int) int {
	for _, s := range []string{"in sight", "in view", "at all", "around", "anywhere", "nearby", "there", "present", "visible", "to be seen", "in it"} {
		if next := p.phrase(i, s); next > 0 && !p.nounable(next) {
			return next
		}
	}
	return i
}

// exceptions stand before what a negation, or "all", does not speak of.
var exceptions = []string{"except for", "except", "apart from", "aside from", "other than", "save for", "besides", "but"}

// exceptAt is the token after an exception's words at i, which may follow a comma; 0 for
// none. "But" with another negation is none.
func (p *parser) exceptAt(i int) int {
	if p.kind(i) == comma && p.word(i+1) != "but" {
		i++
	}
	for _, e := range exceptions {
		if next := p.phrase(i, e); next > 0 {
			if m, ok := p.excepted(next); !ok || m.q.kind == reflectionflow.Absent || e == "but" && !m.q.named {
				return 0
			}
			return next
		}
	}
	return 0
}

// excepted reads what an exception names at i: a noun phrase, or a number alone.
func (p *parser) excepted(i int) (mention, bool) {
	if m, ok := p.noun(i); ok {
		return m, true
	}
	q, next := p.quantity(i)
	return mention{q: q, start: i, end: next}, q.count > 0 && p.kind(next) != quoted && !p.nounable(next)
}

// absentExcept reads "no dogs except one": so many there are. After "no animals except two
// cats" there are two cats, and what else the phrase says is kept in its words.
func (p *parser) absentExcept(start int, none mention, at int) bool {
	m, _ := p.excepted(at)
	if p.word(at-1) == "than" { // "no animals other than a dog"
		none.noun = strings.TrimPrefix(none.noun, "other ")
	}
	same := m.noun == "" || m.noun == none.noun
	if m.noun == "" {
		m.noun, m.props = none.noun, append(none.props, m.props...)
	}
	if m.q.kind == reflectionflow.AtLeast && m.q.count == 1 || m.q.kind == "" {
		m.q = bounded(reflectionflow.Exactly, 1)
	}
	m.start = at
	if same {
		m.start = start
	} else {
		for i := start; i < m.end; i++ {
			p.unread[i] = true
		}
	}
	p.pos = m.end
	p.name(m)
	return true
}

// nothing reads "nothing but a cup": the cup, and the phrase in its words.
func (p *parser) nothing(start int) bool {
	at := p.exceptAt(start + 1)
	if at == 0 {
		return p.refused(start)
	}
	m, _ := p.excepted(at)
	if m.noun == "" {
		return p.refused(start)
	}
	for i := start; i < m.end; i++ {
		p.unread[i] = true
	}
	p.pos = m.end
	p.name(m)
	return true
}

// exception reads "except one" after what all objects are: the exception, and with it the
// properties that not all have, stay in the prompt's words.
func (p *parser) exception() bool {
	start := p.pos
	if p.word(start) == "but" || p.word(start) == "besides" {
		return false
	}
	at := p.exceptAt(start)
	if at == 0 {
		return false
	}
	from := start
	if p.near >= 0 {
		if m := &p.mentions[p.near]; len(m.props) > 0 && (m.q.each || m.plural) && p.sentenceOf(m.start, start) {
			m.props, from = nil, m.start
		}
	}
	m, _ := p.excepted(at)
	for i := from; i < m.end; i++ {
		p.unread[i] = true
	}
	p.pos = m.end
	return true
}

// sentenceOf reports whether tokens from start to end are of one sentence.
func (p *parser) sentenceOf(start, end int) bool {
	for i := start; i < end; i++ {
		if p.kind(i) == stop {
			return false
		}
	}
	return true
}
