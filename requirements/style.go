package requirements

import (
	"slices"
	"strings"

	"reflectionflow"
)

// polite are words before what the image shall show.
var polite = set(`please can could you i we want would like need to see generate create make draw paint render show me us give design produce
imagine visualize depict i'd let's let have a-photo-of show-me get i'm i've hi hello hey`)

// wishing are words that belong to a wish after polite ones: "I'd love".
var wishing = set("love really absolutely very much so wish be am are looking hoping for just kindly quickly it")

// preface reads what stands before the objects: "please generate a photo of", and the
// style in it.
func (p *parser) preface() {
	start := p.pos
	for w := p.word(p.pos); polite[w] || p.pos > start && wishing[w]; w = p.word(p.pos) {
		p.pos++
		if p.kind(p.pos) == comma && p.pos < len(p.tokens) { // "please, a photo of"
			p.pos++
		}
	}
	for range 3 { // "a photo of a painting of a dog"
		if !p.medium() {
			break
		}
	}
	if p.style() {
		p.segmentStart = false
	}
}

// medium reads "a watercolor painting of".
func (p *parser) medium() bool {
	if len(p.mentions) > 0 && p.near >= 0 {
		return false
	}
	_, i := p.quantity(p.pos)
	from := i
	last := ""
	for i < len(p.tokens) && i < from+maxNounWords {
		w := p.word(i)
		if w == "" || w == "of" || w == "showing" || w == "depicting" || definite[w] || (ends[w] && w != "and" && w != "up") {
			break
		}
		last = w
		i++
	}
	head, _ := singular(last)
	if i == from || !images[head] && !media[head] && !styleHeads[head] && !styles[strings.Join(p.plain(from, i), " ")] || classSet[strings.Join(p.plain(from, i), " ")] {
		return false
	}
	next := i
	switch p.word(i) {
	case "of", "showing", "depicting", "featuring", "containing":
		next++
	case "that", "which":
		if w := p.word(i + 1); w != "shows" && w != "depicts" && w != "features" && w != "contains" {
			return false
		}
		next += 2
	case "with":
		if !images[head] && !shownIn[head] && last != "life" {
			return false
		}
		next++
	case "where":
		next++
	case "for":
		if !purposes[head] {
			return (images[head] || shownIn[head]) && p.purpose(i)
		}
		next++
	case "":
		if i >= len(p.tokens) || p.text[p.tokens[i].start:p.tokens[i].end] != ":" { // "a hero image: a team"
			return false
		}
		next++
	default:
		return false
	}
	if _, ok := p.noun(next); !ok && p.nobodyAt(next) == 0 {
		return false
	}
	words := p.plain(from, i)
	if !images[head] || len(words) > 1 {
		weight := reflectionflow.Must
		if images[head] || len(words) == 1 && (head == "photo" || head == "photograph" || head == "view" || head == "shot") {
			weight = reflectionflow.Should
		}
		p.addFact(reflectionflow.Style, strings.Join(words, " "), p.pos, i, weight)
	}
	p.pos = next
	return true
}

// purposes are media of which "for" names what they show: "a logo for a coffee shop".
var purposes = set("logo icon poster advertisement ad")

// purpose leaves what an image is for unread: "an image for my blog".
func (p *parser) purpose(i int) bool {
	for ; i < len(p.tokens) && !p.clauseEnds(i); i++ {
		p.unread[i] = true
	}
	p.pos = i
	return true
}

// shownIn are media of which "with" names what they show: "a poster with a cat".
var shownIn = set("photo photograph painting drawing sketch illustration poster sticker logo watercolor watercolour render wallpaper collage mural")

// plain are the words of tokens from start to end.
func (p *parser) plain(start, end int) []string {
	var words []string
	for i := start; i < end; i++ {
		if w := p.word(i); w != "" {
			words = append(words, w)
		}
	}
	return words
}

// addFact records what is said about the whole image.
func (p *parser) addFact(kind reflectionflow.Kind, value string, start, end int, weight reflectionflow.Weight) {
	if p.weight == reflectionflow.Should {
		weight = p.weight
	}
	p.facts = append(p.facts, fact{
		kind: kind, subject: -1, target: -1, second: -1, prop: property{value: clip(value)}, start: start, end: end, weight: weight,
	})
}

func (p *parser) addStyle(value string, start, end int) {
	weight := reflectionflow.Must
	last := value[strings.LastIndexByte(value, ' ')+1:]
	if qualities[value] || !styles[value] && !firmStyles[last] && !strings.HasSuffix(value, "style") && !strings.HasPrefix(value, "in the style") {
		weight = reflectionflow.Should
	}
	p.addFact(reflectionflow.Style, value, start, end, weight)
}

