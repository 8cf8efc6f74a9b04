package requirements

import (
	"strings"

	"reflectionflow"
)

// particles follow a verb and belong to it.
var particles = set("up down away back together forward backward backwards high low upside still apart open")

// verb reads what a mention does: "riding a horse", "sits on a sofa", "covered with snow".
func (p *parser) verb() bool {
	if p.near < 0 && p.recent < 0 {
		return false
	}
	start, i := p.pos, p.pos
	for strings.HasSuffix(p.word(i), "ly") && len(p.word(i)) > 4 {
		i++
	}
	w := p.word(i)
	doing := ""
	switch {
	case p.doingAt(i):
		doing = w
	case w == "full" && p.word(i+1) == "of", isParticiple(w) && (adjectives[w] == "" && !p.nounFollows(i+1) || p.participlePhrase(i)):
		return p.participle(start, i)
	case gerundOf[w] != "" && p.word(i+1) != "of" && (!p.nounable(i+1) || p.bareObject(i+1) || p.isProperty(i+1) || particles[p.word(i+1)] || strings.HasSuffix(p.word(i+1), "ly")):
		doing = gerundOf[w]
	default:
		return false
	}
	if p.near < 0 {
		p.near = p.recent
	}
	p.near = p.actor(p.near, doing)
	adverbs := strings.Join(p.plain(start, i), " ")
	i++
	for particles[p.word(i)] || strings.HasSuffix(p.word(i), "ly") && len(p.word(i)) > 4 && !p.nounFollows(i+1) {
		if p.word(i) == "upside" && p.word(i+1) == "down" {
			i++
			doing += " upside"
		}
		doing += " " + p.word(i)
		i++
	}
	if adverbs != "" {
		doing = adverbs + " " + doing
	}
	return p.does(doing, start, i)
}

// actor is who does something after a place: the frog in "a frog sitting on a leaf playing a
// guitar", where what was named last is what the owner of the clause sits on.
func (p *parser) actor(near int, doing string) int {
	owner := p.owner
	if owner < 0 || near == owner || near != p.recent || !alive(p.mentions[owner].noun) || alive(p.mentions[near].noun) || !p.wished(owner) {
		return near
	}
	active := possessions[doing] || handling[doing]
	placed := false
	for _, f := range p.facts {
		if f.subject != owner {
			continue
		}
		active = active || f.kind == reflectionflow.Activity
		placed = placed || f.target == near && f.kind == reflectionflow.Position
	}
	if !placed || !active || passive[doing] {
		return near
	}
	p.group = []int{owner}
	return owner
}

// handling are activities of somebody with something in hand.
var handling = set("eating drinking reading writing juggling balancing petting feeding pouring cooking painting drawing knitting typing watching looking talking speaking singing laughing smiling crying waving shouting combing brushing")

// passive are activities of things.
var passive = set("overlooking facing covering surrounding leading glowing burning floating flowing blooming hanging growing rising reflecting showing displaying depicting containing blinking shining")

// does records an activity with what follows it at i.
func (p *parser) does(doing string, start, i int) bool {
	first, _, _ := strings.Cut(doing, " ")
	if end := p.mannerAt(i); end > 0 {
		return p.acts(doing+" "+strings.Join(p.plain(i, end), " "), start, end)
	}
	if p.phrase(i, "each other") > 0 || p.phrase(i, "one another") > 0 {
		return p.mutually(doing, start, i+2)
	}
	relation, next := p.spatialAt(i)
	preposition, afterPreposition := p.relationAt(i)
	_, _, _, isPlace := p.placeAt(i)
	goes := next > 0 && (p.word(i) == "over" || p.word(i) == "near" && false) && !staysOver[first]
	switch {
	case isPlace, p.sceneFollows(i):
		return p.acts(doing, start, i)
	case next > 0 && !goes:
		if relation == reflectionflow.On && !postures[first] && p.word(i) == "on" {
			break
		}
		return p.acts(doing, start, i)
	case preposition == "on" || preposition == "in":
		return p.acts(doing, start, i)
	case goes || afterPreposition > 0 || p.word(i) == "with":
		if p.phrase(afterPreposition, "each other") > 0 || p.phrase(i, "with each other") > 0 || p.phrase(i, "with one another") > 0 {
			end := max(p.phrase(i, "with each other"), p.phrase(i, "with one another"), p.phrase(afterPreposition, "each other"))
			return p.mutually(doing+" "+strings.Join(p.plain(i, end-2), " "), start, end)
		}
		end := max(afterPreposition, i+1)
		if id, after, ok := p.target(end); ok {
			p.pos = after
			p.relate(fact{
				kind: reflectionflow.Interaction, target: id, second: -1,
				relation: doing + " " + strings.Join(p.plain(i, end), " "), start: start, end: after,
			})
			return true
		}
		return p.acts(doing, start, i)
	}
	return p.doesTo(doing, start, i)
}

