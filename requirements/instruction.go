package requirements

import (
	"strconv"
	"strings"
)

// Wish says in the words of a prompt what an image shows once an instruction for its
// correction is followed: "a dog and no cat" for "Replace the cat with a dog". What the
// image shows besides stays as it is, so it is not part of the wish. Sentences that it
// cannot read as an instruction stay as they are; those that only say what is wrong are
// left out where others say what to do. A text without any instruction that it can read is
// returned unchanged.
func Wish(instruction string) string {
	var w wish
	for _, s := range sentences(instruction) {
		w.read(s)
	}
	if len(w.shows) == 0 && len(w.not) == 0 {
		return instruction
	}
	parts := w.shows
	for _, x := range w.not {
		parts = append(parts, "no "+x)
	}
	return strings.Join(append([]string{strings.Join(parts, " and ")}, w.rest...), ". ")
}

// wish is what sentences of an instruction ask for.
type wish struct {
	shows, not []string // noun phrases: what the image shows afterwards, and what it does not
	rest       []string // sentences that are not read
	count      int      // how many of counted there are, by the sentence before
	counted    string
}

// read reads a sentence.
func (w *wish) read(sentence string) {
	words := strings.Fields(sentence)
	for len(words) > 1 && courtesy[plain(words[0])] {
		words = words[1:]
	}
	if len(words) > 1 && plain(words[len(words)-1]) == "please" {
		words = words[:len(words)-1]
		words[len(words)-1] = strings.TrimRight(words[len(words)-1], ",")
	}
	for _, form := range []func([]string) bool{w.should, w.flaw, w.remove, w.replace, w.paint, w.add, w.move} {
		if form(words) {
			return
		}
	}
	w.rest = append(w.rest, sentence)
}

// should reads "There should be two dogs".
func (w *wish) should(words []string) bool {
	for _, begin := range []string{"there should be", "there must be", "there should only be", "it should show", "the image should show", "the picture should show", "i want", "i would like", "i'd like", "show"} {
		if rest, ok := after(words, begin); ok {
			w.shows = append(w.shows, join(rest))
			return true
		}
	}
	return false
}

// flaw reads what only says what is wrong: "There are three dogs", "The dog is missing".
func (w *wish) flaw(words []string) bool {
	if n := len(words); n > 2 && plain(words[n-1]) == "missing" && (plain(words[n-2]) == "is" || plain(words[n-2]) == "are") {
		w.shows = append(w.shows, indefinite(words[:n-2]))
		return true
	}
	rest, ok := after(words, "there are")
	if !ok {
		rest, ok = after(words, "there is")
	}
	if !ok || len(rest) == 0 {
		return false
	}
	if plain(rest[0]) == "no" && len(rest) > 1 {
		w.shows = append(w.shows, indefinite(rest[1:]))
		return true
	}
	w.count, w.counted = numberOf(rest[0]), join(rest[1:])
	return w.count > 0
}

// remove reads "Remove the cat", and "Remove one" after a sentence that counts.
func (w *wish) remove(words []string) bool {
	rest, ok := afterAny(words, "remove", "delete", "erase", "take out", "take away", "get rid of")
	if rest = outside(rest); !ok || len(rest) == 0 {
		return false
	}
	if n := numberOf(rest[0]); n > 0 {
		left := w.count - n
		if left <= 0 || len(rest) > 1 && join(withoutArticle(rest[1:])) != w.counted && plain(rest[1]) != "of" {
			return false
		}
		w.shows, w.count = append(w.shows, strconv.Itoa(left)+" "+w.counted), left
		return true
	}
	w.not = append(w.not, join(withoutArticle(rest)))
	return true
}

