package requirements

import (
	"strings"

	"reflectionflow"
)

// property is a color or another property of an object.
type property struct {
	color  bool
	value  string
	aspect reflectionflow.Aspect
	count  int // of how many objects of the mention; 0 for all
	weight reflectionflow.Weight
}

// mention is one group of equal objects that the prompt names.
type mention struct {
	noun       string // singular; empty for "a red one"
	plural     bool
	bare       bool // without a number or an article
	q          quantity
	props      []property
	acts       []string // what it does, where that stands before the noun
	style      string   // of the image, where that stands before the noun: "a cartoon dog"
	owned      bool     // of what is absent: it belongs to what was named, "a dog without a collar"
	start, end int      // its tokens
	weight     reflectionflow.Weight
	dropped    bool   // an open choice, kept in the prompt's words
	elliptic   bool   // "two red" of "two red and three blue balls": the next one goes with it
	side       string // "the left dog": the place that tells it from others
}

const (
	maxNounWords = 6
	maxProps     = 8
)

// noun reads a noun phrase at token i: "two big red cups". A phrase without a noun, such as
// "a red one", needs a number, an article or a property.
func (p *parser) noun(i int) (m mention, ok bool) {
	m = mention{start: i}
	m.q, i = p.quantity(i)
	m.bare = !m.q.named
	m.side, i = p.sideAt(i)
	if p.ellipsis(i, &m) {
		return m, true
	}
	i = p.properties(i, &m)
	if m.style, i = p.styledAt(i); m.style != "" {
		i = p.properties(i, &m)
	}
	first := i
	var words []string
	words, i = p.nounWords(i, &m)
	words = p.named(words, first)
	if len(words) == 0 {
		if words, i = p.adjectiveAsNoun(i); len(words) == 0 {
			return m, false
		}
	}
	for len(m.props) < maxProps { // "the moon visible in the sky"
		prop, next, ok := p.property(i)
		if !ok || isParticiple(p.word(next-1)) || nounsToo[p.word(i)] || isGerund(p.word(i)) || p.word(next) == "of" || p.nounable(next) || p.dividedAt(i) > 0 || p.word(next) == "than" {
			break
		}
		m.props, i = append(m.props, prop), next
	}
	m.end = i
	if last := len(words) - 1; words[last] == "one" || words[last] == "ones" {
		m.noun = ""
		return m, len(words) == 1
	}
	m.name(words)
	m.split()
	m.q, m.end = p.boundAfter(m.q, m.end)
	return m, true
}

// ellipsis reads "two red" of "two red and three blue balls": the noun is that of the last
// phrase.
func (p *parser) ellipsis(i int, m *mention) bool {
	if !m.q.named || m.q.count == 0 || p.ellipses >= maxProps {
		return false
	}
	var props []property
	for len(props) < maxProps {
		prop, next, ok := p.property(i)
		if !ok || nounsToo[p.word(i)] && m.q.count == 1 || p.compound(i) > 0 {
			break
		}
		props, i = append(props, prop), next
	}
	next := i
	if p.kind(next) == comma {
		next++
	}
	if p.word(next) == "and" {
		next++
	}
	if len(props) == 0 || next == i {
		return false
	}
	p.ellipses++
	last, ok := p.noun(next)
	p.ellipses--
	numbered := m.q.kind == reflectionflow.Exactly
	if !ok || last.noun == "" || len(last.props) == 0 || last.q.count == 0 || !last.q.named || numbered && last.q.kind == reflectionflow.AtLeast && last.q.most == 0 {
		return false
	}
	if p.kind(m.start-1) == comma && p.recent >= 0 && p.mentions[p.recent].q.count >= m.q.count+last.q.count {
		return false // "two dogs, one brown and one black cat"
	}
	m.elliptic = true
	m.noun, m.plural, m.props, m.end = last.noun, m.q.count > 1, props, i
	return true
}

// name sets the noun and its number.
func (m *mention) name(words []string) {
	last := len(words) - 1
	m.noun = strings.Join(words, " ")
	if classSet[m.noun] || synonyms[m.noun] != "" { // "skis" and "scissors" are no plurals of theirs
		m.noun, _ = canonical(m.noun)
	} else {
		spelled := words[last]
		words[last], m.plural = singular(spelled)
		m.noun = strings.Join(words, " ")
		if c, ok := canonical(m.noun); ok {
			m.noun = c
		} else if c, ok := canonical(strings.TrimSuffix(m.noun, "es")); ok && strings.HasSuffix(spelled, "sses") { // "wine glasses"
			m.noun, m.plural = c, true
		}
	}
	switch {
	case m.q.kind != "" || m.q.each:
	case m.plural:
		m.q.kind, m.q.count = reflectionflow.AtLeast, 2
	default:
		m.q.kind, m.q.count = reflectionflow.AtLeast, 1
	}
	if strings.Contains(m.noun, "s' ") && m.q.count > 1 { // "two dogs' bowls": of two dogs
		m.q = quantity{kind: reflectionflow.AtLeast, count: 1, named: true}
		if m.plural {
			m.q.count = 2
		}
	}
	if m.q.pair && pairsOfOne[m.noun] {
		m.q.kind, m.q.count = reflectionflow.AtLeast, 1 // "a pair of scissors"
	}
}

