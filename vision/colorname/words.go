package colorname

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// agreed is the weight that a term needs to be what a color word means.
const agreed = 0.6

// modifiers change a color without changing its term.
var modifiers = []string{
	"bright", "dark", "deep", "dull", "dusty", "faded", "glossy", "hot", "intense", "light", "lime", "matte", "medium", "metallic",
	"muted", "neon", "pale", "pastel", "pure", "rich", "shiny", "soft", "solid", "vibrant", "vivid", "warm", "cool",
	"royal", "sky", "baby", "navy", "forest", "olive", "emerald", "mint", "ruby", "blood", "cherry", "brick", "lemon", "snow", "jet", "slate", "steel",
	"bluish", "reddish", "greenish", "yellowish", "brownish", "grayish", "greyish", "pinkish", "purplish", "orangish",
}

// others are frequent color words that CSS has no name for, or another color.
var others = map[string]string{
	"grey": "gray", "scarlet": "red", "ruby": "red", "cherry": "red", "vermilion": "red", "cobalt": "blue", "sapphire": "blue",
	"azure": "blue", "ultramarine": "blue", "emerald": "green", "lime": "green", "olive": "green", "jade": "green", "golden": "yellow", "lemon": "yellow",
	"mustard": "yellow", "tangerine": "orange", "pumpkin": "orange", "rose": "pink", "lilac": "purple", "mauve": "purple", "lavender": "purple",
	"violet": "purple", "plum": "purple", "amethyst": "purple", "ebony": "black", "jet": "black", "ivory": "white", "snowy": "white",
	"chestnut": "brown", "mahogany": "brown", "coffee": "brown", "chocolate": "brown", "navy": "blue",
	// People differ on these, or mean something else by them.
	"beige": "", "turquoise": "", "cyan": "", "aqua": "", "teal": "", "cream": "", "tan": "", "linen": "", "seashell": "", "peru": "", "tomato": "", "wheat": "",
}

//go:embed css.csv
var cssNames string

// css maps the color names of CSS (CSS Color Module Level 4, named colors) to the terms that clearly
// name their colors.
var css = sync.OnceValue(func() map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(cssNames) {
		name, code, _ := strings.Cut(strings.TrimSpace(line), ",")
		rgb, err := strconv.ParseUint(code, 16, 24)
		if err != nil {
			panic("colorname: " + err.Error()) // the file is part of this binary
		}
		if term, weight := Of(uint8(rgb>>16), uint8(rgb>>8), uint8(rgb)).Best(); weight >= agreed {
			known[name] = term
		}
	}
	return known
})

// Term maps a color word to its basic term: "grey" and "dark gray" to gray, "crimson" to red. ok is
// false for words that are no color, for several colors at once, and for colors between two terms,
// such as teal, on which people differ.
func Term(word string) (term string, ok bool) {
	words := strings.FieldsFunc(strings.ToLower(word), func(r rune) bool { return r == ' ' || r == '-' })
	for len(words) > 1 && slices.Contains(modifiers, words[0]) {
		words = words[1:]
	}
	if joined := strings.Join(words, ""); len(words) > 0 {
		if slices.Contains(terms[:], joined) {
			return joined, true
		}
		if term, ok = others[joined]; ok {
			return term, term != ""
		}
		term, ok = css()[strings.ReplaceAll(joined, "grey", "gray")]
	}
	if !ok && len(words) == 2 && !slices.Contains(terms[:], words[0]) { // "cherry red", "emerald green"
		return Term(words[1])
	}
	return term, ok
}