// replace reads "Replace the cat with a dog" and "Change the cat into a dog".
func (w *wish) replace(words []string) bool {
	rest, ok := afterAny(words, "replace", "swap", "exchange", "change", "turn")
	if !ok {
		return false
	}
	for i, word := range rest {
		switch plain(word) {
		case "with", "by", "for", "to", "into":
			old, now := withoutArticle(rest[:i]), rest[i+1:]
			if len(old) == 0 || len(now) == 0 || isLook(now) || standIns[plain(old[0])] || plain(now[0]) == "the" {
				return false
			}
			w.shows, w.not = append(w.shows, join(now)), append(w.not, join(old))
			return true
		}
	}
	return false
}

// paint reads "Make the sofa red" and "Change the color of the sofa to dark red".
func (w *wish) paint(words []string) bool {
	rest, ok := afterAny(words, "make", "turn", "change", "color", "colour", "paint", "dye", "recolor")
	if !ok {
		return false
	}
	for _, begin := range []string{"the color of", "the colour of"} {
		if of, ok := after(rest, begin); ok {
			rest = of
		}
	}
	for i := 1; i < len(rest); i++ {
		look := rest[i:]
		if p := plain(look[0]); p == "to" || p == "into" {
			look = look[1:]
		}
		thing := withoutArticle(rest[:i])
		if !isLook(look) || len(thing) == 0 || standIns[plain(thing[0])] {
			continue
		}
		if numberOf(thing[0]) > 0 && len(thing) > 1 {
			w.shows = append(w.shows, join(append([]string{thing[0]}, append(look, thing[1:]...)...)))
		} else {
			w.shows = append(w.shows, withArticle(join(look), thing))
		}
		return true
	}
	return false
}

// add reads "Add a dog to the left of the cat".
func (w *wish) add(words []string) bool {
	rest, ok := afterAny(words, "add", "insert", "include", "draw", "put", "place")
	if rest = outside(rest); !ok || len(rest) == 0 || standIns[plain(rest[0])] || plain(rest[0]) == "more" || plain(rest[0]) == "another" {
		return false
	}
	if plain(rest[0]) == "the" {
		rest = append([]string{"a"}, rest[1:]...)
		w.shows = append(w.shows, indefinite(rest[1:]))
		return true
	}
	w.shows = append(w.shows, join(rest))
	return true
}

// move reads "Move the cup onto the table" and "Move the cat to the left".
func (w *wish) move(words []string) bool {
	rest, ok := afterAny(words, "move", "shift")
	if !ok {
		return false
	}
	for i := 1; i+1 < len(rest); i++ {
		where := rest[i:]
		switch plain(where[0]) {
		case "onto":
			where = append([]string{"on"}, where[1:]...)
		case "into":
			where = append([]string{"in"}, where[1:]...)
		case "to":
			if places[plain(where[len(where)-1])] { // "to the left" is in the image, "to the left of the cat" is not
				where = append([]string{"on"}, where[1:]...)
			}
		case "under", "below", "above", "behind", "beside", "next", "between", "on", "in":
		default:
			continue
		}
		if standIns[plain(rest[0])] {
			return false
		}
		w.shows = append(w.shows, indefinite(rest[:i])+" "+join(where))
		return true
	}
	return false
}

var (
	courtesy = set("please kindly now just also then and can could would you")
	standIns = set("it them this that these those one some")
	places   = set("left right top bottom middle center")
	articles = set("the this that these those all any every both each a an my your")
	picture  = set("image picture photo photograph scene")
)

// plain is a word in lower case without marks around it.
func plain(word string) string { return strings.ToLower(strings.Trim(word, `,:"'“”`)) }

// after returns the words after a beginning.
func after(words []string, begin string) (rest []string, ok bool) {
	want := strings.Fields(begin)
	if len(words) < len(want) {
		return nil, false
	}
	for i, w := range want {
		if plain(words[i]) != w {
			return nil, false
		}
	}
	return words[len(want):], true
}

// afterAny is after for the first of the beginnings that fits.
func afterAny(words []string, begins ...string) (rest []string, ok bool) {
	for _, begin := range begins {
		if rest, ok = after(words, begin); ok {
			return rest, true
		}
	}
	return nil, false
}

