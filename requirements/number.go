package requirements

import (
	"strconv"
	"strings"

	"reflectionflow"
)

// quantity is how many objects a phrase asks for.
type quantity struct {
	kind  reflectionflow.Kind // AtLeast, Exactly, AtMost or Absent; empty for none named
	count int
	most  int  // for "between 2 and 4": the upper bound beside AtLeast; else 0
	known bool // the phrase has "the", "this" or "his": it may speak of what was named before
	named bool // the phrase begins with a number, an article or the like
	pair  bool // "a pair of"
	each  bool // "all", "both", "each": whatever their number
	cut   bool // the number was above the largest count
}

// numbers are those written as words.
var numbers = map[string]int{
	"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
	"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
	"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
	"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "single": 1, "dozen": 12,
}

// multiples are words that multiply the number before them.
var multiples = map[string]int{"hundred": 100, "thousand": 1000, "million": 1000000, "dozen": 12}

// number reads a number at token i, as digits or words, and returns the token after it.
// Numbers too large to count are cut at one above the largest count.
func (p *parser) number(i int) (n, next int, ok bool) {
	w := p.word(i)
	if w == "" {
		return 0, i, false
	}
	if next = p.halfDozen(i); next > 0 {
		return 6, next, true
	}
	if w[0] >= '0' && w[0] <= '9' {
		digits := strings.TrimSuffix(strings.ReplaceAll(w, ",", ""), "x") // "2x cats"
		n, err := strconv.Atoi(digits)
		if err != nil && !onlyDigits(digits) {
			return 0, i, false // "35mm", "1950s"
		}
		if err != nil {
			n = reflectionflow.MaxCount + 1
		}
		if _, plural := singular(p.word(i + 1)); !plural && len(w) == 4 && n >= 1800 && n < 2100 {
			return 0, i, false // a year
		}
		if p.word(i+1) == "x" && p.nounFollows(i+2) { // "3 x apples"
			i++
		}
		return p.multiplied(n, i+1)
	}
	if m, is := multiples[w]; is && w != "dozen" { // "a hundred" without its article
		return p.multiplied(m, i+1)
	}
	n, ok = numbers[w]
	if !ok {
		tens, units, found := strings.Cut(w, "-")
		if n = numbers[tens]; !found || n < 20 || n%10 != 0 || numbers[units] == 0 || numbers[units] > 9 {
			return 0, i, false
		}
		return p.multiplied(n+numbers[units], i+1)
	}
	i++
	if u := numbers[p.word(i)]; n >= 20 && u > 0 && u < 10 {
		n, i = n+u, i+1
	}
	return p.multiplied(n, i)
}

// halfDozen is the token after "half a dozen" at i, 0 where that is not there.
func (p *parser) halfDozen(i int) int {
	for _, s := range []string{"half a dozen", "half dozen", "half-a-dozen", "half-dozen"} {
		next := p.phrase(i, s)
		if next == 0 {
			continue
		}
		if p.word(next) == "of" && !definite[p.word(next+1)] {
			next++
		}
		return next
	}
	return 0
}

// span reads a range at i: "five to seven", "5-7", "from 5 to 7", "two or three".
func (p *parser) span(i int) (q quantity, next int, ok bool) {
	i = p.phraseOr(i, "from", i)
	low, high := 0, 0
	if a, b, joined := strings.Cut(p.word(i), "-"); joined && a != "" && b != "" && onlyDigits(a+b) {
		low, high, next = digits(a), digits(b), i+1
	} else {
		low, next, ok = p.number(i)
		dash := p.kind(next) == comma && next < len(p.tokens) && strings.Contains("-–—", p.text[p.tokens[next].start:p.tokens[next].end])
		if w := p.word(next); !ok || !dash && w != "to" && w != "or" {
			return q, i, false
		}
		if high, next, ok = p.number(next + 1); !ok {
			return q, i, false
		}
	}
	if low > high {
		return q, i, false
	}
	if low == high {
		return bounded(reflectionflow.Exactly, low), next, true
	}
	q = bounded(reflectionflow.AtLeast, low)
	if low == 0 {
		q = bounded(reflectionflow.AtMost, high)
	}
	q.most, q.cut = min(high, reflectionflow.MaxCount), high > reflectionflow.MaxCount
	if low == 0 {
		q.most = 0
	}
	return q, next, true
}

// digits is the number of a text of digits, cut as [parser.number] cuts it.
func digits(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return reflectionflow.MaxCount + 1
	}
	return min(n, reflectionflow.MaxCount+1)
}

