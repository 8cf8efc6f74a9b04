package clipart

import (
	"slices"
	"strings"
	"sync"
)

// role is what an unknown word should have been.
type role int

const (
	roleAny role = iota
	roleObject
	roleAttribute // before an object
	roleColor
)

// suggestion is a known word for an unknown one.
type suggestion struct {
	text string
	name string // singular of text, for objects
	role role
}

// candidate is a word that misspellings are compared with.
type candidate struct {
	word string
	suggestion
}

var candidates = sync.OnceValue(newCandidates)

// newCandidates lists the words that a misspelling is compared with: colors, names of objects,
// single words of longer names ("wine" of "wine glass"), and the words of relations.
func newCandidates() []candidate {
	var found []candidate
	for _, color := range colorNames {
		found = append(found, candidate{color, suggestion{text: color, role: roleColor}})
	}
	add := func(name string) {
		for _, form := range []string{name, englishPlural(name)} {
			for word := range strings.FieldsSeq(form) {
				found = append(found, candidate{word, suggestion{form, name, roleObject}})
			}
		}
	}
	for _, class := range classes().names {
		add(class)
	}
	for _, s := range synonyms {
		if !strings.Contains(s[0], " ") {
			add(s[0])
		}
	}
	for _, word := range []string{"photo", "picture", "image", "left", "right", "above", "below", "without", "exactly", "background"} {
		found = append(found, candidate{word, suggestion{text: word, role: roleAny}})
	}
	for _, word := range numberWords[:MaxCount+1] {
		found = append(found, candidate{word, suggestion{text: word, role: roleAttribute}})
	}
	return found
}

// notMisspelled are common words near a known word that mean something else.
const notMisspelled = `
bags bull cable pears lighter tree trees beach beam bean beans beard beast beer bell blank block boar boot boots bold booth brain bridge brow bunch bush cage
cane canes cape card cards care cars cart carts cave chain chains chairman charm click cloak coat coats code coke cone core
corn cord crow crown crows dish dock dogma drain drown fine firm fir ford form fort frown girls globe goat goats grain grass
greed grey grown hen horn hose house houses inn jacket kid king kitchen lane lark lime line moose mouth nurse pants parrot
parrots pants peer pies pine pipe plan plank planks plate plates place places plain planet plants plot pole pond pork port
ring rocket rockets rose sank shed sheen sheet sheets shell shin shop shops shirt shoe sings six sky slack slip snip
snow soda sofa sold spin spool spoons steep stuck tablet tail tar tile tiles tire tires toast track tracks trail trails
train trick tricks trim trunk trunks tub vest vane wall walls whistle while whale write wind wing wings wink wire wires wolf
word world yell`

var properWords = sync.OnceValue(func() map[string]bool {
	words := make(map[string]bool)
	for w := range strings.FieldsSeq(notMisspelled) {
		words[w] = true
	}
	return words
})

// suggest returns the known words that an unknown one is likely meant to be: at most two names
// that have it as one of their words ("light" of "traffic light"), else the known word with the
// fewest typing errors.
func suggest(word string, r role) []suggestion {
	const longest = 24 // no known word is longer
	if len(word) < 3 || len(word) > longest || strings.ContainsAny(word, "'’") {
		return nil
	}
	var parts []suggestion
	best, errors := suggestion{}, typingErrors(word)+1
	exact := false
	for _, c := range candidates() {
		exact = exact || c.word == word
		if c.word == word && c.text != word && r != roleAttribute && len(parts) < 2 && !slices.ContainsFunc(parts, func(s suggestion) bool { return s.name == c.name }) {
			parts = append(parts, c.suggestion)
		}
		if !fits(c, r) {
			continue
		}
		if d := distance(word, c.word); d > 0 && d < errors && plausible(word, c.word, d) {
			best, errors = c.suggestion, d
		}
	}
	switch {
	case len(parts) > 0:
		return parts
	case best.text == "" || exact || properWords()[word]:
		return nil
	}
	return []suggestion{best}
}

// fits reports whether a misspelling of a candidate can have a role. Words of longer names are
// misspelled only in front of the rest of the name ("tedy bears"): alone they are other words.
func fits(c candidate, r role) bool {
	alone := c.text == c.word
	switch r {
	case roleObject:
		return c.role == roleObject && alone
	case roleAttribute:
		return c.role != roleObject || !alone
	}
	return c.role != roleObject || alone
}

// typingErrors is how many typing errors a word may have.
func typingErrors(word string) int {
	if len(word) >= 7 {
		return 2
	}
	return 1
}

// plausible reports whether a word may be a misspelling: short ones only with swapped letters,
// others only where one of the first letters is right.
func plausible(word, known string, errors int) bool {
	if len(word) == 3 {
		return len(known) == 3 && errors == 1 && word[0] != known[0] && word[1] != known[1] ||
			len(known) == 3 && word[0] == known[0] && word[1] == known[2] && word[2] == known[1]
	}
	return word[0] == known[0] || len(word) > 4 && errors == 1
}

// distance counts the letters to insert, delete, change or swap with a neighbor to turn one word
// into another (optimal string alignment).
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			change := previous[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			current[j] = min(change, previous[j]+1, current[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
