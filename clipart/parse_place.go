package clipart

import (
	"slices"
	"strings"

	"reflectionflow"
)

// placing is a mention with its place in the image.
type placing struct {
	mention int
	at      token
}

// place reads a place such as "on the left". It belongs to the object just before, or, at the
// start of a clause, to the object after it.
func (p *parser) place(i int, t token) error {
	if p.caption {
		return p.drop(i, t)
	}
	if p.pending.number >= 0 && p.pending.color == "" && len(p.mentions) > 0 {
		return parseErrorf(Unsupported, t, "%q for one of several equal objects cannot be checked: give them different colors", t.text)
	}
	if next, _ := p.meaningAfter(i); next.begins() && p.clauseStart(i) {
		if err := p.drop(i, t); err != nil {
			return err
		}
		if p.ahead.text != "" {
			return placeWithoutObject(p.ahead)
		}
		p.ahead = t
		return nil
	}
	if err := p.drop(i, t); err != nil {
		return err
	}
	if p.last < 0 {
		return placeWithoutObject(t)
	}
	return p.putAt(p.last, t)
}

// clauseStart reports whether token i follows nothing, a conjunction or the end of a sentence.
func (p *parser) clauseStart(i int) bool {
	for i--; i >= 0; i-- {
		switch p.tokens[i].entry.meaning {
		case asGlue, asPraise, asIndefinite:
			continue
		case asConjunction, asStop, asNear:
			return true
		}
		return false
	}
	return true
}

// putAt records the place of a mention.
func (p *parser) putAt(mention int, t token) error {
	m := p.mentions[mention]
	switch {
	case m.absent:
		return parseErrorf(Unsupported, t, "%q needs an object that is there, not \"no %s\"", t.text, m.class)
	case t.entry.value == "middle":
		return parseErrorf(Unsupported, t, "%q cannot be checked: only left, right, top and bottom can", t.text)
	}
	p.places = append(p.places, placing{mention, t})
	return nil
}

func placeWithoutObject(t token) error {
	return parseErrorf(MissingObject, t, "no object for the place %q: name one, for example \"a dog on the left and a cat on the right\"", t.text)
}

// opposites are the places of which one object each makes a relation.
var opposites = [...]struct {
	first, second string
	relation      reflectionflow.Relation
}{
	{"left", "right", reflectionflow.LeftOf},
	{"top", "bottom", reflectionflow.Above},
}

// placeClaims turns places into positions: an object at the left is left of every object at the
// right. A scene has two columns and two rows, so that with an object in each the places follow
// from the relations. A place without an opposite one has no relation, and is an error.
func (p *parser) placeClaims() error {
	for _, o := range opposites {
		var first, second []placing
		for _, l := range p.places {
			for side := range strings.FieldsSeq(l.at.entry.value) {
				switch side {
				case o.first:
					first = append(first, l)
				case o.second:
					second = append(second, l)
				}
			}
		}
		if len(first)+len(second) > 0 && (len(first) == 0 || len(second) == 0) {
			l := append(first, second...)[0]
			m := p.mentions[l.mention]
			missing := o.second
			if len(first) == 0 {
				missing = o.first
			}
			return parseErrorf(Unsupported, l.at, "%q can only be checked against another object: put one at the %s, or say for example %q",
				l.at.text, missing, article(m.class)+" "+relationAt(l, o.first, o.relation)+" a "+otherThan(m.class))
		}
		for _, a := range first {
			for _, b := range second {
				if a.mention < b.mention {
					p.claims = append(p.claims, claim{b.at, a.mention, b.mention, o.relation})
				} else {
					p.claims = append(p.claims, claim{a.at, b.mention, a.mention, opposite(o.relation)})
				}
			}
		}
	}
	return nil
}

func relationAt(l placing, first string, relation reflectionflow.Relation) string {
	if slices.Contains(strings.Fields(l.at.entry.value), first) {
		return string(relation)
	}
	return string(opposite(relation))
}

// otherThan is a class for examples.
func otherThan(class string) string {
	if class == "cat" {
		return "dog"
	}
	return "cat"
}

// onBackdrop reports whether the noun phrase after token i ends in "background".
func (p *parser) onBackdrop(i int) bool {
	for i++; i < len(p.tokens); i++ {
		switch m := p.tokens[i].entry.meaning; {
		case m == asBackdrop:
			return true
		case m != asHue && m != asIndefinite && m != asDefinite && m != asPraise:
			return false
		}
	}
	return false
}

// backdrop reads "background". Every scene has a plain one; its color cannot be required.
func (p *parser) backdrop(t token) error {
	q := p.pending
	switch {
	case q.relation != "":
		return parseErrorf(Unsupported, t, "a position needs an object, not the background")
	case !p.caption && (q.color != "" || q.negative || q.number >= 0):
		return parseErrorf(Unsupported, t, "the background cannot be chosen, it is always plain: leave %q out", strings.TrimSpace(q.color+" "+t.text))
	}
	p.pending = nothing
	return nil
}