// countsAfter are phrases after a noun that make its number a bound.
var countsAfter = []amount{
	{"or more", quantity{kind: reflectionflow.AtLeast}},
	{"or so", quantity{kind: reflectionflow.AtLeast}},
	{"at least", quantity{kind: reflectionflow.AtLeast}},
	{"at a minimum", quantity{kind: reflectionflow.AtLeast}},
	{"minimum", quantity{kind: reflectionflow.AtLeast}},
	{"or fewer", quantity{kind: reflectionflow.AtMost}},
	{"or less", quantity{kind: reflectionflow.AtMost}},
	{"at most", quantity{kind: reflectionflow.AtMost}},
	{"at the most", quantity{kind: reflectionflow.AtMost}},
	{"at a maximum", quantity{kind: reflectionflow.AtMost}},
	{"maximum", quantity{kind: reflectionflow.AtMost}},
}

// boundAfter reads "or more" and "at most" after a noun with a number: "two dogs or more".
func (p *parser) boundAfter(q quantity, i int) (quantity, int) {
	if q.count == 0 || !q.named || q.most > 0 || q.kind != reflectionflow.Exactly && (q.kind != reflectionflow.AtLeast || q.count > 1) {
		return q, i
	}
	at := i
	if p.kind(i) == comma {
		at++
	}
	for _, a := range countsAfter {
		next := p.phrase(at, a.words)
		if next == 0 || !p.clauseEnds(next) && (at > i || p.nounable(next) || p.nounFollows(next)) {
			continue
		}
		if _, _, number := p.number(p.phraseOr(next, "a", next)); number {
			continue
		}
		q.kind = a.q.kind
		return q, next
	}
	return q, i
}

func onlyDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// multiplied reads the multiples after a number.
func (p *parser) multiplied(n, i int) (int, int, bool) {
	for m := multiples[p.word(i)]; m > 0; m = multiples[p.word(i)] {
		n, i = min(n*m, reflectionflow.MaxCount+1), i+1
	}
	return min(n, reflectionflow.MaxCount+1), i, true
}

// amount is the meaning of a phrase before a noun.
type amount struct {
	words string
	q     quantity
}

// bounds are phrases before a number.
var bounds = []amount{
	{"at least", quantity{kind: reflectionflow.AtLeast}},
	{"no fewer than", quantity{kind: reflectionflow.AtLeast}},
	{"no less than", quantity{kind: reflectionflow.AtLeast}},
	{"not fewer than", quantity{kind: reflectionflow.AtLeast}},
	{"not less than", quantity{kind: reflectionflow.AtLeast}},
	{"not under", quantity{kind: reflectionflow.AtLeast}},
	{"a minimum of", quantity{kind: reflectionflow.AtLeast}},
	{"not more than", quantity{kind: reflectionflow.AtMost}},
	{"not over", quantity{kind: reflectionflow.AtMost}},
	{"without more than", quantity{kind: reflectionflow.AtMost}},
	{"more than", quantity{kind: reflectionflow.AtLeast, count: 1}},
	{"over", quantity{kind: reflectionflow.AtLeast, count: 1}},
	{"at most", quantity{kind: reflectionflow.AtMost}},
	{"no more than", quantity{kind: reflectionflow.AtMost}},
	{"up to", quantity{kind: reflectionflow.AtMost}},
	{"a maximum of", quantity{kind: reflectionflow.AtMost}},
	{"fewer than", quantity{kind: reflectionflow.AtMost, count: -1}},
	{"less than", quantity{kind: reflectionflow.AtMost, count: -1}},
	{"exactly", quantity{kind: reflectionflow.Exactly}},
	{"precisely", quantity{kind: reflectionflow.Exactly}},
	{"only", quantity{kind: reflectionflow.Exactly}},
	{"just", quantity{kind: reflectionflow.Exactly}},
}

