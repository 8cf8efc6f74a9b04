package clipart

import "reflectionflow"

// begin marks the start of a noun phrase.
func (p *parser) begin(t token) {
	// An article says less than the word after it.
	if !p.pending.started || p.pending.at.entry.meaning == asIndefinite {
		p.pending.at, p.pending.started = t, true
	}
}

// count reads a number.
func (p *parser) count(t token) error {
	limit := MaxCount
	if p.caption {
		limit = maxNumber
	}
	switch {
	case p.pending.number >= 0:
		return parseErrorf(MissingObject, t, "two numbers in a row (%q): give one number an object", t.text)
	case p.pending.negative:
		return parseErrorf(Unsupported, t, "\"no %s\" cannot be checked: say \"no\" and an object", t.text)
	case t.entry.n > limit:
		return parseErrorf(CountOutOfRange, t, "%q is too many: a scene holds at most %d objects in all", clip(t.text), limit)
	}
	p.begin(t)
	p.pending.number, p.pending.pair = t.entry.n, t.entry.value == "pair"
	return nil
}

// object ends a noun phrase.
func (p *parser) object(i int, t token) error {
	q := p.pending
	if p.orangePart(i, t) {
		q.color, q.at = "orange", t
		p.pending = q
		_, err := p.part(i+1, q)
		return err
	}
	m, err := p.mention(q, t)
	if err != nil {
		return err
	}
	if err := p.share(q, t); err != nil {
		return err
	}
	p.negative, p.or = m.absent, false
	index := len(p.mentions)
	p.mentions = append(p.mentions, m)
	p.pending = nothing
	if p.ahead.text != "" {
		if err := p.putAt(index, p.ahead); err != nil {
			return err
		}
		p.ahead = token{}
	}
	if q.relation == "" {
		p.last = index
		return nil
	}
	if m.absent {
		return parseErrorf(Unsupported, t, "a position needs an object that is there, not \"no %s\"", m.class)
	}
	if q.subject < 0 {
		// "left of a cat is a dog": the subject is the next object.
		p.pending = pending{said: q.said, number: -1, relation: opposite(q.relation), subject: index, inverted: true}
		return nil
	}
	p.claims = append(p.claims, claim{q.said, q.subject, index, q.relation})
	p.last, p.related = index, q.subject
	return nil
}

// mention reads what is said of an object before its noun.
func (p *parser) mention(q pending, noun token) (mention, error) {
	if noun.entry.value == person && q.color != "" {
		return mention{}, parseErrorf(Unsupported, noun, "a person has no color here: say \"a person\"")
	}
	m := mention{
		at: noun, sentence: p.sentence, class: noun.entry.value, color: q.color, count: 1,
		definite: q.definite, qualified: q.exactly || q.minimum,
	}
	// A pair of scissors is one object.
	onePair := q.pair && (m.class == "scissors" || m.class == "skis")
	switch {
	case q.negative || q.number == 0 || (p.negative && (p.or || !q.started)):
		m.absent = true
	case q.number > 0 && !onePair:
		m.count, m.exact = q.number, !q.minimum
	case q.exactly:
		m.exact = true
	case noun.entry.plural:
		m.count = 2
	default:
		m.single = !q.definite && !q.minimum
	}
	return m, nil
}

// share gives the noun of "a blue cup" to "a red" before it.
func (p *parser) share(q pending, noun token) error {
	for _, s := range p.shared {
		if q.color == "" || q.relation != "" || q.negative {
			return p.missing(s)
		}
		m, err := p.mention(s, noun)
		if err != nil {
			return err
		}
		p.mentions = append(p.mentions, m)
	}
	p.shared = nil
	return nil
}

// relate reads a relation. Its subject is the object just before, or, right after "and", the
// subject of the relation before.
func (p *parser) relate(i int, t token, joined bool) error {
	if err := p.drop(i, t); err != nil {
		return err
	}
	if t.text == "on" && p.onBackdrop(i) {
		return nil
	}
	subject := p.last
	if joined && p.related >= 0 {
		subject = p.related
	}
	if subject >= 0 && p.mentions[subject].absent {
		return parseErrorf(Unsupported, t, "a position needs an object that is there, not \"no %s\"", p.mentions[subject].class)
	}
	p.pending = pending{said: t, number: -1, relation: reflectionflow.Relation(t.entry.value), subject: subject}
	return nil
}

// join reads a comma, an "and" or a "next to".
func (p *parser) join(i int, t token) error {
	if t.entry.meaning == asConjunction && p.shares(i) {
		p.shared = append(p.shared, p.pending)
		p.pending = nothing
		return nil
	}
	if err := p.drop(i, t); err != nil {
		return err
	}
	p.joined = t.entry.meaning == asConjunction
	switch {
	case t.text == "or" && !p.negative:
		return parseErrorf(Unsupported, t, "\"or\" leaves open what to generate: name one of them")
	case t.text == "or":
		p.or = true
	case t.text != ",":
		p.negative = false
	}
	return nil
}

