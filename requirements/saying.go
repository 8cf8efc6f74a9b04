package requirements

import (
	"strings"

	"reflectionflow"
)

// sayings are phrases before a text in the image. The first ones may stand before a text
// without quotes.
var (
	sayings = byFirst(list(`that says, which says, saying, says, that say, that reads, which reads, spelling out, spelling, that spells, labeled as, labeled, labelled,
with the text, with the words, with the word, with the letters, with the inscription, with the slogan, with the caption, with the title, with the label,
with the number, with a sign saying, with text saying, the words, the word, the text, the letters, the inscription, the slogan`))
	quotedSayings = byFirst(list(`reading, reads, read, with text, with a caption, with a title, with a label, with a slogan, with an inscription, with letters, titled, entitled, named, called,
captioned, inscribed with, inscribed, engraved with, written, with, displaying, showing, displays, shows, text, word, words, of, bearing, stating, states, and, printed with`))
)

// saysText reads a text in the image after the words that announce it.
func (p *parser) saysText() bool {
	start := p.pos
	for i, phrases := range []map[string][]string{sayings, quotedSayings} {
		for _, s := range phrases[p.word(start)] {
			next := p.phrase(start, s)
			if next == 0 {
				continue
			}
			for w := p.word(next); w == "the" || w == "words" || w == "word" || w == "text" || w == "of" || w == "a"; w = p.word(next) {
				near := p.kind(next+1) == quoted || p.kind(next+1) == word && w != "of" && w != "a" && p.kind(next+2) == quoted
				if !near {
					break
				}
				next++
			}
			if p.kind(next) == comma && p.kind(next+1) == quoted { // "that says: "OPEN""
				next++
			}
			if p.kind(next) == quoted {
				p.textAt(start, next)
				return true
			}
			if (i == 0 || readings[s] && p.timeAt(next) || strings.HasSuffix(s, " with") && p.capitalRun(next) > next) && p.unquoted(start, next, s) {
				return true
			}
		}
	}
	return false
}

// unquoted reads a text without quotes: words in capitals, or after "says" those up to the
// end of the clause.
func (p *parser) unquoted(start, next int, saying string) bool {
	end := next
	for end < len(p.tokens) && p.kind(end) == word && (p.capitals(end) || numbersOnly(p.word(end))) {
		end++
	}
	if end == next && (strings.HasSuffix(saying, "says") || saying == "saying" || strings.HasPrefix(saying, "with the")) {
		for end < len(p.tokens) && end < next+8 && p.kind(end) == word && p.word(end) != "on" && p.word(end) != "in" && p.word(end) != "and" {
			end++
		}
	}
	if end == next {
		return false
	}
	p.text1(p.words(next, end), start, end)
	return true
}

// numbersOnly reports whether a word is a number or a time of day.
func numbersOnly(w string) bool {
	return w != "" && w[0] >= '0' && w[0] <= '9' && strings.Trim(w, "0123456789:.") == ""
}

// timeAt reports whether a number or a time of day at i is the whole of what is said.
func (p *parser) timeAt(i int) bool { return numbersOnly(p.word(i)) && !p.nounable(i+1) }

// madeOf reports whether a text is made of what a phrase names, and not in it: "in pink
// icing", "spelled in flowers", but "in a box".
func (p *parser) madeOf(m mention, written bool) bool {
	head := m.noun[strings.LastIndexByte(m.noun, ' ')+1:]
	return m.bare && (written || len(m.props) > 0) && !scenes[head] && p.word(m.end) != "style"
}

// textPlace leaves the place of a text without an object unread: "the text SALE at the top".
func (p *parser) textPlace(start, end int) {
	if _, next, of, ok := p.placeAt(end); ok && !of && !p.nounable(next) {
		for i := start; i < next; i++ {
			p.unread[i] = true
		}
		p.pos = next
	}
}

// capitals reports whether a word is in capitals.
func (p *parser) capitals(i int) bool {
	t := p.tokens[i]
	raw := p.text[t.start:t.end]
	return t.upper && strings.ToUpper(raw) == raw
}

// quotedText reads a text in quotes without an announcement: a text in the image.
func (p *parser) quotedText() bool {
	p.textAt(p.pos, p.pos)
	return true
}

// textAt records the text in quotes at token i, and those joined to it.
func (p *parser) textAt(start, i int) {
	p.text1(p.tokens[i].text, start, i+1)
	for p.word(p.pos) == "and" && p.kind(p.pos+1) == quoted {
		p.text1(p.tokens[p.pos+1].text, start, p.pos+2)
	}
}

// text1 records a text, of the object that was named just before or, after "on", follows.
func (p *parser) text1(value string, start, end int) {
	p.pos = end
	subject := p.recent
	follows := p.mark(start-1) == ":" && p.surface(subject) // "a sign: "OPEN""
	if p.segmentStart && start == end-1 && !follows || subject >= 0 && p.mentions[subject].q.kind == reflectionflow.Absent {
		subject = -1
	}
	i := end
	for inscribing[p.word(i)] {
		i++
	}
	written := i > end
	if w := p.word(i); written && (w == "inside" || w == "below" || w == "above" || w == "underneath") && p.clauseEnds(i+1) {
		p.pos, i = i+1, i+1
	}
	if w := p.word(i); w == "in" || w == "with" || w == "of" { // "written in red letters"
		if m, ok := p.noun(i + 1); ok && m.noun != "" && (writing[m.noun[strings.LastIndexByte(m.noun, ' ')+1:]] || w != "of" && p.madeOf(m, written)) {
			p.mention(m)
			p.pos, i = m.end, m.end
		}
	}
	if subject < 0 && !written {
		p.textPlace(end-1, end)
		i = p.pos
	}
	if w := p.word(i); !p.onFace(i) && (w == "on" || w == "across" || w == "in" && written) {
		onIt := p.word(i+1) == "it" || p.word(i+1) == "them"
		if _, _, _, isPlace := p.placeAt(i); !isPlace && (written || subject < 0 || onIt) {
			if w := p.word(i + 1); w == "it" || w == "them" {
				p.pos = i + 2
			} else if id, after, ok := p.target(i + 1); ok {
				p.pos, subject = after, id
				p.near, p.recent, p.group = id, id, []int{id}
			}
		}
	}
	if len(value) > reflectionflow.MaxRequirementBytes {
		shown := clip(value)
		shown = strings.ToValidUTF8(shown[:min(len(shown), 60)], "")
		p.notes = append(p.notes, "a text in quotes is too long and was cut: "+shown+"…")
	}
	p.add(fact{kind: reflectionflow.Text, subject: subject, target: -1, second: -1, prop: property{value: clip(value)}, start: start, end: p.pos})
}

// onFace leaves "on the front" unread after a text: it is a part of what has the text.
func (p *parser) onFace(i int) bool {
	if p.word(i) != "on" {
		return false
	}
	k := i + 1
	if definite[p.word(k)] {
		k++
	}
	if !faces[p.word(k)] || p.word(k+1) == "of" || p.nounable(k+1) {
		return false
	}
	for j := i; j <= k; j++ {
		p.unread[j] = true
	}
	p.pos = k + 1
	return true
}

var faces = set("front back side sides chest sleeve hood roof top cover label lid brim")

// writing is what a text is made of, not what it is on.
var writing = set("letter font ink paint lettering text writing handwriting script chalk neon pen pencil crayon type")
