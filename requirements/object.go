package requirements

import (
	"slices"
	"strings"

	"reflectionflow"
)

// object reads a noun phrase that no other rule has taken.
func (p *parser) object() bool {
	m, ok := p.noun(p.pos)
	if !ok {
		return p.loneProperties()
	}
	if m.side != "" && p.sideOfSeveral(m) {
		return true
	}
	if m.noun == "" && m.side != "" && p.recent >= 0 { // "the right one"
		m.noun, m.q.kind, m.q.count = p.mentions[p.recent].noun, reflectionflow.AtLeast, 1
	}
	if m.noun == "" && p.others(p.recent, m.q, m.props) { // "a red apple and a green one"
		m.noun = p.mentions[p.recent].noun
	}
	if m.noun == "" {
		return p.part(m)
	}
	head := m.noun[strings.LastIndexByte(m.noun, ' ')+1:]
	previous := p.word(p.pos - 1)
	name := p.tokens[m.start].upper && !p.shouting && (m.end > m.start+1 || m.start > 0 && p.kind(m.start-1) != stop)
	says := p.segmentStart && (copulas[p.word(m.end)] || p.verbAt(m.end))
	known := name || says || p.shares != nil || !m.bare || m.plural || len(m.props) > 0 || len(p.mentions) == 0 || nouns[head] || classSet[m.noun] || narrower[head] != "" || clothes[head] || living[head] || scenes[head] ||
		previous == "and" || previous == "of"
	if !known || m.bare && m.end == m.start+1 && fillers[p.word(m.start)] {
		return false
	}
	p.pos = m.end
	if head == "scene" && head != m.noun && len(m.props) == 0 && (p.clauseEnds(m.end) || p.word(m.end) != "of") { // "a street scene"
		p.scene(m.start, m.end, m.start)
		return true
	}
	if m.bare && !m.plural && times[m.noun] && len(p.mentions) > 0 { // "foggy morning"
		p.scene(m.start, m.end, m.start)
		return true
	}
	p.name(m)
	return true
}

// name records a noun phrase that a clause is about, and what it holds: "a bowl of apples".
func (p *parser) name(m mention) {
	shared := p.shares
	joins := p.joined
	m, rest := p.of(m)
	before := len(p.mentions)
	id := p.mention(m)
	if id < before && m.q.known && p.kind(m.start-1) == comma { // ", the cats are asleep"
		joins = false
	}
	if shared != nil && joins && p.clauseEnds(p.pos) && m.q.kind != reflectionflow.Absent && (m.bare || shared.relation != "with") {
		f := *shared // "holding a cup and a book"
		f.target, f.end = id, m.end
		p.add(f)
		p.recent, p.joined = id, false
		return
	}
	p.shares = nil
	if joins {
		p.group = append(p.group, id)
	} else {
		p.group = []int{id}
	}
	p.near, p.recent, p.owner, p.joined = id, id, id, false
	rest(id)
}

// uneven are properties of what is said of several objects: "of different sizes".
var uneven = set("different various varying equal same similar identical all")

// sameInPlural are animals whose plural is the singular: "a herd of sheep".
var sameInPlural = set("sheep fish deer moose bison salmon trout shrimp squid cattle")

// clauseEnds reports whether nothing more is said about what ends at i.
func (p *parser) clauseEnds(i int) bool {
	return p.kind(i) == comma || p.kind(i) == stop || p.word(i) == "and"
}

// of reads what follows a noun phrase after "of", at the position: contents, a group, a
// measure. Rest records what cannot be recorded before the mention has a number.
func (p *parser) of(m mention) (mention, func(id int)) {
	nothing := func(int) {}
	if p.word(p.pos) != "of" {
		return m, nothing
	}
	inner, ok := p.noun(p.pos + 1)
	if !ok || inner.noun == "" {
		return m, nothing
	}
	head := m.noun[strings.LastIndexByte(m.noun, ' ')+1:]
	arrangement, isGroup := groups[head]
	p.pos = inner.end
	switch {
	case isGroup && (inner.plural || inner.bare && sameInPlural[inner.noun]):
		if inner.bare {
			inner.q = quantity{kind: reflectionflow.AtLeast, count: 3}
			if m.q.kind == reflectionflow.Exactly && head == "dozen" {
				inner.q = quantity{kind: reflectionflow.Exactly, count: 12 * m.q.count}
			}
		}
		if arrangement != "" {
			inner.props = append(inner.props, property{value: arrangement})
		}
		inner.start = m.start
		return inner, nothing
	case len(inner.props) > 0 && uneven[inner.props[0].value]: // "of different heights"
		m.props = append(m.props, property{value: strings.ToLower(p.words(m.end, inner.end))})
		m.end = inner.end
		return m, nothing
	case measures[head]:
		if inner.bare {
			inner.q, inner.bare = m.q, false
		}
		inner.props = append(m.props, inner.props...)
		if head == "slice" || head == "piece" {
			inner.noun = head + " of " + inner.noun
		}
		inner.start = m.start
		return inner, nothing
	case containers[head]:
		return m, func(id int) {
			held := p.mention(inner)
			p.add(fact{kind: reflectionflow.Position, subject: held, target: id, second: -1, relation: string(reflectionflow.Inside), start: m.start, end: inner.end})
		}
	case inner.bare && len(inner.props) == 0: // "a field of flowers", "the statue of liberty"
		name := p.words(m.end-1, inner.end)
		if !p.tokens[m.end-1].upper {
			name = strings.ToLower(name)
		}
		m.noun = m.noun[:len(m.noun)-len(head)] + name
		m.end = inner.end
		return m, nothing
	}
	return m, func(id int) {
		part := p.mention(inner)
		p.add(fact{kind: reflectionflow.Interaction, subject: id, target: part, second: -1, relation: "of", start: m.start, end: inner.end})
	}
}