// amounts are phrases in the place of a number.
var amounts = []amount{
	{"a couple of", quantity{kind: reflectionflow.Exactly, count: 2}},
	{"a pair of", quantity{kind: reflectionflow.Exactly, count: 2, pair: true}},
	{"several", quantity{kind: reflectionflow.AtLeast, count: 3}},
	{"a few", quantity{kind: reflectionflow.AtLeast, count: 2}},
	{"few", quantity{kind: reflectionflow.AtLeast, count: 2}},
	{"some", quantity{kind: reflectionflow.AtLeast, count: 1}},
	{"many", quantity{kind: reflectionflow.AtLeast, count: 4}},
	{"lots of", quantity{kind: reflectionflow.AtLeast, count: 4}},
	{"a lot of", quantity{kind: reflectionflow.AtLeast, count: 4}},
	{"numerous", quantity{kind: reflectionflow.AtLeast, count: 4}},
	{"plenty of", quantity{kind: reflectionflow.AtLeast, count: 4}},
	{"multiple", quantity{kind: reflectionflow.AtLeast, count: 2}},
	{"various", quantity{kind: reflectionflow.AtLeast, count: 2}},
	{"dozens of", quantity{kind: reflectionflow.AtLeast, count: 24}},
	{"hundreds of", quantity{kind: reflectionflow.AtLeast, count: 200}},
	{"thousands of", quantity{kind: reflectionflow.AtLeast, count: 2000}},
	{"a number of", quantity{kind: reflectionflow.AtLeast, count: 2}},
	{"a variety of", quantity{kind: reflectionflow.AtLeast, count: 2}},
	{"not any", quantity{kind: reflectionflow.Absent}},
	{"any", quantity{kind: reflectionflow.AtLeast, count: 1}},
	{"all of the", quantity{each: true}},
	{"all the", quantity{each: true}},
	{"both of the", quantity{each: true}},
	{"each of the", quantity{each: true}},
	{"all", quantity{each: true}},
	{"both", quantity{each: true}},
	{"each", quantity{each: true}},
	{"every", quantity{each: true}},
	{"no", quantity{kind: reflectionflow.Absent}},
}

// amountsBy are the phrases by their first word.
var amountsBy = func() map[string]struct{ bounds, amounts []amount } {
	m := make(map[string]struct{ bounds, amounts []amount })
	first := func(a amount) string { w, _, _ := strings.Cut(a.words, " "); return w }
	for _, a := range bounds {
		e := m[first(a)]
		e.bounds = append(e.bounds, a)
		m[first(a)] = e
	}
	for _, a := range amounts {
		e := m[first(a)]
		e.amounts = append(e.amounts, a)
		m[first(a)] = e
	}
	return m
}()

// definite are the words that speak of an object named before, or of someone's.
var definite = set("the this that these those his her its their my your our")

// quantity reads what comes before the adjectives and the noun of a phrase, and returns the
// token after it.
func (p *parser) quantity(i int) (quantity, int) {
	w := p.word(i)
	if q, next, ok := p.span(i); ok {
		return q, next
	}
	if q, next, ok := p.approximate(i); ok {
		return q, next
	}
	for _, b := range amountsBy[w].bounds {
		if next := p.phrase(i, b.words); next > 0 {
			if q, after, ok := p.span(next); ok && b.q.kind == reflectionflow.Exactly {
				return q, after
			}
			if n, after, ok := p.number(p.phraseOr(next, "a", next)); ok {
				return p.secondBound(bounded(b.q.kind, n+b.q.count), p.phraseOr(after, "of", after))
			}
		}
	}
	if p.phrase(i, "between") > 0 { // "between 2 and 4 dogs"
		if low, next, ok := p.number(i + 1); ok && p.word(next) == "and" {
			if high, after, ok := p.number(next + 1); ok && high >= low {
				q := bounded(reflectionflow.AtLeast, low)
				q.most, q.cut = min(high, reflectionflow.MaxCount), high > reflectionflow.MaxCount
				return q, after
			}
		}
	}
	for _, a := range amountsBy[w].amounts {
		if next := p.phrase(i, a.words); next > 0 {
			q := a.q
			q.named, q.known = true, q.each
			if m := multiples[p.word(next)]; m > 0 && q.count > 1 { // "a few dozen"
				q.count, next = min(q.count*m, reflectionflow.MaxCount), next+1
			}
			return q, next
		}
	}
	start := i
	if definite[p.word(i)] {
		i++
	}
	known := i > start
	if n, next, ok := p.number(p.phraseOr(i, "a", i)); ok {
		q := bounded(reflectionflow.Exactly, n)
		q.known = known
		switch {
		case p.phrase(next, "or more") > 0, p.phrase(next, "or so") > 0:
			q.kind, next = reflectionflow.AtLeast, next+2
		case p.phrase(next, "or fewer") > 0, p.phrase(next, "or less") > 0:
			q.kind, next = reflectionflow.AtMost, next+2
		case p.phrase(next, "of") > 0 && definite[p.word(next+1)]: // "two of the dogs"
			q.known, next = true, next+2
		}
		return q, next
	}
	switch w := p.word(i); {
	case known:
		return quantity{named: true, known: true}, i
	case w == "a" || w == "an" || w == "another":
		return quantity{kind: reflectionflow.AtLeast, count: 1, named: true}, i + 1
	}
	return quantity{}, i
}

