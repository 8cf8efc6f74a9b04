package requirements

import (
	"slices"
	"strings"

	"reflectionflow"
)

// spatials are the phrases of spatial relations, longer ones first.
var spatials = []struct {
	words    string
	relation reflectionflow.Relation
}{
	{"on the left hand side of", reflectionflow.LeftOf},
	{"on the right hand side of", reflectionflow.RightOf},
	{"on the left-hand side of", reflectionflow.LeftOf},
	{"on the right-hand side of", reflectionflow.RightOf},
	{"on the left side of", reflectionflow.LeftOf},
	{"on the right side of", reflectionflow.RightOf},
	{"to the left side of", reflectionflow.LeftOf},
	{"to the right side of", reflectionflow.RightOf},
	{"to the left of", reflectionflow.LeftOf},
	{"to the right of", reflectionflow.RightOf},
	{"on the left of", reflectionflow.LeftOf},
	{"on the right of", reflectionflow.RightOf},
	{"at the left of", reflectionflow.LeftOf},
	{"at the right of", reflectionflow.RightOf},
	{"left of", reflectionflow.LeftOf},
	{"right of", reflectionflow.RightOf},
	{"left from", reflectionflow.LeftOf},
	{"right from", reflectionflow.RightOf},
	{"on top of", reflectionflow.On},
	{"on the top of", reflectionflow.On},
	{"atop", reflectionflow.On},
	{"upon", reflectionflow.On},
	{"in front of", reflectionflow.InFrontOf},
	{"in the front of", reflectionflow.InFrontOf},
	{"in back of", reflectionflow.Behind},
	{"behind", reflectionflow.Behind},
	{"next to", reflectionflow.NextTo},
	{"beside", reflectionflow.NextTo},
	{"near to", reflectionflow.NextTo},
	{"close to", reflectionflow.NextTo},
	{"adjacent to", reflectionflow.NextTo},
	{"near", reflectionflow.NextTo},
	{"alongside", reflectionflow.NextTo},
	{"by the side of", reflectionflow.NextTo},
	{"at the side of", reflectionflow.NextTo},
	{"right next to", reflectionflow.NextTo},
	{"inside of", reflectionflow.Inside},
	{"inside", reflectionflow.Inside},
	{"within", reflectionflow.Inside},
	{"underneath", reflectionflow.Under},
	{"beneath", reflectionflow.Under},
	{"under", reflectionflow.Under},
	{"below", reflectionflow.Below},
	{"above", reflectionflow.Above},
	{"over the top of", reflectionflow.Above},
	{"over", reflectionflow.Above},
	{"between", reflectionflow.Between},
	{"in between", reflectionflow.Between},
}

// spatialsBy are the spatial phrases by their first word.
var spatialsBy = func() map[string][]int {
	m := make(map[string][]int)
	for i, s := range spatials {
		first, _, _ := strings.Cut(s.words, " ")
		m[first] = append(m[first], i)
	}
	return m
}()

// spatialAt is the spatial relation at token i, and the token after its words.
func (p *parser) spatialAt(i int) (reflectionflow.Relation, int) {
	if w := p.word(i); intensifiers[w] || w == "directly" || w == "just" || w == "right" && p.word(i+1) != "of" && p.word(i+1) != "from" {
		i++
	}
	for _, k := range spatialsBy[p.word(i)] {
		if next := p.phrase(i, spatials[k].words); next > 0 {
			return spatials[k].relation, next
		}
	}
	return "", 0
}

// spatial reads a spatial relation with its target.
func (p *parser) spatial() bool {
	relation, next := p.spatialAt(p.pos)
	if next == 0 {
		return false
	}
	start := p.pos
	if p.onIt(reflectionflow.Position, string(relation), next) {
		return true
	}
	target, after, ok := p.target(next)
	if !ok && p.within(relation, start, next) {
		return true
	}
	if !ok {
		return p.pictureSide(relation, start, next)
	}
	second := -1
	if relation == reflectionflow.Between {
		if p.word(after) == "and" {
			second, after, ok = p.target(after + 1)
		}
		if second < 0 || !ok { // "between two trees"
			second = target
		}
	}
	p.pos = after
	p.relate(fact{
		kind: reflectionflow.Position, target: target, second: second, relation: string(relation), start: start, end: after,
	})
	return true
}