// manners say how somebody does something.
var manners = byFirst(list(`on its side, on his side, on her side, on their sides, on its back, on his back, on her back, on their backs, on its hind legs, on its head, on one leg,
on all fours, hand in hand, arm in arm, side to side, in mid-air, in midair, in the air, into the air, through the air, on the phone, on the telephone`))

// mannerAt is the token after such words at i, or after "to fly" and a number at the end of
// a clause; 0 for none.
func (p *parser) mannerAt(i int) int {
	for _, m := range manners[p.word(i)] {
		if end := p.phrase(i, m); end > 0 && !p.nounable(end) {
			return end
		}
	}
	if p.word(i) == "to" && gerundOf[p.word(i+1)] != "" && p.clauseEnds(i+2) {
		return i + 2
	}
	if _, next, ok := p.number(i); ok && p.clauseEnds(next) { // "a die showing six"
		return next
	}
	if numbersOnly(p.word(i)) && p.clauseEnds(i+1) { // "a clock showing 3:15"
		return i + 1
	}
	return 0
}

// doesTo records what is done to the object at i, if there is one.
func (p *parser) doesTo(doing string, start, i int) bool {
	m, ok := p.noun(i)
	if !ok || m.noun == "" || p.kind(i) != word {
		return p.acts(doing, start, i)
	}
	if head := m.noun[strings.LastIndexByte(m.noun, ' ')+1:]; m.bare && !m.plural && len(m.props) == 0 && !nouns[head] && !classSet[m.noun] && narrower[head] == "" && !possessions[doing] {
		p.acts(doing+" "+strings.Join(p.plain(i, m.end), " "), start, m.end) // "playing chess"
		return true
	}
	if m.bare && m.noun == "hand" && len(m.props) == 0 { // "shaking hands"
		return p.acts(doing+" hands", start, m.end)
	}
	id, after, ok := p.target(i)
	if !ok {
		return p.acts(doing, start, i)
	}
	p.pos = after
	p.relate(fact{kind: reflectionflow.Interaction, target: id, second: -1, relation: doing, start: start, end: after})
	return true
}

// staysOver are verbs with which "over" is a place and no direction.
var staysOver = set("hanging hovering floating placed mounted suspended")

// sceneFollows reports whether a scene is named at i: "walking on the beach".
func (p *parser) sceneFollows(i int) bool {
	switch p.word(i) {
	case "in", "on", "at", "during", "under":
	default:
		return false
	}
	m, ok := p.noun(i + 1)
	return ok && m.noun != "" && scenes[m.noun[strings.LastIndexByte(m.noun, ' ')+1:]] && p.word(i) != "under"
}

// acts records an activity of the mentions that the verb is about. A bare activity after
// "a man and a woman" is one of both.
func (p *parser) acts(doing string, start, end int) bool {
	first, _, _ := strings.Cut(doing, " ")
	p.pos = start
	subjects := p.subjects(p.near)
	if len(subjects) == 1 && len(p.group) == 2 && p.group[1] == p.near && p.word(p.mentions[p.near].start-1) == "and" && p.mentions[p.near].end == start {
		subjects = p.group
	}
	p.pos = end
	p.joined, p.shares = false, nil
	if placements[first] || doing == "being" || doing == "using" {
		return true
	}
	for _, s := range subjects {
		p.add(fact{kind: reflectionflow.Activity, subject: s, target: -1, second: -1, prop: property{value: doing}, start: start, end: end})
	}
	p.recent = p.near
	return true
}

// mutually records what two mentions do to each other, or the objects of one.
func (p *parser) mutually(doing string, start, end int) bool {
	p.pos = end
	if n := len(p.group); n >= 2 {
		p.add(fact{kind: reflectionflow.Interaction, subject: p.group[n-2], target: p.group[n-1], second: -1, relation: strings.TrimSpace(doing), start: start, end: end})
		return true
	}
	p.add(fact{kind: reflectionflow.Activity, subject: p.near, target: -1, second: -1, prop: property{value: strings.TrimSpace(doing) + " each other"}, start: start, end: end})
	return true
}

// participle reads "covered with snow", "made of wood", "parked on a street", "painted
// red".
func (p *parser) participle(start, i int) bool {
	if p.near < 0 {
		p.near = p.recent
	}
	w := p.word(i)
	next := i + 1
	if g := pastOf[w]; g != "" { // "chased the cat"
		if q, _ := p.quantity(next); q.named || p.bareObject(next) {
			return p.doesTo(g, start, next)
		}
	}
	for particles[p.word(next)] {
		next++
	}
	done := strings.Join(p.plain(start, next), " ")
	relation, spatialNext := p.spatialAt(next)
	preposition, after := p.relationAt(next)
	if preposition == "" && p.word(next) == "with" {
		preposition, after = "with", next+1
	}
	if p.word(next) == "of" {
		preposition, after = "of", next+1
	}
	switch {
	case w == "made" && (preposition == "of" || preposition == "from" || preposition == "out of" || preposition == "with"):
		if p.phrase(after, "of") > 0 {
			after++
		}
		return p.material(start, after)
	case (w == "dressed" || w == "clad") && preposition == "in" || w == "dressed" && preposition == "as":
		if id, end, ok := p.target(after); ok && preposition == "in" {
			p.pos = end
			p.relate(fact{kind: reflectionflow.Interaction, target: id, second: -1, relation: "wearing", start: start, end: end})
			return true
		}
	case spatialNext > 0, preposition == "on", preposition == "in" && w != "covered" && w != "wrapped":
		_ = relation
		return p.state(done, w, start, next)
	case preposition != "":
		if id, end, ok := p.target(after); ok {
			p.pos = end
			p.relate(fact{kind: reflectionflow.Interaction, target: id, second: -1, relation: done + " " + preposition, start: start, end: end})
			return true
		}
	}
	if prop, end, ok := p.property(next); ok && prop.color { // "painted red"
		p.own(prop)
		p.pos = end
		return true
	}
	return p.state(done, w, start, next)
}