// shares reports whether "a red" before a conjunction waits for the noun of "a blue cup".
func (p *parser) shares(i int) bool {
	q := p.pending
	counted := q.number > 0 || q.definite || p.articleBefore(i)
	if p.caption || q.color == "" || !counted || q.relation != "" || q.negative || p.plural() >= 0 {
		return false
	}
	next, _ := p.meaningAfter(i)
	return next == asIndefinite || next == asNumber || next == asDefinite
}

// articleBefore reports whether the noun phrase that ends before token i begins with an article.
func (p *parser) articleBefore(i int) bool {
	for i--; i >= 0 && (p.tokens[i].entry.meaning == asHue || p.tokens[i].entry.meaning == asPraise); i-- {
	}
	return i >= 0 && p.tokens[i].entry.meaning == asIndefinite
}

// plural is the mention of several objects without a color that "one black and one white" speaks
// of; -1 if the sentence has none, or more than one.
func (p *parser) plural() int {
	found := -1
	for i := len(p.mentions) - 1; i >= 0 && p.mentions[i].sentence == p.sentence; i-- {
		if m := p.mentions[i]; m.count > 1 && m.color == "" && !m.absent {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// drop forgets the words before a token that does not continue their noun phrase. What cannot be
// forgotten is an error: a color, a number or "no" without an object, a relation without a
// target. In "two dogs, one black and one white" the phrases without a noun are dogs.
func (p *parser) drop(i int, t token) error {
	q := p.pending
	meaning := t.entry.meaning
	if q.inverted && !q.started && (meaning == asGlue || meaning == asConjunction) {
		return nil // "left of the cat there is a dog"
	}
	if part, err := p.part(i, q); part || err != nil {
		return err
	}
	placed := p.caption && meaning == asPlace && len(p.mentions) > 0 // "two dogs, one at the left"
	if q.color != "" || q.negative || q.relation != "" || (q.number >= 0 && !placed) {
		return p.dangling(i, q)
	}
	if len(p.shared) > 0 && meaning != asGlue {
		return p.missing(p.shared[0])
	}
	p.pending = nothing
	return nil
}

// part reads "one black" of several objects that were named before, and reports whether it did.
func (p *parser) part(i int, q pending) (bool, error) {
	counted := q.number > 0 || p.articleBefore(i)
	if p.caption || q.color == "" || !counted || q.negative || q.relation != "" || len(p.shared) > 0 {
		return false, nil
	}
	whole := p.plural()
	if whole < 0 {
		return false, nil
	}
	noun := q.at
	noun.entry.value = p.mentions[whole].class
	m, err := p.mention(q, noun)
	if err != nil {
		return false, err
	}
	m.exact, m.single, m.part = !q.minimum, false, true
	p.last, p.negative, p.pending = len(p.mentions), false, nothing
	p.mentions = append(p.mentions, m)
	return true, nil
}

// orangePart reports whether "one orange" is not the fruit but a part of several objects that
// were named before: "two dogs, one orange and one black".
func (p *parser) orangePart(i int, t token) bool {
	whole := p.plural()
	if p.caption || t.text != "orange" || whole < 0 || p.mentions[whole].class == t.entry.value || p.pending.color != "" || p.pending.number < 1 && !p.articleBefore(i) {
		return false
	}
	if last := p.mentions[len(p.mentions)-1]; last.part {
		return true
	}
	next, at := p.meaningAfter(i)
	if next != asConjunction {
		return false
	}
	number, at := p.meaningAfter(at)
	color, at := p.meaningAfter(at)
	after, _ := p.meaningAfter(at)
	return (number == asNumber || number == asIndefinite) && color == asHue && after != asNoun && after != asHue
}

// all reads "both red" after several objects that were named before.
func (p *parser) all(i int, t token) error {
	whole := p.plural()
	next, at := p.meaningAfter(i)
	if p.caption || whole < 0 || next != asHue {
		return p.reject(i, t)
	}
	if after, _ := p.meaningAfter(at); after == asNoun || after == asHue {
		return p.reject(i, t)
	}
	if p.mentions[whole].class == person {
		return parseErrorf(Unsupported, p.tokens[at], "a person has no color here: say \"a person\"")
	}
	if err := p.drop(i, t); err != nil {
		return err
	}
	p.mentions[whole].color = p.tokens[at].entry.value
	p.skip = at - i
	return nil
}

// contents rejects "a bowl of oranges": what an object holds or is made of cannot be
// checked. An unknown word after "of" is an error of its own.
func (p *parser) contents(i int, t token) error {
	if p.caption || t.text != "of" || i == 0 || p.tokens[i-1].entry.meaning != asNoun {
		return nil
	}
	next, _ := p.meaningAfter(i)
	if !next.begins() {
		return nil
	}
	return parseErrorf(Unsupported, t, "\"of\" after %q cannot be checked in a flat scene: name both objects, for example \"a bowl and two oranges\"", p.tokens[i-1].text)
}
