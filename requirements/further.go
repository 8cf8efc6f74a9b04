package requirements

import (
	"strings"

	"reflectionflow"
)

// throughout lets what was done to an object go on to another: "giving a flower to a girl"
// is about who gives it.
func (p *parser) throughout(f *fact) {
	if len(p.facts) == 0 {
		return
	}
	last := p.facts[len(p.facts)-1]
	if last.kind != reflectionflow.Interaction || last.target != p.near || last.target != p.recent || possessions[last.relation] || !isGerund(last.relation) || p.mentions[last.target].end != f.start {
		return
	}
	switch f.relation {
	case "at":
	case "to", "into", "onto", "through", "towards", "toward", "from", "for":
		f.relation = last.relation + " " + p.mentions[last.target].noun + " " + f.relation
	default:
		return
	}
	p.near = last.subject
}

// decade reads "in his forties".
func (p *parser) decade(start, i int) bool {
	if !definite[p.word(i)] {
		return false
	}
	i++
	if w := p.word(i); w == "early" || w == "mid" || w == "late" {
		i++
	}
	w := strings.TrimPrefix(p.word(i), "mid-")
	if stem, ok := strings.CutSuffix(w, "ies"); !ok || numbers[stem+"y"] < 20 || p.near < 0 {
		return false
	}
	p.pos = i + 1
	p.add(fact{kind: reflectionflow.Attribute, subject: p.near, target: -1, second: -1, prop: property{value: strings.ToLower(p.words(start, i+1)), aspect: reflectionflow.State}, start: start, end: i + 1})
	return true
}

// author reads "by Van Gogh".
func (p *parser) author(start, i int) bool {
	end := i
	for end < len(p.tokens) && p.kind(end) == word && p.tokens[end].upper && !p.shouting {
		if w := p.word(end); w == "lake" || w == "river" {
			return false
		}
		end++
	}
	if end == i {
		return false
	}
	p.pos = end
	p.addFact(reflectionflow.Style, p.words(start, end), start, end, reflectionflow.Must)
	return true
}