// properties reads the adjectives before a noun. It stops before the word that must be the
// noun itself.
func (p *parser) properties(i int, m *mention) int {
	for len(m.props)+len(m.acts) < maxProps {
		if p.compound(i) > 0 {
			return i
		}
		at := i
		if len(m.props) > 0 && (p.kind(at) == comma || p.word(at) == "and") {
			if p.kind(at) == comma && m.bare && p.started && p.segmentStart && m.start == p.pos {
				return i // "solo, long hair": a list of tags
			}
			if p.word(at) == "" && p.word(at+1) == "and" {
				at++
			}
			at++ // "big, red dog"; "black and white cat"
		}
		prop, next, ok := p.property(at)
		if !ok || !p.nounFollows(next) || !prop.color && nounsToo[p.word(at)] && p.word(next) == "and" {
			if !p.gerundAdjective(i, m) {
				return i
			}
			m.acts = append(m.acts, p.word(i))
			i++
			continue
		}
		if last := len(m.props) - 1; at > i && prop.color && m.props[last].color {
			switch joins := p.kind(i) == comma; {
			case joins && p.word(at-1) != "and":
				m.props[last].value += ", " + prop.value
			default:
				m.props[last].value += " and " + prop.value
			}
		} else {
			m.props = append(m.props, prop)
		}
		i = next
	}
	return i
}

// gerundAdjective reports whether a word is one such as "running" in "a running dog".
func (p *parser) gerundAdjective(i int, m *mention) bool {
	opens := !m.bare && !m.q.each || len(m.props) > 0
	if before := p.word(i - 1); before == "with" || before == "of" || spatialsBy[before] != nil || prepositionsBy[before] != nil {
		opens = true // "with flying cars"
	}
	return opens && isGerund(p.word(i)) && p.nounFollows(i+1)
}

// nounFollows reports whether a noun, or more properties and a noun, may follow at i. The
// answer is kept: a word may be asked about from every word before it.
func (p *parser) nounFollows(i int) bool {
	if i >= len(p.tokens) {
		return false
	}
	if p.follows == nil {
		p.follows = make([]int8, len(p.tokens))
	}
	if p.follows[i] == 0 {
		p.follows[i] = -1
		if p.nounFollowsAt(i) {
			p.follows[i] = 1
		}
	}
	return p.follows[i] > 0
}

func (p *parser) nounFollowsAt(i int) bool {
	w := p.word(i)
	switch {
	case p.compound(i) > 0:
		return true
	case intensifiers[w]:
		return p.nounFollows(i + 1)
	case p.kind(i) == comma || w == "and":
		return p.isProperty(i+1) && p.nounFollows(i+1)
	case p.isProperty(i):
		return p.nounFollows(i+1) || nounsToo[w]
	case strings.HasSuffix(w, "ly") && p.isProperty(i+1):
		return p.nounFollows(i + 1)
	}
	return p.nounable(i)
}

func (p *parser) isProperty(i int) bool { _, _, ok := p.property(i); return ok }

var notAdjectives = set("olive hive five archive table vegetable collectible fish radish goldfish jellyfish starfish swordfish crayfish polish dish bottle octopus hippopotamus locomotive walrus cactus mouse rouge relish mouthful handful spoonful native adhesive detective executive representative musical convertible parish varnish blackish")

// nounable reports whether the word at i may be part of a noun.
func (p *parser) nounable(i int) bool {
	w := p.word(i)
	if w == "" || ends[w] || strings.ContainsRune(w, ':') || copulas[w] || pronouns[w] || intensifiers[w] && p.isProperty(i) {
		return false
	}
	switch next := p.word(i + 1); {
	case next == "than" && !p.pluralAt(i) && (p.word(i-1) != "more" && p.word(i-1) != "less" || p.isProperty(i)), (w == "left" || w == "right") && (next == "of" || next == "from"):
		return false
	}
	if _, _, isNumber := p.number(i); isNumber && w != "one" {
		return false
	}
	return true
}