// firmStyles end phrases of a style that an image must have.
var firmStyles = set(`style styled art artwork painting drawing sketch illustration watercolor watercolour photo photograph background
backdrop cartoon anime render palette aesthetic aesthetics`)

// segmentEnd is the end of the segment that begins at i.
func (p *parser) segmentEnd(i int) int {
	for i < len(p.tokens) && p.kind(i) == word {
		i++
	}
	return i
}

// style reads a whole segment that says how the image looks: "watercolor style",
// "dramatic lighting, 4k".
func (p *parser) style() bool {
	end := p.segmentEnd(p.pos)
	if end == p.pos || end-p.pos > 12 || end < len(p.tokens) && p.kind(end) == quoted {
		return false
	}
	start := p.pos
	for _, opening := range []string{
		"in the style of", "in style of", "inspired by", "shot on", "shot with", "taken with", "taken by", "captured with", "rendered in", "rendered with",
		"done in", "painted in", "drawn in", "painted by", "drawn by", "photographed by", "illustrated by", "art by", "style of", "as a", "as an", "seen from", "viewed from", "from a",
	} {
		next := p.phrase(start, opening)
		if next == 0 || next >= end {
			continue
		}
		if opening == "as a" || opening == "as an" || opening == "from a" {
			if head, _ := singular(p.word(end - 1)); !media[head] && !styleHeads[head] {
				continue
			}
		}
		p.pos = end
		p.addStyle(p.words(start, end), start, end)
		return true
	}
	from := start
	if w := p.word(start); (w == "a" || w == "an" || w == "in" || w == "with") && end > start+1 {
		from++
		if p.word(from) == "a" || p.word(from) == "an" {
			from++
		}
	}
	if next, value, ok := p.stylePhrase(from); ok {
		switch w := p.word(next); {
		case next == end:
			p.pos = end
			p.addStyle(value, start, end)
			return true
		case w == "in" && p.word(next+1) == "the" && p.word(next+2) == "style", w == "by", w == "on" && p.word(next+1) == "canvas": // "oil painting by Monet"
			p.pos = end
			p.addFact(reflectionflow.Style, p.words(from, end), start, end, reflectionflow.Must)
			return true
		}
	}
	if end == start+1 && media[p.word(start)] && !nouns[p.word(start)] {
		p.pos = end
		p.addFact(reflectionflow.Style, p.word(start), start, end, reflectionflow.Must)
		return true
	}
	if p.styleList(start, end) {
		p.pos = end
		return true
	}
	return false
}

// styleList reads styles joined by "and", or one after another: "cinematic and moody".
func (p *parser) styleList(start, end int) bool {
	type span struct {
		value      string
		start, end int
	}
	var found []span
	for i := start; i < end; {
		if p.word(i) == "and" && i > start {
			i++
			continue
		}
		next, value, ok := i, "", false
		for k := min(end, i+4); k > i && !ok; k-- {
			value = strings.Join(p.plain(i, k), " ")
			if styles[value] || qualities[value] {
				next, ok = k, true
			}
		}
		if !ok {
			return false
		}
		found = append(found, span{value, i, next})
		i = next
	}
	for _, s := range found {
		p.addStyle(s.value, s.start, s.end)
	}
	return true
}

// stylePhrase is the phrase at i up to the end of the clause, where it says how the image
// looks.
func (p *parser) stylePhrase(i int) (end int, value string, ok bool) {
	if w := p.word(i); w == "a" || w == "an" || w == "the" {
		i++
	}
	end = i
	for end < len(p.tokens) && end < i+8 {
		w := p.word(end)
		if w == "" || ends[w] && w != "and" && w != "of" && w != "off" && w != "up" && w != "out" && (w != "in" || end > i) {
			break
		}
		end++
	}
	words := p.plain(i, end)
	if len(words) == 0 {
		return i, "", false
	}
	value = strings.Join(words, " ")
	if styles[value] || qualities[value] {
		return end, value, true
	}
	last := words[len(words)-1]
	isHead := styleHeads[last] || strings.HasSuffix(last, "-style") || strings.HasSuffix(last, "-esque")
	isClass := endsInClass(words)
	if !isHead || isClass || len(words) == 1 && (nouns[last] || classSet[last]) || slices.Contains(words, "in") || slices.Contains(words, "of") && last != "field" {
		return i, "", false
	}
	if len(words) == 1 && !firmStyles[last] {
		return i, "", false
	}
	return end, value, true
}