// secondBound reads the other bound after one: "at least two but no more than four".
func (p *parser) secondBound(first quantity, i int) (quantity, int) {
	if w := p.word(i); w != "but" && w != "and" || first.kind == reflectionflow.Exactly || first.count == 0 {
		return first, i
	}
	least := first
	most, next := p.quantity(i + 1)
	if first.kind == reflectionflow.AtMost {
		least, most = most, first
	}
	if least.kind != reflectionflow.AtLeast || most.kind != reflectionflow.AtMost || least.most > 0 || !p.nounFollows(next) {
		return first, i
	}
	least.most, least.cut = most.count, least.cut || most.cut
	return least, next
}

// boundAt reports whether a negation at i is part of a bound: "no more than two".
func (p *parser) boundAt(i int) bool {
	if w := p.word(i); w != "no" && w != "not" && w != "without" {
		return false
	}
	q, _ := p.quantity(i)
	return q.kind == reflectionflow.AtLeast || q.kind == reflectionflow.AtMost
}

// belowZero leaves out a negative number at a dash: "-5 dogs". There is no such number of objects.
func (p *parser) belowZero(dash int) bool {
	t := p.tokens[dash]
	mark := p.text[t.start:t.end]
	if mark != "-" && mark != "−" || dash+1 >= len(p.tokens) || p.tokens[dash+1].start != t.end || dash > 0 && p.tokens[dash-1].end == t.start {
		return false
	}
	if _, _, ok := p.span(dash); ok {
		return false
	}
	_, next, ok := p.number(dash + 1)
	if w := p.word(dash + 1); !ok || w[0] < '0' || w[0] > '9' || dash > 0 && p.isNumber(dash-1) {
		return false
	}
	p.leaveOut(dash, next)
	return true
}

// minus leaves out a negative number in words: "minus five dogs".
func (p *parser) minus() bool {
	if p.word(p.pos) != "minus" || !p.segmentStart {
		return false
	}
	_, next, ok := p.number(p.pos + 1)
	if ok {
		p.leaveOut(p.pos, next)
	}
	return ok
}

// isNumber reports whether token i ends a number: a dash after it is no sign.
func (p *parser) isNumber(i int) bool {
	_, _, ok := p.number(i)
	return ok
}

func (p *parser) leaveOut(start, end int) {
	for i := start; i < end; i++ {
		p.unread[i] = true
	}
	p.notes = append(p.notes, "a number below zero is not read: "+p.words(start, end))
	p.pos = end
}

// leadingBounds are relations that are bounds before a number, where nothing can stand in the relation.
var leadingBounds = map[string]amount{
	"over": {q: quantity{kind: reflectionflow.AtLeast, count: 1}}, "above": {q: quantity{kind: reflectionflow.AtLeast, count: 1}},
	"under": {q: quantity{kind: reflectionflow.AtMost, count: -1}}, "below": {q: quantity{kind: reflectionflow.AtMost, count: -1}},
}

// leadingBound reads "over three dogs" and "under three dogs" where no object was named before and none
// follows that could be over or under them.
func (p *parser) leadingBound() bool {
	b, is := leadingBounds[p.word(p.pos)]
	if !is || p.started {
		return false
	}
	n, after, ok := p.number(p.phraseOr(p.pos+1, "a", p.pos+1))
	if !ok || n+b.q.count < 1 {
		return false
	}
	m, ok := p.noun(p.pos + 1)
	if !ok || m.noun == "" || m.end <= after {
		return false
	}
	if !p.boundEnds(m.end) {
		return false
	}
	m.q, m.start, m.bare = bounded(b.q.kind, n+b.q.count), p.pos, false
	p.pos = m.end
	p.name(m)
	return true
}

// boundEnds reports whether what follows a bound at i is no object that it could be a relation to.
func (p *parser) boundEnds(i int) bool {
	if _, next := p.spatialAt(i); next > 0 {
		return true
	}
	switch p.word(i) {
	case "in", "on", "at", "with", "of", "and":
		return true
	}
	if p.kind(i) == comma { // "under two trees, a dog"
		_, ok := p.noun(i + 1)
		return !ok
	}
	return p.kind(i) == stop || p.verbAt(i)
}

// bounded is a quantity within the bounds of a count. None at least is no wish, at most
// none is absence.
func bounded(kind reflectionflow.Kind, n int) quantity {
	q := quantity{kind: kind, count: min(n, reflectionflow.MaxCount), named: true, cut: n > reflectionflow.MaxCount}
	switch {
	case n > reflectionflow.MaxCount && kind == reflectionflow.Exactly:
		q.kind = reflectionflow.AtLeast
	case n > 0:
	case kind == reflectionflow.AtLeast:
		q.count = 1
	default:
		q.kind, q.count = reflectionflow.Absent, 0
	}
	return q
}