// within reads "a cube with a ball inside": the relation of what was named last to what has
// it.
func (p *parser) within(relation reflectionflow.Relation, start, next int) bool {
	if p.via != "with" || p.near < 0 || p.recent < 0 || p.near == p.recent || p.mentions[p.recent].end != start || !p.clauseEnds(next) {
		return false
	}
	p.pos = next
	p.add(fact{kind: reflectionflow.Position, subject: p.recent, target: p.near, second: -1, relation: string(relation), start: start, end: next})
	return true
}

// onIt reads "on it" after "a street with cars": the relation of what was named last to
// what has it.
func (p *parser) onIt(kind reflectionflow.Kind, relation string, next int) bool {
	if w := p.word(next); w != "it" && w != "them" {
		return false
	}
	if p.absentList && p.word(p.pos-1) == p.tokens[p.mentions[len(p.mentions)-1].end-1].text { // "no cows in it"
		p.pos = next + 1
		return true
	}
	if p.near < 0 || p.recent < 0 || p.near == p.recent || p.mentions[p.recent].end != p.pos {
		return false
	}
	p.add(fact{kind: kind, subject: p.recent, target: p.near, second: -1, relation: relation, start: p.pos, end: next + 1})
	p.pos = next + 1
	return true
}

// pictureSide reads "on the left of the image", which is a place.
func (p *parser) pictureSide(relation reflectionflow.Relation, start, next int) bool {
	end := p.imageWord(next)
	value := map[reflectionflow.Relation]string{reflectionflow.LeftOf: "left", reflectionflow.RightOf: "right", reflectionflow.On: "top", reflectionflow.InFrontOf: "foreground"}[relation]
	if end == 0 || value == "" {
		return false
	}
	p.pos = end
	p.placed(value, start, end)
	return true
}

// imageWord is the token after "the image", 0 where that is not at i.
func (p *parser) imageWord(i int) int {
	if definite[p.word(i)] || p.word(i) == "an" || p.word(i) == "a" || p.word(i) == "one" {
		i++
	}
	switch p.word(i) {
	case "image", "picture", "photo", "photograph", "frame", "scene", "canvas", "screen", "composition", "shot", "painting":
		return i + 1
	}
	return 0
}

// target reads the noun phrase or the pronoun that a relation refers to.
func (p *parser) target(i int) (id, next int, ok bool) {
	if p.word(i) == "each" && p.word(i+1) == "other" {
		return -1, i, false
	}
	if p.imageWord(i) > 0 && !p.nounable(p.imageWord(i)) && (definite[p.word(i)] || p.word(i) == "one") {
		return -1, i, false
	}
	if id := p.antecedent(p.word(i)); id >= 0 {
		return id, i + 1, true
	}
	m, ok := p.noun(i)
	if !ok || m.noun == "" || m.q.kind == reflectionflow.Absent {
		return -1, i, false
	}
	before := p.pos
	place, facts := p.pendingPlace, p.pendingFacts
	p.pendingPlace, p.pendingFacts = "", nil // a target is not what they wait for
	p.pos = m.end
	m, rest := p.of(m)
	id = p.mention(m)
	rest(id)
	next, p.pos = p.pos, before
	p.pendingPlace, p.pendingFacts = place, facts
	return id, next, true
}

// relate records a relation between what the clause is about and a target. At the start of
// a sentence it waits for the mention that follows.
func (p *parser) relate(f fact) {
	subject := p.near
	if f.kind == reflectionflow.Interaction && f.relation == "with" && p.recent >= 0 && !p.segmentStart {
		subject = p.recent
	}
	if f.target == subject && f.second < 0 {
		subject = p.otherThan(subject)
	}
	p.recent, p.joined, p.shares, p.via = f.target, false, nil, f.relation
	if subject < 0 {
		p.pendingFacts = append(p.pendingFacts, f)
		return
	}
	for _, s := range p.subjects(subject) {
		f.subject = s
		p.add(f)
	}
	if possessions[f.relation] {
		p.near = subject
		shared := p.facts[len(p.facts)-1]
		p.shares = &shared
		return
	}
	p.near, p.group = f.target, []int{f.target}
	if f.second >= 0 {
		p.near = subject
	}
}

