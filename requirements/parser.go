package requirements

import (
	"slices"
	"strings"

	"reflectionflow"
)

// fact is what the prompt says about its mentions, or about the whole image. Subject,
// target and second are mentions, -1 for none.
type fact struct {
	kind                    reflectionflow.Kind
	subject, target, second int
	relation                string
	prop                    property // value and aspect; for Color too
	count                   int      // of how many objects of the subject; 0 for all of them
	color                   string   // of the subject, where that is not the color of its mention
	start, end              int      // its tokens
	weight                  reflectionflow.Weight
}

// openChoice begins the note about "a dog or a cat".
const openChoice = "an open choice is not read: "

// parser walks the tokens of one prompt once, from left to right.
type parser struct {
	text     string
	tokens   []token
	shouting bool // every word begins with a capital: they say nothing
	pos      int
	unread   []bool // per token
	ellipses int    // how deep "two red and three blue balls" is being read
	follows  []int8 // per token, what nounFollows found; 0 for not asked yet
	mentions []mention
	facts    []fact
	notes    []string
	weight   reflectionflow.Weight

	near   int    // what the next phrase speaks of; -1 for nothing
	recent int    // what was named last, for "that is", "with" and "it"
	owner  int    // what the clause is about: what follows a comma speaks of it again
	head   int    // the first mention of the sentence
	group  []int  // mentions joined by "and": "a dog and a cat"
	joined bool   // a separator after a mention: the next one joins the group
	via    string // the last relation
	shares *fact  // "holding a cup": "and a book" would be held too
	part1  some   // "two of them": what is said now speaks of so many

	started       bool // the sentence has a mention
	segmentStart  bool // nothing was read since the last separator
	waiting       bool // what was read keeps the segment's start: "ideally"
	firstMention  int  // of the segment
	firstFact     int
	pendingPlace  string // "on the left, a dog": of the next mention
	pendingFacts  []fact // "behind a house, a tree": the next mention is their subject
	pendingTokens [2]int
	absentList    bool // "no dogs": "or cats" are absent too
}

func (p *parser) word(i int) string {
	if i < 0 || i >= len(p.tokens) || p.tokens[i].kind != word {
		return ""
	}
	return p.tokens[i].text
}

// kind is the kind of token i; stop beyond the end.
func (p *parser) kind(i int) tokenKind {
	if i < 0 || i >= len(p.tokens) {
		return stop
	}
	return p.tokens[i].kind
}

// phrase is the token after the words of a phrase at i, 0 where they are not there.
func (p *parser) phrase(i int, phrase string) int {
	for phrase != "" {
		var w string
		w, phrase, _ = strings.Cut(phrase, " ")
		if p.word(i) != w {
			return 0
		}
		i++
	}
	return i
}

func (p *parser) phraseOr(i int, phrase string, otherwise int) int {
	if next := p.phrase(i, phrase); next > 0 {
		return next
	}
	return otherwise
}

// words are the prompt's words of tokens from start to end, cut to the length of a
// requirement's string.
func (p *parser) words(start, end int) string {
	if start >= end || start >= len(p.tokens) {
		return ""
	}
	return clip(p.text[p.tokens[start].start:p.tokens[end-1].end])
}

// clip cuts a text to the length of a requirement's string, in one line.
func clip(s string) string {
	s = strings.Join(strings.Fields(strings.Map(printable, s)), " ")
	if len(s) > reflectionflow.MaxRequirementBytes {
		s = strings.ToValidUTF8(s[:reflectionflow.MaxRequirementBytes], "")
	}
	return s
}

// run reads the whole prompt.
func (p *parser) run() {
	p.near, p.recent, p.owner, p.part1 = -1, -1, -1, some{of: -1}
	p.sentence()
	for p.pos < len(p.tokens) {
		before := p.pos
		switch p.kind(p.pos) {
		case stop:
			p.pos++
			p.sentence()
			continue
		case comma:
			if p.belowZero(p.pos) {
				continue
			}
			if p.mark(p.pos) == ")" {
				p.shares = nil
			}
			p.pos++
			p.segment()
			continue
		}
		if !p.read() {
			p.unread[p.pos] = !fillers[p.word(p.pos)] && !praise[p.word(p.pos)]
			p.pos++
		}
		if p.pos <= before { // cannot happen; an endless loop would be worse
			p.pos = before + 1
		}
		p.segmentStart = p.segmentStart && p.waiting
		p.waiting = false
	}
	p.endSentence()
}

// sentence begins a sentence.
func (p *parser) sentence() {
	p.endSentence()
	p.head = -1
	p.near, p.owner, p.group, p.joined, p.shares, p.started, p.absentList, p.part1 = -1, -1, nil, false, nil, false, false, some{of: -1}
	p.weight = reflectionflow.Must
	p.newSegment()
	p.preface()
	p.change()
}