// outside leaves out "from the image" and the like at the end.
func outside(words []string) []string {
	if n := len(words); n > 3 && picture[plain(words[n-1])] && articles[plain(words[n-2])] {
		switch plain(words[n-3]) {
		case "to", "in", "into", "from":
			return words[:n-3]
		}
	}
	return words
}

func withoutArticle(words []string) []string {
	for len(words) > 1 && (articles[plain(words[0])] || plain(words[0]) == "of") {
		words = words[1:]
	}
	return words
}

// indefinite is a noun phrase with "a" in place of "the".
func indefinite(words []string) string {
	words = withoutArticle(words)
	if numberOf(words[0]) > 0 {
		return join(words)
	}
	return withArticle("", words)
}

// withArticle is a noun phrase, with an adjective before it, after "a" or "an" unless it is
// a plural.
func withArticle(adjective string, words []string) string {
	phrase := strings.TrimSpace(adjective + " " + join(words))
	switch last := plain(words[len(words)-1]); {
	case strings.HasSuffix(last, "s") && !strings.HasSuffix(last, "ss"):
		return phrase
	case strings.ContainsRune("aeiou", rune(strings.ToLower(phrase)[0])):
		return "an " + phrase
	}
	return "a " + phrase
}

// isLook reports whether all words are a color or another known property.
func isLook(words []string) bool {
	for i, word := range words {
		w := plain(word)
		if colorWord(w) == "" && !known(w) && (i == len(words)-1 || !shades[w]) {
			return false
		}
	}
	return len(words) > 0
}

// numberOf is the number that a word names; 0 for none.
func numberOf(word string) int {
	if n, err := strconv.Atoi(word); err == nil {
		return max(0, n)
	}
	return numbers[plain(word)]
}

func join(words []string) string { return strings.TrimRight(strings.Join(words, " "), ",:") }

// sentences splits an instruction at marks, and before "and" and "then" where a verb of an
// instruction follows. Quoted text stays whole.
func sentences(text string) (list []string) {
	var words []string
	end := func() {
		if len(words) > 0 {
			list = append(list, join(words))
		}
		words = nil
	}
	quoted := false
	all := strings.Fields(text)
	for i, word := range all {
		if !quoted && i+1 < len(all) && (plain(word) == "and" || plain(word) == "then") && instructs[plain(all[i+1])] {
			end()
			continue
		}
		quoted = quoted != (strings.Count(word, `"`)%2 == 1)
		stem := strings.TrimRight(word, ".!?;")
		if quoted || stem == word {
			words = append(words, word)
			if !quoted && strings.HasSuffix(word, ",") && i+1 < len(all) && instructs[plain(all[i+1])] {
				end()
			}
			continue
		}
		if stem != "" {
			words = append(words, stem)
		}
		end()
	}
	end()
	return list
}

// instructs are verbs that begin an instruction.
var instructs = set(`add insert include draw put place remove delete erase take get replace swap exchange change turn make color colour paint
dye recolor move shift then`)

var (
	changes = set(`sharpen brighten darken lighten blur crop zoom enlarge shrink rotate flip increase decrease reduce adjust fix correct improve enhance
remove delete erase replace swap change move shift`)
	changed     = set("the it this that these those them its everything all one in out up")
	comparative = set("brighter darker lighter sharper softer warmer cooler bigger smaller larger clearer closer nearer higher lower better cleaner more less")
	measured    = set("contrast saturation brightness light noise blur grain detail details color colors exposure depth")
)

// change keeps a sentence that asks for a change of an image, such as "sharpen the
// background" and "less contrast", unread: its words are no objects.
func (p *parser) change() {
	first, second := p.word(p.pos), p.word(p.pos+1)
	switch {
	case changes[first] && changed[second]:
	case comparative[first] && (second == "" || second == "and" && comparative[p.word(p.pos+2)]):
	case comparative[first] && measured[second]:
	default:
		return
	}
	for p.pos < len(p.tokens) && p.kind(p.pos) != stop {
		p.unread[p.pos] = true
		p.pos++
	}
}