// pluralAt reports whether the plural at i is one of "more dogs than cats".
func (p *parser) pluralAt(i int) bool {
	_, plural := singular(p.word(i))
	return plural
}

// compound is the number of words of a noun of several words at i, in the singular or the
// plural; 0 for none.
func (p *parser) compound(i int) int {
	best := 0
	for _, c := range compoundsBy[p.word(i)] {
		if n := len(c); n > best && p.matches(i, c) {
			best = n
		}
	}
	return best
}

func (p *parser) matches(i int, words []string) bool {
	for k, w := range words {
		have := p.word(i + k)
		if have == w {
			continue
		}
		if s, plural := singular(have); k < len(words)-1 || !plural || s != w {
			return false
		}
	}
	return true
}

// compoundsBy are the nouns of several words, by their first.
var compoundsBy = func() map[string][][]string {
	m := make(map[string][][]string)
	add := func(phrase string) {
		if words := strings.Fields(phrase); len(words) > 1 {
			m[words[0]] = append(m[words[0]], words)
		}
	}
	for _, c := range compounds {
		add(c)
	}
	for _, c := range classes {
		add(c)
	}
	for s := range synonyms {
		add(s)
	}
	return m
}()

// nounWords reads the words of a noun: up to a word that must be something else.
func (p *parser) nounWords(i int, m *mention) (words []string, next int) {
	for len(words) < maxNounWords {
		if n := p.compound(i); n > 0 {
			for range n {
				words, i = append(words, p.spelled(i)), i+1
			}
			continue
		}
		w := p.word(i)
		if !p.nounable(i) || len(words) > 0 && p.endsNoun(i, words, m) {
			break
		}
		if len(words) == 0 && (strings.HasSuffix(w, "ly") && p.nounable(i+1) && isParticiple(p.word(i+1)) || isGerund(w) && m.bare && len(m.props) == 0) {
			break
		}
		if len(words) == 0 && p.isProperty(i) && !nounsToo[w] && !p.nounFollows(i+1) {
			break // "big" of "the dog is big"
		}
		words, i = append(words, p.spelled(i)), i+1
	}
	return words, i
}

// endsNoun reports whether the word at i, after words of a noun, is not one of it: a verb,
// or a property after the noun.
func (p *parser) endsNoun(i int, words []string, m *mention) bool {
	w := p.word(i)
	switch {
	case p.doingAt(i), isParticiple(w) && !p.nounFollows(i+1), isParticiple(w) && p.participlePhrase(i):
		return true
	case p.isProperty(i) && !p.nounFollows(i+1) && !nounsToo[w] && !p.name1(i):
		return true
	case strings.HasSuffix(w, "ly") && len(w) > 4 && (isParticiple(p.word(i+1)) || isGerund(p.word(i+1))):
		return true
	case w == "-" || styleTail[w]:
		return w == "-"
	}
	if gerundOf[w] == "" || p.word(i+1) == "of" {
		return false
	}
	// "the dog watches a bird", "two dogs sit": a verb is followed by something else than
	// a noun.
	_, plural := singular(words[len(words)-1])
	third := strings.HasSuffix(w, "s")
	if third == plural && !m.q.each {
		return false
	}
	return !p.nounable(i+1) || p.isProperty(i+1) || particles[p.word(i+1)] || strings.HasSuffix(p.word(i+1), "ly") || p.bareObject(i+1)
}

// bareObject reports whether a common object is named at i without an article.
func (p *parser) bareObject(i int) bool {
	s, _ := singular(p.word(i))
	return nouns[s] || classSet[s]
}

// participlePhrase reports whether a participle at i is followed by its preposition, as in
// "covered with snow".
func (p *parser) participlePhrase(i int) bool {
	switch p.word(i + 1) {
	case "by", "with", "in", "on", "of", "from", "at", "to", "into", "next", "behind", "under", "above", "near", "inside", "beside", "against", "between":
		return true
	}
	return false
}

var styleTail = set("style")

// adjectiveAsNoun makes an object of the last property: "an orange", "a glass".
func (p *parser) adjectiveAsNoun(i int) ([]string, int) {
	w := p.word(i)
	if s, _ := singular(w); nounsToo[w] || nounsToo[s] {
		return []string{w}, i + 1
	}
	return nil, i
}

// spelled is the word at i as a noun: proper names keep their capitals.
func (p *parser) spelled(i int) string {
	t := p.tokens[i]
	first := i == 0 || p.tokens[i-1].kind == stop
	if t.upper && !p.shouting && (!first || p.kind(i+1) == word && p.tokens[i+1].upper) {
		if _, common := canonical(t.text); !common {
			return p.text[t.start:t.end]
		}
	}
	return t.text
}