// endSentence settles what waited for a mention.
func (p *parser) endSentence() {
	if p.pendingPlace != "" {
		p.place(p.pendingPlace, p.pendingTokens[0], p.pendingTokens[1], []int{p.recent})
		p.pendingPlace = ""
	}
	for _, f := range p.pendingFacts {
		if p.recent == f.target || p.recent == f.second { // "behind a house": nothing is behind it
			for i := f.start; i < min(p.mentions[f.target].start, f.end); i++ {
				p.unread[i] = true
			}
			continue
		}
		f.subject = p.recent
		p.add(f)
	}
	p.pendingFacts = nil
}

func (p *parser) newSegment() {
	p.segmentStart, p.firstMention, p.firstFact = true, len(p.mentions), len(p.facts)
}

// segment begins what follows a comma. A wish stays optional over "ideally, ...".
func (p *parser) segment() {
	if p.weight == reflectionflow.Should && (len(p.mentions) > p.firstMention || len(p.facts) > p.firstFact) {
		p.weight = reflectionflow.Must
	}
	p.joined = p.joined || len(p.group) > 0
	p.endPart()
	if p.owner >= 0 && p.near != p.owner && !slices.Contains(p.group, p.owner) {
		p.near = p.owner
	}
	p.newSegment()
	for range 3 { // "85mm lens, a portrait of a man"
		if p.started || !p.medium() {
			break
		}
	}
	if p.style() {
		p.segmentStart = false
	}
}

// read reads one phrase at the position, and reports whether there was one.
func (p *parser) read() bool {
	if p.kind(p.pos) == quoted {
		return p.quotedText()
	}
	rules := []func() bool{
		p.separator, p.optional, p.aperture, p.capitalText, p.pairRelation, p.saysText, p.exception, p.noneOf, p.negation, p.comparedNumbers, p.ordinal, p.most, p.partitive, p.listNumber, p.age, p.sideColon, p.divided, p.minus, p.leadingBound, p.spatial, p.placePhrase, p.styleOrScene,
		p.with, p.comparison, p.preposition, p.copula, p.pronoun, p.verb, p.object,
	}
	start := p.pos
	for _, rule := range rules {
		if rule() {
			p.pos = min(p.pos, len(p.tokens))
			return true
		}
		p.pos = start
	}
	return false
}

// mark is the text of a token.
func (p *parser) mark(i int) string {
	if i < 0 || i >= len(p.tokens) {
		return ""
	}
	return p.text[p.tokens[i].start:p.tokens[i].end]
}

// listNumber skips the number of an item of a list: "1. a cat 2. a dog".
func (p *parser) listNumber() bool {
	if !onlyDigits(p.word(p.pos)) || p.word(p.pos) == "" || p.mark(p.pos+1) != "." && p.mark(p.pos+1) != ")" || p.word(p.pos+2) == "" {
		return false
	}
	p.pos += 2
	p.sentence()
	return true
}

// age reads ", 30 years old" of what was named last.
func (p *parser) age() bool {
	n, next, ok := p.number(p.pos)
	if w := p.word(next); !ok || n == 0 || w != "years" && w != "year" && w != "months" && w != "weeks" || p.word(next+1) != "old" || p.recent < 0 {
		return false
	}
	id := p.recent
	if p.near >= 0 {
		id = p.near
	}
	p.mentions[id].props = append(p.mentions[id].props, property{value: strings.ToLower(p.words(p.pos, next+2)), aspect: reflectionflow.State})
	p.pos = next + 2
	return true
}

// sideColon reads "left: a cat".
func (p *parser) sideColon() bool {
	start, value := p.pos, ""
	i := start
	for sides[p.word(i)] != "" && i < start+2 {
		value = strings.TrimSpace(value + " " + sides[p.word(i)])
		i++
	}
	if !p.segmentStart || !isPlace(value) || p.mark(i) != ":" {
		return false
	}
	p.pendingPlace, p.pendingTokens = value, [2]int{start, i}
	p.pos = i + 1
	return true
}

// separator reads "and".
func (p *parser) separator() bool {
	w := p.word(p.pos)
	switch w {
	case "and", "plus", "but", "then", "while", "whereas":
		p.pos++
		p.joined = len(p.group) > 0
		if p.owner >= 0 && !slices.Contains(p.group, p.owner) && (w == "while" || copulas[p.word(p.pos)] || isGerund(p.word(p.pos)) || gerundOf[p.word(p.pos)] != "" && !p.nounable(p.pos+1)) {
			p.near = p.owner
		}
		segment := p.segmentStart
		first, firstFact := p.firstMention, p.firstFact
		p.newSegment()
		if !segment {
			p.firstMention, p.firstFact = first, firstFact
		}
		if p.style() {
			return true
		}
		// The main loop takes a read phrase for the end of the segment's start.
		if p.pos < len(p.tokens) && p.kind(p.pos) != comma && p.kind(p.pos) != stop {
			if _, _, _, ok := p.placeAt(p.pos); ok {
				return p.placePhrase()
			}
		}
		return true
	case "or", "nor":
		return p.choice()
	}
	return false
}

