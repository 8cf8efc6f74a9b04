package requirements

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// builder turns mentions and facts into requirements.
type builder struct {
	*parser
	list []reflectionflow.Requirement
}

// requirements are those of the prompt, in this order: objects with their colors and other
// properties, relations, places, activities, texts, what is absent, scene and style, and
// what was not read.
func (p *parser) requirements() []reflectionflow.Requirement {
	b := &builder{parser: p}
	b.objects()
	for _, kinds := range [][]reflectionflow.Kind{
		{reflectionflow.Attribute}, {reflectionflow.Position, reflectionflow.Interaction}, {reflectionflow.Place}, {reflectionflow.Activity}, {reflectionflow.Text},
	} {
		for _, f := range p.facts {
			if slices.Contains(kinds, f.kind) {
				b.fact(f)
			}
		}
	}
	b.absent()
	for _, kind := range []reflectionflow.Kind{reflectionflow.Scene, reflectionflow.Style} {
		for _, f := range p.facts {
			if f.kind == kind {
				b.append(reflectionflow.Requirement{Kind: kind, Value: f.prop.value, Weight: f.weight, Words: p.words(f.start, f.end)})
			}
		}
	}
	b.free()
	b.bound()
	return b.list
}

// append adds a valid requirement once.
func (b *builder) append(r reflectionflow.Requirement) {
	r.Object, r.Target, r.Second, r.Color, r.Relation = clip(r.Object), clip(r.Target), clip(r.Second), clip(r.Color), reflectionflow.Relation(clip(string(r.Relation)))
	if r.Validate() != nil {
		return
	}
	same := func(o reflectionflow.Requirement) bool {
		o.Words, o.Weight = r.Words, r.Weight
		return o == r
	}
	if !slices.ContainsFunc(b.list, same) {
		b.list = append(b.list, r)
	}
}

// wished reports whether a mention asks for objects.
func (p *parser) wished(id int) bool {
	return id >= 0 && !p.mentions[id].dropped && p.mentions[id].q.kind != reflectionflow.Absent
}

// objects adds how many objects of each noun there are, with the properties of each
// mention.
func (b *builder) objects() {
	for i, m := range b.mentions {
		if !b.wished(i) {
			continue
		}
		if b.first(m.noun) == i {
			b.count(m.noun)
		}
		for _, prop := range m.props {
			b.property(i, prop)
		}
	}
}

// first is the first mention of a noun.
func (p *parser) first(noun string) int {
	for i, m := range p.mentions {
		if m.noun == noun && p.wished(i) {
			return i
		}
	}
	return -1
}

// several reports whether there is more than one mention of a noun.
func (p *parser) several(noun string) bool {
	n := 0
	for i, m := range p.mentions {
		if m.noun == noun && p.wished(i) {
			n++
		}
	}
	return n > 1
}

// count adds the number of objects of a noun: the sum over its mentions, exact where all
// of them are.
func (b *builder) count(noun string) {
	total := reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: noun, Weight: reflectionflow.Should}
	var most []reflectionflow.Requirement
	b.countedTwice(noun)
	for i, m := range b.mentions {
		if m.noun != noun || !b.wished(i) {
			continue
		}
		if total.Words == "" {
			total.Words = b.words(m.start, m.end)
		}
		if m.weight == reflectionflow.Must {
			total.Weight = reflectionflow.Must
		}
		if m.q.cut {
			b.notes = append(b.notes, fmt.Sprintf("a requirement counts to %d: more is not asked of %s", reflectionflow.MaxCount, b.words(m.start, m.end)))
		}
		n := max(m.q.count, 1)
		switch m.q.kind {
		case reflectionflow.AtMost:
			most = append(most, reflectionflow.Requirement{Kind: reflectionflow.AtMost, Object: noun, Count: m.q.count, Weight: m.weight, Words: b.words(m.start, m.end)})
			continue
		case reflectionflow.Exactly:
		default:
			if m.q.count == 0 && m.plural {
				n = 2
			}
			total.Kind = reflectionflow.AtLeast
		}
		if m.q.most > 0 {
			most = append(most, reflectionflow.Requirement{Kind: reflectionflow.AtMost, Object: noun, Count: m.q.most, Weight: m.weight, Words: b.words(m.start, m.end)})
		}
		total.Count += n
	}
	if total.Count > reflectionflow.MaxCount {
		total.Kind, total.Count = reflectionflow.AtLeast, reflectionflow.MaxCount
	}
	if total.Count > 0 {
		b.append(total)
	}
	for _, r := range most {
		b.append(r)
	}
}

// countedTwice notes that a noun has two numbers, where nothing tells the objects of one
// from those of the other.
func (b *builder) countedTwice(noun string) {
	first := -1
	for i, m := range b.mentions {
		if m.noun != noun || !b.wished(i) || m.q.kind != reflectionflow.Exactly || len(m.props) > 0 || m.side != "" || b.described(i) {
			continue
		}
		if first >= 0 && b.mentions[first].q.count != m.q.count {
			old := b.mentions[first]
			b.notes = append(b.notes, fmt.Sprintf("a contradiction, unless these are different ones (they are added up): %s, and %s", b.words(old.start, old.end), b.words(m.start, m.end)))
			return
		}
		first = max(first, i)
	}
}