// otherThan is the mention before one that a relation cannot be about, -1 for none.
func (p *parser) otherThan(id int) int {
	for i, v := range slices.Backward(p.mentions) {
		if i != id && !v.dropped && v.q.kind != reflectionflow.Absent {
			return i
		}
	}
	return -1
}

// subjects are the mentions that a plural verb speaks of: the whole group where it stands
// after one, else the nearest.
func (p *parser) subjects(nearest int) []int {
	if len(p.group) > 1 && p.plural() && slices.Contains(p.group, nearest) {
		return p.group
	}
	k := slices.Index(p.group, nearest)
	first := k
	for first > 0 && p.mentions[p.group[first-1]].elliptic { // "two red and three blue balls on a table"
		first--
	}
	if first < k {
		return p.group[first : k+1]
	}
	return []int{nearest}
}

// plural reports whether the words before the position speak of several mentions: "are",
// "both", "all".
func (p *parser) plural() bool {
	for i := p.pos - 1; i >= 0 && i > p.mentions[p.group[len(p.group)-1]].end-1 && i > p.pos-8; i-- {
		switch p.word(i) {
		case "are", "were", "both", "all", "each":
			return true
		}
	}
	return false
}

// pairs of one another.
var mutual = []struct {
	words    string
	relation reflectionflow.Relation
}{
	{"next to each other", reflectionflow.NextTo},
	{"next to one another", reflectionflow.NextTo},
	{"side by side", reflectionflow.NextTo},
	{"beside each other", reflectionflow.NextTo},
	{"close to each other", reflectionflow.NextTo},
	{"near each other", reflectionflow.NextTo},
	{"on top of each other", reflectionflow.On},
	{"behind each other", reflectionflow.Behind},
	{"in front of each other", reflectionflow.InFrontOf},
}

// pairRelation reads "side by side": a relation between the two mentions of the group, or
// among the objects of one.
func (p *parser) pairRelation() bool {
	if spatialsBy[p.word(p.pos)] == nil && p.word(p.pos) != "side" {
		return false
	}
	for _, m := range mutual {
		next := p.phrase(p.pos, m.words)
		if next == 0 || p.near < 0 {
			continue
		}
		start := p.pos
		p.pos = next
		if n := len(p.group); n >= 2 {
			p.add(fact{kind: reflectionflow.Position, subject: p.group[n-2], target: p.group[n-1], second: -1, relation: string(m.relation), start: start, end: next})
		} else {
			p.add(fact{kind: reflectionflow.Position, subject: p.near, target: p.near, second: -1, relation: string(m.relation), start: start, end: next})
		}
		return true
	}
	return false
}

// with reads "with a hat" and "has a hat".
func (p *parser) with() bool {
	start, next := p.pos, 0
	switch p.word(start) {
	case "with", "has", "have", "having", "featuring", "containing", "includes", "including", "plus":
		next = start + 1
	default:
		return false
	}
	if p.word(start) == "with" && p.inColors(start) {
		return true
	}
	if p.word(next) == "both" {
		next++
	}
	if end, value, ok := p.stylePhrase(next); ok && len(p.mentions) > 0 {
		p.pos = end
		p.addStyle(value, start, end)
		return true
	}
	target, after, ok := p.target(next)
	if !ok {
		return false
	}
	p.pos = after
	if p.near < 0 {
		p.near, p.recent, p.group, p.joined = target, target, []int{target}, false
		return true
	}
	p.relate(fact{kind: reflectionflow.Interaction, target: target, second: -1, relation: "with", start: start, end: after})
	return true
}

