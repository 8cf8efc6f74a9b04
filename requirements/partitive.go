package requirements

import (
	"slices"
	"strings"

	"reflectionflow"
)

// some are the objects of one mention that a part of the prompt speaks of: "two of them",
// "one on the left". Of says which mention, -1 for none.
type some struct{ of, count int }

// partitive reads the number of "two dogs, one sleeping and one running", "three birds, one
// on the left and two on the right" and "five people, two of them wearing hats": what
// follows speaks of so many of them.
func (p *parser) partitive() bool {
	start := p.pos
	if w := p.word(start); ends[w] || w == "a" || w == "an" || !p.segmentStart && p.word(start-1) != "and" {
		return false
	}
	q, i := p.quantity(start)
	if q.count < 1 || !q.named || q.each || q.kind == reflectionflow.Absent {
		return false
	}
	of := i
	for _, s := range []string{"of them", "of which", "of whom", "of these", "of those", "of the ones"} {
		of = p.phraseOr(i, s, of)
	}
	whole := p.whole(start, q.count)
	if whole < 0 {
		return p.another(q, i)
	}
	copula := copulas[p.word(of)]
	if copula {
		of++
	}
	prop, next, colored := p.property(of)
	switch {
	case copula && (!colored || !p.clauseEnds(next)) && !p.partFollows(of):
		return false
	case colored && (of > i || prop.color && p.partColored(whole)) && p.clauseEnds(next):
		prop.count, prop.weight = q.count, p.weight
		p.mentions[whole].props = append(p.mentions[whole].props, prop)
		p.pos, p.recent = next, whole
		return true
	case of == i && !p.partFollows(i):
		return false
	}
	p.part1 = some{whole, q.count}
	p.near, p.recent, p.group, p.joined = whole, whole, []int{whole}, false
	p.pos = of
	return true
}

// another reads "a cat on the left and one on the right": one more of what was named last.
func (p *parser) another(q quantity, i int) bool {
	_, _, of, place := p.placeAt(i)
	if !place || of || p.recent < 0 || !p.wished(p.recent) || p.mentions[p.recent].q.count != 1 || p.word(p.pos-1) != "and" {
		return false
	}
	start := p.pos
	p.pos = i
	p.name(mention{noun: p.mentions[p.recent].noun, plural: q.count > 1, q: q, start: start, end: i})
	return true
}

// whole is the mention of several objects that a number at token i may speak of a part of,
// -1 for none.
func (p *parser) whole(i, count int) int {
	if p.part1.of >= 0 && p.part1.count > 0 && p.sentenceOf(p.mentions[p.part1.of].start, i) {
		return p.part1.of
	}
	for id := range slices.Backward(p.mentions) {
		m := p.mentions[id]
		if !p.sentenceOf(m.start, i) {
			break
		}
		if p.wished(id) && (m.plural || m.q.count > 1) && (m.q.kind != reflectionflow.Exactly || m.q.count >= count) {
			return id
		}
	}
	return -1
}

// partColored reports whether a number of the objects of a mention have a color.
func (p *parser) partColored(id int) bool {
	return slices.ContainsFunc(p.mentions[id].props, func(x property) bool { return x.color && x.count > 0 })
}

// partFollows reports whether what follows a number at i says something of so many objects
// that were named before, and names no others.
func (p *parser) partFollows(i int) bool {
	_, _, of, place := p.placeAt(i)
	_, spatial := p.spatialAt(i)
	switch w := p.word(i); {
	case place && !of, spatial > 0, w == "wearing", w == "with":
		return true
	case (w == "in" || w == "on" || w == "at") && !p.imagesOnly(i):
		return true
	}
	return p.verbFollows(i)
}

func (p *parser) imagesOnly(i int) bool { return p.imageWord(i+1) > 0 }

// verbFollows reports whether a verb in "-ing" at i is one, and no adjective of a noun.
func (p *parser) verbFollows(i int) bool {
	w := p.word(i)
	if !isGerund(w) {
		return false
	}
	return p.clauseEnds(i+1) || ends[p.word(i+1)] || strings.HasSuffix(p.word(i+1), "ly") || possessions[w] || handling[w]
}

// ordinal leaves "the second one is green" unread: which object is meant cannot be said.
func (p *parser) ordinal() bool {
	start := p.pos
	if p.word(start) != "the" || !ordinals[p.word(start+1)] || !p.segmentStart {
		return false
	}
	i := start + 2
	if w := p.word(i); w == "one" || w == "ones" {
		i++
	} else if m, ok := p.noun(i); ok && p.known(m) >= 0 || ok && p.whole(start, 1) >= 0 && p.mentions[p.whole(start, 1)].noun == m.noun {
		i = m.end
	} else if !copulas[w] && !p.verbAt(i) && !p.clauseEnds(i+1) {
		return false
	}
	return p.clauseUnread(start, i)
}

var ordinals = set("first second third fourth fifth sixth last other others rest middle remaining next")

// most leaves "half of the apples are green" unread, besides that there are apples.
func (p *parser) most() bool {
	start := p.pos
	if p.word(start) == "half" && p.halfDozen(start) == 0 && (p.word(start+1) == "a" || p.word(start+1) == "an") {
		m, ok := p.noun(start + 1)
		if !ok || m.noun == "" || m.noun == "dozen" {
			return false
		}
		p.pos = m.end
		p.name(m)
		for i := start; i < m.end; i++ { // of the object it is known that it is there
			p.unread[i] = true
		}
		return true
	}
	for _, s := range []string{"half of", "most of", "the majority of", "the rest of", "some of", "a third of", "a quarter of", "many of", "all but one of"} {
		i := p.phrase(start, s)
		if i == 0 {
			continue
		}
		if w := p.word(i); w == "them" || w == "which" {
			return p.clauseUnread(start, i+1)
		}
		if !definite[p.word(i)] {
			return false
		}
		m, ok := p.noun(i)
		if !ok || m.noun == "" {
			return false
		}
		p.pos = m.end
		p.name(m)
		return p.clauseUnread(start, p.pos)
	}
	return false
}

// clauseUnread leaves tokens from start to the end of the clause at i unread.
func (p *parser) clauseUnread(start, i int) bool {
	for p.kind(i) == word && p.word(i) != "and" && p.word(i) != "but" {
		i++
	}
	for k := start; k < i; k++ {
		p.unread[k] = true
	}
	p.pos = i
	return true
}

// endPart ends what is said about a part.
func (p *parser) endPart() { p.part1.count = 0 }

// noneOf reads "none of them red": there is no red one. Something else than a color stays in
// the prompt's words.
func (p *parser) noneOf() bool {
	start := p.pos
	for _, s := range []string{"none of them", "none of which", "none of these", "none of those", "none", "neither of them", "neither of which", "neither"} {
		i := p.phrase(start, s)
		if i == 0 {
			continue
		}
		if copulas[p.word(i)] {
			i++
		}
		id := p.whole(start, 1)
		prop, next, ok := p.property(i)
		if !ok || !prop.color || id < 0 || !p.clauseEnds(next) {
			return false
		}
		p.pos = next
		p.mention(mention{
			noun: p.mentions[id].noun, q: quantity{kind: reflectionflow.Absent, named: true}, props: []property{prop}, start: start, end: next,
		})
		return true
	}
	return false
}