// described reports whether the prompt says something about a mention.
func (b *builder) described(id int) bool {
	return slices.ContainsFunc(b.facts, func(f fact) bool { return f.subject == id || f.target == id || f.second == id })
}

// property adds a color or another property of a mention. It is asked of as many objects
// as the mention has, of all where it names no number.
func (b *builder) property(id int, prop property) {
	m := b.mentions[id]
	r := reflectionflow.Requirement{
		Kind: reflectionflow.Attribute, Object: m.noun, Value: prop.value, Aspect: prop.aspect, Count: m.q.count, Weight: m.weight, Words: b.words(m.start, m.end),
	}
	if m.bare && m.plural || m.q.each || m.q.kind == reflectionflow.AtMost || m.q.kind == "" {
		r.Count = 0
	}
	if prop.count > 0 {
		r.Count = prop.count
	}
	if prop.weight == reflectionflow.Should {
		r.Weight = reflectionflow.Should
	}
	if prop.color {
		r.Kind, r.Color, r.Value, r.Aspect = reflectionflow.Color, prop.value, "", ""
	} else {
		r.Color = b.selector(id)
	}
	b.append(r)
}

// selector is the color that tells a mention from others of its noun, empty where there
// are no others.
func (b *builder) selector(id int) string {
	m := b.mentions[id]
	if !b.several(m.noun) {
		return ""
	}
	color := ""
	for _, prop := range m.props {
		if prop.color && prop.count == 0 {
			if color != "" {
				return ""
			}
			color = prop.value
		}
	}
	return color
}

// fact adds what the prompt says about a mention.
func (b *builder) fact(f fact) {
	for _, id := range []int{f.subject, f.target, f.second} {
		if id >= 0 && !b.wished(id) {
			for i := f.start; i < f.end; i++ {
				b.unread[i] = true
			}
			return
		}
	}
	start := f.start
	r := reflectionflow.Requirement{Kind: f.kind, Value: f.prop.value, Relation: reflectionflow.Relation(f.relation), Weight: f.weight}
	if f.subject >= 0 {
		m := b.mentions[f.subject]
		r.Object, r.Color = m.noun, cmp.Or(f.color, b.selector(f.subject))
		if m.start < start && b.sentenceOf(m.start, start) {
			start = m.start
		}
		switch f.kind {
		case reflectionflow.Attribute:
			r.Aspect = f.prop.aspect
			r.Count = cmp.Or(f.count, m.q.count)
		case reflectionflow.Position, reflectionflow.Interaction, reflectionflow.Place, reflectionflow.Activity:
			if r.Count = f.count; r.Count == 0 && f.color == "" && (m.q.count > 1 || r.Color == "" && b.several(m.noun)) && m.q.kind != reflectionflow.AtMost {
				r.Count = m.q.count
			}
		}
	}
	if f.target >= 0 {
		r.Target, r.TargetColor = b.mentions[f.target].noun, b.selector(f.target)
	}
	if f.second >= 0 {
		r.Second = b.mentions[f.second].noun
	}
	r.Words = b.words(start, f.end)
	if (f.kind == reflectionflow.Position || f.kind == reflectionflow.Interaction) && f.subject < 0 {
		for i := f.start; i < f.end; i++ {
			b.unread[i] = true
		}
		return
	}
	b.append(r)
}

func (b *builder) absent() {
	for _, m := range b.mentions {
		if m.q.kind != reflectionflow.Absent || m.dropped {
			continue
		}
		if m.owned && b.first(m.noun) >= 0 { // "a man with a beard and a man without a beard"
			for i := m.start; i < m.end; i++ {
				b.unread[i] = true
			}
			continue
		}
		r := reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: m.noun, Weight: m.weight, Words: b.words(m.start, m.end)}
		for _, prop := range m.props {
			if prop.color {
				r.Color = prop.value
				continue
			}
			r.Object = prop.value + " " + r.Object // "no wooden chairs": chairs are fine
		}
		b.append(r)
	}
}

// free adds what was not read, in the prompt's words. Fillers between unread words belong
// to them.
func (b *builder) free() {
	for i := 0; i < len(b.tokens); {
		if !b.unread[i] {
			i++
			continue
		}
		start, end := i, i+1
		for k := end; k < len(b.tokens) && b.kind(k) == word && k-start < 40; k++ {
			if b.unread[k] {
				end = k + 1
			} else if !fillers[b.word(k)] {
				break
			}
		}
		if end == start+1 && len(b.word(start)) <= 5 && b.kind(start-1) == word {
			start-- // "out" alone says nothing
		}
		words := b.words(start, end)
		b.append(reflectionflow.Requirement{Kind: reflectionflow.Free, Value: words, Words: words, Weight: b.weight})
		i = end
	}
}

// bound keeps as many requirements as a prompt may have, and says which it leaves out.
func (b *builder) bound() {
	if len(b.list) <= reflectionflow.MaxRequirements {
		return
	}
	var out []string
	for _, r := range b.list[reflectionflow.MaxRequirements:] {
		out = append(out, r.String())
	}
	b.notes = append(b.notes, fmt.Sprintf("more than %d requirements: %d are left out: %s", reflectionflow.MaxRequirements, len(out), clip(strings.Join(out, "; "))))
	b.list = b.list[:reflectionflow.MaxRequirements]
}