// prepositions make a relation of their own, where no rule for a place or a scene took
// them.
var prepositions = list(`in the middle of, in the center of, in the centre of, at the edge of, on the edge of, at the top of, at the bottom of, at the foot of,
at the end of, at the back of, at the base of, on the back of, on the side of, across from, out of, in the corner of, on either side of, on both sides of,
away from, along with, in the shape of, in the form of, the size of, the shape of, in, on, at, against, around, across, through, along, among, amid, amidst, amongst, from, into, onto, toward, towards, off, opposite, past, for, to, down, up, throughout, outside, beyond, by, via, about, like, after, as`)

// relationAt is the longest preposition at i, and the token after it; 0 for none.
func (p *parser) relationAt(i int) (string, int) {
	best, end := "", 0
	for _, w := range prepositionsBy[p.word(i)] {
		if next := p.phrase(i, w); next > end {
			best, end = w, next
		}
	}
	return best, end
}

var prepositionsBy = byFirst(prepositions)

// comparison reads "bigger than a dog", "more colorful than" and "as tall as".
func (p *parser) comparison() bool {
	i := p.pos
	if q, _ := p.quantity(i); q.named { // "and fewer than four dogs"
		return false
	}
	switch w := p.word(i); {
	case (w == "more" || w == "less") && p.word(i+2) == "than":
		i += 3
	case w == "as" && p.word(i+2) == "as":
		i += 3
	case len(w) > 3 && strings.HasSuffix(w, "er") && p.word(i+1) == "than":
		i += 2
	default:
		return false
	}
	if p.near < 0 {
		return false
	}
	start := p.pos
	target, after, ok := p.target(i)
	if !ok {
		return false
	}
	p.pos = after
	p.relate(fact{
		kind: reflectionflow.Interaction, target: target, second: -1, relation: strings.Join(p.plain(start, i), " "), start: start, end: after,
	})
	return true
}

// preposition reads "in a box", "on a table", "around a fire".
func (p *parser) preposition() bool {
	relation, next := p.relationAt(p.pos)
	if next == 0 || p.near < 0 && !slices.Contains([]string{"in", "on", "at"}, relation) {
		return false
	}
	start := p.pos
	if _, _, isRange := p.span(start); isRange { // "from three to five"
		return false
	}
	if _, _, number := p.approximate(start); number && !p.segmentStart && p.word(start-1) == "and" || number && p.segmentStart { // "and about ten trees"
		return false
	}
	for _, d := range divisions {
		if end := p.phrase(start, d); end > 0 && !p.nounable(end) && p.near >= 0 { // "cutting a sandwich in half"
			p.pos = end
			p.add(fact{kind: reflectionflow.Attribute, subject: p.near, target: -1, second: -1, prop: property{value: d, aspect: reflectionflow.State}, start: start, end: end})
			return true
		}
	}
	for _, arrangement := range arrangements {
		if end := p.phrase(start, arrangement); end > 0 && p.word(end) != "of" && p.near >= 0 {
			p.pos = end
			p.add(fact{kind: reflectionflow.Attribute, subject: p.near, target: -1, second: -1, prop: property{value: arrangement}, start: start, end: end})
			return true
		}
	}
	if place := map[string]reflectionflow.Relation{"in": reflectionflow.Inside, "on": reflectionflow.On}[relation]; place != "" && p.onIt(reflectionflow.Position, string(place), next) {
		return true
	}
	if relation == "in" && p.decade(start, next) || relation == "by" && p.author(start, next) {
		return true
	}
	target, after, ok := p.target(next)
	if !ok {
		return false
	}
	p.pos = after
	f := fact{kind: reflectionflow.Interaction, target: target, second: -1, relation: relation, start: start, end: after}
	p.throughout(&f)
	head := p.mentions[target].noun[strings.LastIndexByte(p.mentions[target].noun, ' ')+1:]
	switch relation {
	case "in":
		f.kind, f.relation = reflectionflow.Position, string(reflectionflow.Inside)
		if s, _ := singular(head); clothes[head] || clothes[s] {
			f.kind, f.relation = reflectionflow.Interaction, "wearing"
		}
	case "on", "onto":
		f.kind, f.relation = reflectionflow.Position, string(reflectionflow.On)
	case "by":
		f.kind, f.relation = reflectionflow.Position, string(reflectionflow.NextTo)
	}
	p.relate(f)
	return true
}