// choice reads "or": more of what must be absent, or an open choice, which is kept in the
// prompt's words.
func (p *parser) choice() bool {
	m, ok := p.noun(p.pos + 1)
	if !ok {
		return false
	}
	if p.absentList {
		m.q = quantity{kind: reflectionflow.Absent, named: true}
		p.pos = m.end
		p.mention(m)
		return true
	}
	start := p.pos
	if last := len(p.mentions) - 1; last >= 0 && p.mentions[last].end == p.pos {
		p.mentions[last].dropped = true
		start = p.mentions[last].start
		p.near, p.recent = last, last
	}
	for i := start; i < m.end; i++ {
		p.unread[i] = true
	}
	p.notes = append(p.notes, openChoice+p.words(start, m.end))
	p.pos = m.end
	return true
}

// optionals are phrases that make the wishes of their clause optional.
var optionals = byFirst([]string{
	"it would be nice to have", "it would be nice if", "would be nice", "if possible", "if you can", "ideally", "preferably", "optionally",
	"maybe", "perhaps", "possibly", "nice to have",
})

func (p *parser) optional() bool {
	for _, o := range optionals[p.word(p.pos)] {
		next := p.phrase(p.pos, o)
		if next == 0 {
			continue
		}
		p.pos, p.weight, p.waiting = next, reflectionflow.Should, true
		for i := p.firstMention; i < len(p.mentions); i++ {
			p.mentions[i].weight = reflectionflow.Should
		}
		for i := p.firstFact; i < len(p.facts); i++ {
			p.facts[i].weight = reflectionflow.Should
		}
		return true
	}
	return false
}

// add records a fact about a mention.
func (p *parser) add(f fact) {
	f.weight = p.weight
	if p.part1.count > 0 && f.subject == p.part1.of && f.count == 0 {
		f.count = p.part1.count
	}
	p.facts = append(p.facts, f)
}

// mention records a noun phrase and returns its number: that of an earlier one where it
// speaks of that.
func (p *parser) mention(m mention) int {
	m.weight = p.weight
	id := p.known(m)
	if id >= 0 {
		old := &p.mentions[id]
		old.props = append(old.props, m.props...)
		if m.q.count > 0 && m.q.kind == reflectionflow.Exactly && old.q.kind == reflectionflow.Exactly && m.q.count != old.q.count && !m.q.each {
			p.notes = append(p.notes, "a contradiction: "+p.words(old.start, old.end)+", and "+p.words(m.start, m.end))
		}
	} else {
		p.mentions = append(p.mentions, m)
		id = len(p.mentions) - 1
		if m.side != "" {
			p.place(m.side, m.start, m.end, []int{id})
		}
	}
	if m.style != "" && m.q.kind != reflectionflow.Absent {
		p.addStyle(m.style, m.start, m.end)
	}
	for _, act := range m.acts {
		p.add(fact{kind: reflectionflow.Activity, subject: id, target: -1, second: -1, prop: property{value: act}, start: m.start, end: m.end})
	}
	if m.q.kind == reflectionflow.Absent {
		return id
	}
	if p.pendingPlace != "" {
		p.place(p.pendingPlace, p.pendingTokens[0], p.pendingTokens[1], []int{id})
		p.pendingPlace = ""
	}
	for _, f := range p.pendingFacts {
		f.subject = id
		p.add(f)
	}
	p.pendingFacts = nil
	p.started = true
	if p.head < 0 {
		p.head = id
	}
	return id
}

// known is the earlier mention that a noun phrase speaks of, -1 for none: "the dog" of a
// dog, with its color where there are several.
func (p *parser) known(m mention) int {
	if m.side != "" {
		return p.sided(m)
	}
	if !m.q.known && (!m.bare || !m.plural) || m.q.kind == reflectionflow.Absent {
		return -1
	}
	for i, old := range slices.Backward(p.mentions) {

		if old.noun != m.noun || old.dropped || old.q.kind == reflectionflow.Absent {
			continue
		}
		if differ(old.props, m.props) {
			continue
		}
		return i
	}
	return -1
}

// differ reports whether two phrases name different colors.
func differ(a, b []property) bool {
	for _, x := range a {
		for _, y := range b {
			if x.color && y.color && x.value != y.value {
				return true
			}
		}
	}
	return false
}
