package requirements

import (
	"slices"
	"strings"

	"reflectionflow"
)

// sides are the words of places in the image.
var sides = pairs(`left left, right right, left-hand left, right-hand right, lefthand left, righthand right, leftmost left, rightmost right,
top top, upper top, bottom bottom, lower bottom, center center, centre center, middle center, central center,
top-left@top left, upper-left@top left, top-right@top right, upper-right@top right, bottom-left@bottom left, lower-left@bottom left,
bottom-right@bottom right, lower-right@bottom right, background background, foreground foreground, distance background`)

// sideNouns follow the words of a place.
var sideNouns = set("side corner part half edge area third quarter portion section hand region")

// placeAt is the place in the image that the words at i name, and the token after them.
// Of is set where "of" and something else than the image follow: then the place is one
// next to that.
func (p *parser) placeAt(i int) (value string, next int, of, ok bool) {
	prepositions := 0
	switch p.word(i) {
	case "in", "on", "at", "to", "toward", "towards", "near", "from", "along":
		i++
		prepositions++
	}
	article := false
	for w := p.word(i); w == "the" || w == "its" || w == "far" || w == "very" || w == "extreme" || w == "dead" || w == "exact"; w = p.word(i) {
		article = article || w == "the"
		i++
	}
	var found []string
	for len(found) < 2 {
		side, is := sides[p.word(i)]
		if !is {
			break
		}
		found = append(found, strings.Fields(side)...)
		i++
	}
	noun := false
	for sideNouns[p.word(i)] {
		noun = true
		i++
	}
	if len(found) == 0 || prepositions == 0 && !noun && len(found) < 2 {
		return "", 0, false, false
	}
	value = strings.Join(found, " ")
	if len(found) == 2 && (found[0] == "left" || found[0] == "right") {
		value = found[1] + " " + found[0]
	}
	if !isPlace(value) {
		return "", 0, false, false
	}
	if w := p.word(i); w == "of" || w == "in" {
		if end := p.imageWord(i + 1); end > 0 {
			return value, end, false, true
		}
		of = w == "of"
	}
	if !of && p.nounable(i) && !article && prepositions > 0 { // "on top shelf"
		return "", 0, false, false
	}
	return value, i, of, true
}

func isPlace(value string) bool {
	return slices.Contains(reflectionflow.Places(), value)
}

// placePhrase reads "in the top left corner".
func (p *parser) placePhrase() bool {
	value, next, of, ok := p.placeAt(p.pos)
	if !ok || of {
		return false
	}
	if p.nounable(next) && !p.segmentStart && !p.verbAt(next) { // "on the right track"
		return false
	}
	start := p.pos
	p.pos = next
	if value == "top" && next == start+2 && p.word(start) == "on" && p.beside(value, start, next) {
		return true // "with a plant on top"
	}
	if w := p.word(start + 1); (w == "its" || w == "his" || w == "her" || w == "their") && p.beside(value, start, next) {
		return true
	}
	p.placed(value, start, next)
	return true
}

// beside reads "with a horse on its left": a place next to what the sentence is about.
func (p *parser) beside(value string, start, end int) bool {
	relation, ok := map[string]reflectionflow.Relation{
		"left": reflectionflow.LeftOf, "right": reflectionflow.RightOf, "top": reflectionflow.On, "bottom": reflectionflow.Under, "background": reflectionflow.Behind, "foreground": reflectionflow.InFrontOf,
	}[value]
	if !ok || p.head < 0 || p.recent < 0 || p.recent == p.head {
		return false
	}
	p.add(fact{kind: reflectionflow.Position, subject: p.recent, target: p.head, second: -1, relation: string(relation), start: start, end: end})
	return true
}

// verbAt reports whether a verb follows at i: "on the left stands a dog".
func (p *parser) verbAt(i int) bool { return gerundOf[p.word(i)] != "" || isGerund(p.word(i)) }

// placed records a place: of the next mention where it begins a segment and something
// follows, else of the nearest.
func (p *parser) placed(value string, start, end int) {
	for p.word(p.pos) == "of" || p.word(p.pos) == "there" || p.segmentStart && copulas[p.word(p.pos)] {
		p.pos++
	}
	if p.segmentStart || p.near < 0 {
		at := p.pos
		if p.kind(at) == comma {
			at++
		}
		if m, ok := p.noun(at); (ok && m.noun != "") || p.verbAt(at) {
			p.pendingPlace, p.pendingTokens = value, [2]int{start, end}
			if p.verbAt(at) && !ok { // "on the left stands a dog": the verb asks for nothing more
				at++
			}
			p.pos = at
			p.joined = p.joined && len(p.group) > 0
			return
		}
	}
	if p.near < 0 {
		p.near = p.recent
	}
	if p.near < 0 {
		p.pendingPlace, p.pendingTokens = value, [2]int{start, end}
		return
	}
	if p.via == "with" && p.recent >= 0 && p.mentions[p.recent].end == start { // "with mountains in the background"
		p.place(value, start, end, []int{p.recent})
		return
	}
	p.place(value, start, end, p.subjects(p.near))
}

// place records the place of mentions.
func (p *parser) place(value string, start, end int, subjects []int) {
	for _, s := range subjects {
		if s < 0 {
			for i := start; i < end; i++ {
				p.unread[i] = true
			}
			continue
		}
		p.add(fact{kind: reflectionflow.Place, subject: s, target: -1, second: -1, prop: property{value: value}, start: start, end: end})
	}
}

// sideAt reads "left" of "the left dog" and "the left one" at i.
func (p *parser) sideAt(i int) (side string, next int) {
	side, next = sides[p.word(i)], i+1
	if p.word(i-1) != "the" || side == "" {
		return "", i
	}
	if w := p.word(next); w == "one" || w == "ones" {
		return side, next
	}
	if side != "left" && side != "right" || !p.nounable(next) || sideNouns[p.word(next)] || copulas[p.word(next)] {
		return "", i
	}
	k := next
	for p.isProperty(k) && p.nounFollows(k+1) {
		k++
	}
	if noun, _ := singular(p.word(k)); bodyParts[noun] || !nouns[noun] && !classSet[noun] && narrower[noun] == "" && synonyms[noun] == "" {
		return "", i
	}
	return side, next
}

// bodyParts have a left and a right one wherever they are in the image.
var bodyParts = set("hand arm leg foot eye ear wing paw shoulder knee cheek thumb sleeve shoe glove boot sock wheel")

// sided is the mention that "the left dog" speaks of, -1 for none so far. Of several named
// at once none can be told.
func (p *parser) sided(m mention) int {
	for _, f := range p.facts {
		if f.kind == reflectionflow.Place && f.prop.value == m.side && f.subject >= 0 && p.mentions[f.subject].noun == m.noun {
			return f.subject
		}
	}
	return -1
}