// endsInClass reports whether a phrase ends in one of GenEval's classes: "green traffic
// light".
func endsInClass(words []string) bool {
	for i := range words {
		if _, ok := canonical(strings.Join(words[i:], " ")); ok {
			return true
		}
	}
	return false
}

// styleOrScene reads "in watercolor", "in the style of Monet", "at night", "on a beach",
// "seen from above".
func (p *parser) styleOrScene() bool {
	start := p.pos
	switch p.word(start) {
	case "in":
		for _, opening := range []string{"in the style of", "in style of"} {
			if next := p.phrase(start, opening); next > 0 {
				end := max(p.segmentEnd(next), next)
				p.pos = end
				p.addStyle(p.words(start, end), start, end)
				return end > next
			}
		}
		if end, value, ok := p.stylePhrase(start + 1); ok && !definite[p.word(start+1)] {
			p.pos = end
			p.addStyle(value, start, end)
			return true
		}
		if p.inColors(start) {
			return true
		}
	case "from":
		for _, view := range []string{"from above", "from below", "from behind", "from the side", "from the front", "from the back", "from the air", "from afar", "from a distance", "from a low angle", "from a high angle"} {
			if next := p.phrase(start, view); next > 0 {
				p.pos = next
				p.addFact(reflectionflow.Style, view, start, next, reflectionflow.Must)
				return true
			}
		}
		return false
	case "on", "at", "during", "under", "through", "throughout", "inside", "outside", "near", "across", "along", "around":
	default:
		return false
	}
	return p.scenePhrase(start)
}

// inColors reads "in red" and "in blue, red and white".
func (p *parser) inColors(start int) bool {
	i, last := start+1, start+1
	for {
		prop, next, ok := p.property(i)
		if !ok || !prop.color {
			break
		}
		i, last = next, next
		for p.kind(i) == comma || p.word(i) == "and" {
			i++
		}
	}
	if last == start+1 || p.near < 0 || p.nounable(last) && p.kind(last) == word && !p.isProperty(last) {
		return false
	}
	p.pos = last
	if prop, next, ok := p.property(start + 1); ok && next == last && !alive(p.mentions[p.near].noun) { // "a car in cherry red"
		p.own(prop)
		return true
	}
	p.add(fact{kind: reflectionflow.Attribute, subject: p.near, target: -1, second: -1, prop: property{value: strings.ToLower(p.words(start, last))}, start: start, end: last})
	return true
}

// scenePhrase reads a preposition and a noun of places, times or weather.
func (p *parser) scenePhrase(start int) bool {
	preposition := p.word(start)
	next := start + 1
	if _, _, isRange := p.span(start); isRange { // "from three to five"
		return false
	}
	m, ok := p.noun(next)
	if !ok || m.noun == "" || m.q.kind == reflectionflow.Absent || m.q.count > 1 && m.q.kind == reflectionflow.Exactly {
		return false
	}
	head := m.noun[strings.LastIndexByte(m.noun, ' ')+1:]
	last := p.word(m.end - 1)
	isScene := scenes[head] || scenes[last]
	proper := m.bare && p.tokens[m.end-1].upper && !p.shouting && len(m.props) == 0 && preposition != "with"
	switch preposition {
	case "in", "on", "at", "during", "outside":
		if preposition == "on" && buildings[head] {
			return false
		}
		if !isScene && (!proper || preposition != "in" && preposition != "at" && preposition != "on") {
			return false
		}
	case "under", "through", "inside", "throughout", "across", "along", "around", "near":
		if !isScene || !times[head] && head != "sky" && head != "clouds" && preposition != "throughout" && (preposition == "under" || preposition == "near" || preposition == "inside" || m.q.known) {
			return false
		}
		if preposition != "under" && !times[head] && preposition != "throughout" { // "walking along a beach"
			return false
		}
	}
	end := m.end
	if p.word(end) == "of" { // "on the streets of Tokyo"
		if inner, ok := p.noun(end + 1); ok && inner.noun != "" {
			end = inner.end
		}
	}
	p.pos = end
	p.scene(next, end, start)
	return true
}

// scene records a scene, without its article.
func (p *parser) scene(from, end, start int) {
	for w := p.word(from); w == "a" || w == "an" || w == "the"; w = p.word(from) {
		from++
	}
	value := p.words(from, end)
	if !p.tokens[end-1].upper {
		value = strings.ToLower(value)
	}
	p.addFact(reflectionflow.Scene, value, start, end, reflectionflow.Must)
}
