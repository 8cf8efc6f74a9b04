package requirements

import "strings"

// surfaces are objects that people write on.
var surfaces = set(`sign signboard signpost banner poster board billboard blackboard chalkboard whiteboard marquee placard plaque label sticker tag badge
shirt t-shirt tee sweater hoodie jersey cap hat mug cup bottle can box package bag wall door window screen monitor paper note notebook card book cover page
newspaper magazine letter envelope cake flag plate license-plate tombstone gravestone storefront shop truck van bus taxi train bumper awning menu ticket
scroll stone rock sand cardboard canvas keychain patch jacket apron umbrella balloon tv television headline logo`)

// readings announce a text in capitals without quotes, which they do not announce in other
// letters: "reading OPEN", but "reading a book".
var readings = set("reading reads read titled entitled labeled labelled captioned stating states named called text word words written spelling")

// surface reports whether a mention is of something that people write on.
func (p *parser) surface(id int) bool {
	if id < 0 {
		return false
	}
	noun := p.mentions[id].noun
	return surfaces[noun[strings.LastIndexByte(noun, ' ')+1:]]
}

// capitalRun is the token after the words in capitals that begin at i, which say something
// by that; i for none.
func (p *parser) capitalRun(i int) int {
	end := i
	if p.shouting {
		return i
	}
	for end < len(p.tokens) && p.kind(end) == word && (p.capitals(end) || end > i && numbersOnly(p.word(end))) {
		end++
	}
	if end == i+1 && (len(p.word(i)) < 2 || classSet[p.word(i)] || synonyms[p.word(i)] != "") { // "TV on a table", "a"
		return i
	}
	return end
}

// writtenAt is the token after words that say that the text before i is written, with the
// preposition that follows; 0 where neither is there.
func (p *parser) writtenAt(i int) int {
	at := i
	for inscribing[p.word(at)] {
		at++
	}
	switch w := p.word(at); {
	case w == "on" || w == "across":
		return at
	case at > i && (w == "in" || w == "with" || w == "" || p.clauseEnds(at)):
		return at
	}
	return 0
}

// inscribing are participles of writing.
var inscribing = set("written painted printed engraved carved displayed embroidered spelled scrawled stenciled is appears out")

// capitalText reads words in capitals as a text in the image: "OPEN on a sign", "reading
// OPEN", "a shirt with NASA on it". Elsewhere capitals are those of names.
func (p *parser) capitalText() bool {
	start := p.pos
	i := start
	announced := readings[p.word(i)] && !p.capitals(i)
	with := p.word(i) == "with"
	if announced || with {
		i++
	}
	if announced && p.mark(i) == ":" {
		i++
	}
	end := p.capitalRun(i)
	if end == i {
		return false
	}
	on := p.writtenAt(end)
	switch {
	case announced:
	case with && (p.surface(p.recent) || on > end) && (on > 0 || p.clauseEnds(end)):
	case !with && on > 0 && (on > end || p.word(on+1) == "it" || p.surfaceAt(on+1)):
	default:
		return false
	}
	if !announced && !with && !p.surfaceAt(on+1) && p.recent < 0 {
		return false
	}
	if !announced && !with && p.surfaceAt(on+1) { // it is not on what was named before
		p.recent = -1
	}
	p.text1(p.words(i, end), start, end)
	return true
}

// surfaceAt reports whether the noun phrase at i is of something that people write on.
func (p *parser) surfaceAt(i int) bool {
	m, ok := p.noun(i)
	return ok && m.noun != "" && surfaces[m.noun[strings.LastIndexByte(m.noun, ' ')+1:]]
}