// part reads "one black and one white" after "two dogs": colors of some of them.
func (p *parser) part(m mention) bool {
	if p.recent < 0 || len(m.props) == 0 {
		return false
	}
	p.pos = m.end
	for _, prop := range m.props {
		prop.count, prop.weight = m.q.count, p.weight
		p.mentions[p.recent].props = append(p.mentions[p.recent].props, prop)
	}
	return true
}

// others reports whether a phrase without a noun speaks of other objects than a mention:
// of more than that has, or of another color than all of those.
func (p *parser) others(id int, q quantity, props []property) bool {
	if id < 0 || !p.wished(id) || q.known || q.count == 0 {
		return false
	}
	m := p.mentions[id]
	all := slices.DeleteFunc(slices.Clone(m.props), func(prop property) bool { return prop.count > 0 })
	another := m.q.count == 1 && len(m.props) > 0 && len(props) > 0 && p.word(p.pos-1) == "and" // "a big dog and a small one"
	return another || differ(all, props) || m.q.kind == reflectionflow.Exactly && q.count > m.q.count
}

// sideOfSeveral reads "the left one brown" after "two dogs": a color of one of them, and
// where that is. Of another property than a color, which one has it stays in the prompt's
// words.
func (p *parser) sideOfSeveral(m mention) bool {
	if p.recent < 0 {
		return false
	}
	several := &p.mentions[p.recent]
	if several.q.count < 2 || m.noun != "" && m.noun != several.noun || several.q.kind == reflectionflow.Absent {
		return false
	}
	props, i := m.props, m.end
	if copulas[p.word(i)] {
		i++
	}
	if prop, next, ok := p.property(i); ok && p.clauseEnds(next) {
		props, i = append(props, prop), next
	}
	if len(props) == 0 {
		return false
	}
	color := ""
	for _, prop := range props {
		prop.count, prop.weight = 1, p.weight
		several.props = append(several.props, prop)
		if prop.color {
			color = prop.value
		}
	}
	p.pos = i
	if color != "" && isPlace(m.side) {
		p.add(fact{kind: reflectionflow.Place, subject: p.recent, target: -1, second: -1, prop: property{value: m.side}, color: color, start: m.start, end: i})
		return true
	}
	for k := m.start; k < i; k++ {
		p.unread[k] = true
	}
	return true
}

// loneProperties reads properties without a noun, of what was named last: "one black" or
// ", fluffy and white".
func (p *parser) loneProperties() bool {
	q, i := p.quantity(p.pos)
	prop, next, ok := p.property(i)
	id := p.recent
	if p.segmentStart && p.near >= 0 && !q.named { // ", half-eaten" speaks of what the clause is about
		id = p.near
	}
	if !ok || id < 0 || !p.segmentStart && !q.named || !p.clauseEnds(next) {
		return false
	}
	if p.others(id, q, []property{prop}) { // "two red cups and three blue"
		start := p.pos
		p.pos = next
		p.name(mention{noun: p.mentions[id].noun, plural: q.count > 1, q: q, props: []property{prop}, start: start, end: next})
		return true
	}
	if q.kind == reflectionflow.Exactly || q.kind == reflectionflow.AtLeast {
		prop.count = q.count
	}
	prop.weight = p.weight
	p.mentions[id].props = append(p.mentions[id].props, prop)
	p.pos = next
	return true
}

// pronoun reads "it", "they" and "both": the next phrase speaks of what was named before.
func (p *parser) pronoun() bool {
	w := p.word(p.pos)
	if w == "both" || w == "all" || w == "each" {
		return p.everyone(w)
	}
	id := p.antecedent(w)
	if id < 0 {
		return false
	}
	p.pos++
	if p.near < 0 || w != "one" {
		p.near, p.recent, p.group = id, id, []int{id}
	}
	return true
}

// antecedent is the mention that a pronoun stands for: the last one of its number that is
// not what the clause is about. It is -1 for no pronoun and for none.
func (p *parser) antecedent(pronoun string) int {
	if !pronouns[pronoun] {
		return -1
	}
	several := pronoun == "they" || pronoun == "them"
	best := -1
	for i, m := range slices.Backward(p.mentions) {

		if !p.wished(i) || (m.q.count > 1 || m.plural) != several {
			continue
		}
		if i != p.near && i != p.recent || p.near < 0 {
			return i
		}
		if best < 0 {
			best = i
		}
	}
	if best < 0 {
		best = p.recent
	}
	return best
}

// everyone reads "both" and "all" before what several mentions do.
func (p *parser) everyone(w string) bool {
	var all []int
	for i := range p.mentions {
		if p.wished(i) {
			all = append(all, i)
		}
	}
	if n := len(all); w == "both" && n > 2 {
		all = all[n-2:]
	}
	if len(all) == 0 {
		return false
	}
	if last := p.mentions[all[len(all)-1]]; w == "both" && last.q.count == 2 || len(all) == 1 {
		all = all[len(all)-1:] // "two dogs, both ..."
	}
	p.pos++
	p.group, p.near, p.recent, p.joined = all, all[len(all)-1], all[len(all)-1], false
	if prop, next, ok := p.property(p.pos); ok && p.clauseEnds(next) { // "both brown"
		for _, id := range all {
			p.mentions[id].props = append(p.mentions[id].props, prop)
		}
		p.pos = next
	}
	return true
}
