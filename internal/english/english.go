// Package english words nouns and numbers for questions and instructions in English.
package english

import (
	"strconv"
	"strings"
)

var numbers = [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}

// Number is a number in words from 0 to 10, otherwise in digits.
func Number(n int) string {
	if n >= 0 && n < len(numbers) {
		return numbers[n]
	}
	return strconv.Itoa(n)
}

// irregular are plurals that follow no rule.
var irregular = map[string]string{
	"person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth",
	"knife": "knives", "wolf": "wolves", "leaf": "leaves", "shelf": "shelves", "loaf": "loaves", "half": "halves", "thief": "thieves", "scarf": "scarves",
	"calf": "calves", "elf": "elves", "wife": "wives", "ox": "oxen", "cactus": "cacti",
	"sheep": "sheep", "fish": "fish", "deer": "deer", "moose": "moose", "bison": "bison", "salmon": "salmon", "shrimp": "shrimp", "aircraft": "aircraft",
	"spacecraft": "spacecraft", "scissors": "scissors", "skis": "skis", "pants": "pants", "jeans": "jeans", "trousers": "trousers", "shorts": "shorts",
	"glasses": "glasses", "sunglasses": "sunglasses", "headphones": "headphones", "binoculars": "binoculars", "broccoli": "broccoli",
	"tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes", "hero": "heroes", "echo": "echoes",
}

// pluralOnly are names of one thing in the plural.
var pluralOnly = map[string]bool{
	"scissors": true, "skis": true, "pants": true, "jeans": true, "trousers": true, "shorts": true, "glasses": true, "sunglasses": true,
	"headphones": true, "binoculars": true, "people": true,
}

// uncounted are names of what is not counted.
var uncounted = map[string]bool{
	"broccoli": true, "grass": true, "water": true, "snow": true, "sand": true, "rice": true, "bread": true, "smoke": true, "fog": true, "rain": true,
	"fire": true, "hair": true, "fur": true, "furniture": true, "luggage": true, "ice": true, "steam": true, "light": true, "text": true, "food": true,
}

// Plural is the plural of a noun phrase, which is that of its last word before "of" or
// another preposition: "glasses of wine".
func Plural(noun string) string {
	for _, preposition := range []string{" of ", " in ", " with ", " on "} {
		if head, rest, found := strings.Cut(noun, preposition); found {
			return Plural(head) + preposition + rest
		}
	}
	start := strings.LastIndexByte(noun, ' ') + 1
	before, last := noun[:start], noun[start:]
	if plural, ok := irregular[strings.ToLower(last)]; ok {
		return before + plural
	}
	for _, end := range []string{"woman", "man"} { // policeman
		if head, ok := strings.CutSuffix(last, end); ok && head != "" && last != "human" && last != "german" {
			return before + head + irregular[end]
		}
	}
	n := len(last)
	switch {
	case n == 0:
		return noun
	case last[n-1] == 'y' && n > 1 && !strings.ContainsRune("aeiou", rune(last[n-2])):
		return before + last[:n-1] + "ies"
	case hasEnd(last, "s", "x", "z", "ch", "sh"):
		return before + last + "es"
	}
	return before + last + "s"
}

func hasEnd(word string, ends ...string) bool {
	for _, e := range ends {
		if strings.HasSuffix(word, e) {
			return true
		}
	}
	return false
}

// IsPlural reports a noun phrase of one thing that takes a verb in the plural, such as
// "scissors".
func IsPlural(noun string) bool { return pluralOnly[lastWord(noun)] }

// IsUncounted reports a noun phrase of what is not counted, such as "snow".
func IsUncounted(noun string) bool { return uncounted[lastWord(noun)] }

// Article is a noun phrase with "a" or "an"; "some" for what is not counted, and nothing
// for one thing in the plural.
func Article(phrase string) string {
	switch last := lastWord(phrase); {
	case uncounted[last]:
		return "some " + phrase
	case pluralOnly[last]:
		return phrase
	}
	lower := strings.ToLower(phrase)
	for _, sound := range []string{"hour", "honest", "heir"} {
		if strings.HasPrefix(lower, sound) {
			return "an " + phrase
		}
	}
	for _, sound := range []string{"uni", "use", "euro", "one", "ute"} { // spoken with a consonant
		if strings.HasPrefix(lower, sound) && !strings.HasPrefix(lower, "unin") && !strings.HasPrefix(lower, "unim") {
			return "a " + phrase
		}
	}
	if lower != "" && strings.ContainsRune("aeiou", rune(lower[0])) {
		return "an " + phrase
	}
	return "a " + phrase
}

func lastWord(phrase string) string {
	for _, preposition := range []string{" of ", " in ", " with ", " on "} {
		phrase, _, _ = strings.Cut(phrase, preposition)
	}
	return strings.ToLower(phrase[strings.LastIndexByte(phrase, ' ')+1:])
}