// state records a participle as a property, unless it only says that the object is there.
func (p *parser) state(done, w string, start, end int) bool {
	p.pos = end
	if !placements[w] {
		kind := fact{kind: reflectionflow.Attribute, subject: p.near, target: -1, second: -1, prop: property{value: done, aspect: reflectionflow.State}, start: start, end: end}
		if postures[w] {
			kind.kind, kind.prop.aspect = reflectionflow.Activity, ""
		}
		p.add(kind)
	}
	p.recent = p.near
	return true
}

// material reads what follows "made of".
func (p *parser) material(start, i int) bool {
	m, ok := p.noun(i)
	if !ok || m.noun == "" {
		if adjectives[p.word(i)] != reflectionflow.Material {
			p.pos = i
			p.unread[start] = true
			return true
		}
		m = mention{noun: p.word(i), start: i, end: i + 1}
	}
	value := materials[m.noun]
	if value == "" || len(m.props) > 0 {
		value = "made of " + p.words(i, m.end)
	}
	p.pos = m.end
	p.add(fact{kind: reflectionflow.Attribute, subject: p.near, target: -1, second: -1, prop: property{value: value, aspect: reflectionflow.Material}, start: start, end: m.end})
	return true
}

// own adds a property to what the clause is about.
func (p *parser) own(props ...property) {
	subjects := []int{p.near}
	if len(p.group) > 1 && p.plural() {
		subjects = p.group
	}
	for _, s := range subjects {
		p.mentions[s].props = append(p.mentions[s].props, props...)
	}
}

// copula reads "is red", "are both wooden", "that is old"; what else follows is read by
// the other rules.
func (p *parser) copula() bool {
	i := p.pos
	if relatives[p.word(i)] {
		i++
		if p.recent >= 0 {
			p.near = p.recent
		}
	}
	if !copulas[p.word(i)] || p.near < 0 {
		if i > p.pos && p.near >= 0 {
			p.pos = i
			return true
		}
		return false
	}
	if (p.word(i+1) == "not" || strings.HasSuffix(p.word(i), "n't")) && !p.boundAt(i+1) {
		return p.refused(p.pos)
	}
	i++
	for w := p.word(i); w == "both" || w == "all" || w == "also" || w == "each"; w = p.word(i) {
		i++
	}
	p.pos = i
	p.joined = false
	var props []property
	for {
		if len(props) > 0 && p.word(i) == "and" {
			i++
		}
		prop, next, ok := p.property(i)
		if !ok || isGerund(p.word(i)) || nounsToo[p.word(i)] && !prop.color && p.nounable(next) || p.participlePhrase(i) && isParticiple(p.word(i)) {
			break
		}
		props = append(props, prop)
		i = next
		p.pos = i
	}
	if len(props) > 0 {
		p.own(props...)
		return true
	}
	// "the animal is a dog" says what something is: nothing here can check that.
	if w := p.word(i); w == "a" || w == "an" {
		if m, ok := p.noun(i); ok {
			for k := i; k < m.end; k++ {
				p.unread[k] = true
			}
			p.pos = m.end
		}
	}
	return true
}

// divisions are what follows a verb of dividing.
var divisions = list("in half, in halves, in two, in pieces, in quarters, in slices, into halves, in two halves, in two pieces, in two parts, into two halves, into two pieces, into two parts, into two, into pieces, into quarters, into slices, into cubes, to pieces")

// dividing are participles of verbs that make parts of an object.
var dividing = set("cut sliced split broken torn chopped divided halved folded ripped sawn snapped carved diced")

// dividedAt is the token after "cut in half" at i, 0 where that is not there.
func (p *parser) dividedAt(i int) int {
	if !dividing[p.word(i)] {
		return 0
	}
	for _, d := range divisions {
		if next := p.phrase(i+1, d); next > 0 && !p.nounable(next) {
			return next
		}
	}
	return 0
}

// divided reads "cut in half": a state of what the clause is about.
func (p *parser) divided() bool {
	next := p.dividedAt(p.pos)
	if next == 0 || p.near < 0 {
		return false
	}
	return p.state(strings.Join(p.plain(p.pos, next), " "), p.word(p.pos), p.pos, next)
}
