package clipart

import (
	"strings"
	"sync"
)

// meaning is what a word or phrase does in a prompt.
type meaning int

const (
	asNoun        meaning = iota + 1 // an object; value is the class
	asHue                            // a colour; value is its name
	asNumber                         // n of something
	asIndefinite                     // a, an
	asDefinite                       // the, this
	asNegation                       // no, without
	asRelation                       // value is the relation
	asPrecisely                      // exactly
	asMinimum                        // at least
	asLocation                       // a place in the picture: understood, nothing that is required
	asConjunction                    // and, a comma
	asBeside                         // with, next to: both are there
	asStop                           // the end of a sentence
	asDecoration                     // an adjective that is ignored
	asBackdrop                       // background: takes its colour with it
	asGlue                           // ignored
	asVague                          // a quantity that is no number
	asRefused                        // understood, but nothing that can be required
)

// entry is one phrase of the lexicon.
type entry struct {
	meaning meaning
	value   string
	n       int  // of numbers
	plural  bool // of nouns: certainly more than one
}

// maxPhraseWords is the longest phrase of the lexicon, in words.
const maxPhraseWords = 8

// synonyms are other names of classes, singular.
var synonyms = [...][2]string{
	{"man", person},
	{"woman", person},
	{"boy", person},
	{"girl", person},
	{"human", person},
	{"child", person},
	{"bike", "bicycle"},
	{"automobile", "car"},
	{"motorbike", "motorcycle"},
	{"plane", "airplane"},
	{"aeroplane", "airplane"},
	{"lorry", "truck"},
	{"ship", "boat"},
	{"sailboat", "boat"},
	{"stoplight", "traffic light"},
	{"traffic signal", "traffic light"},
	{"hydrant", "fire hydrant"},
	{"puppy", "dog"},
	{"kitten", "cat"},
	{"rucksack", "backpack"},
	{"purse", "handbag"},
	{"hand bag", "handbag"},
	{"necktie", "tie"},
	{"ski", "skis"},
	{"ball", "sports ball"},
	{"soccer ball", "sports ball"},
	{"football", "sports ball"},
	{"basketball", "sports ball"},
	{"bat", "baseball bat"},
	{"baseball mitt", "baseball glove"},
	{"racket", "tennis racket"},
	{"racquet", "tennis racket"},
	{"tennis racquet", "tennis racket"},
	{"wineglass", "wine glass"},
	{"mug", "cup"},
	{"hotdog", "hot dog"},
	{"doughnut", "donut"},
	{"sofa", "couch"},
	{"plant", "potted plant"},
	{"houseplant", "potted plant"},
	{"table", "dining table"},
	{"television", "tv"},
	{"tv set", "tv"},
	{"laptop computer", "laptop"},
	{"mouse", "computer mouse"},
	{"remote", "tv remote"},
	{"remote control", "tv remote"},
	{"keyboard", "computer keyboard"},
	{"phone", "cell phone"},
	{"cellphone", "cell phone"},
	{"mobile phone", "cell phone"},
	{"smartphone", "cell phone"},
	{"fridge", "refrigerator"},
	{"scissor", "scissors"},
	{"teddy", "teddy bear"},
	{"hair dryer", "hair drier"},
	{"hairdryer", "hair drier"},
	{"hairdrier", "hair drier"},
	{"tooth brush", "toothbrush"},
}

// irregularPlurals are plurals that no rule makes.
var irregularPlurals = [...][2]string{
	{"people", person},
	{"men", person},
	{"women", person},
	{"children", person},
	{"mice", "computer mouse"},
	{"puppies", "dog"},
	{"lorries", "truck"},
	{"teddies", "teddy bear"},
}

// foreignColors are colours outside GenEval's ten, with the nearest of them.
var foreignColors = map[string]string{
	"gray": "black", "grey": "black", "cyan": "blue", "turquoise": "blue", "teal": "green", "violet": "purple",
	"magenta": "pink", "gold": "yellow", "golden": "yellow", "silver": "white", "beige": "brown", "tan": "brown",
	"navy": "blue", "crimson": "red", "scarlet": "red", "maroon": "red", "indigo": "purple", "lavender": "purple",
	"lime": "green", "olive": "green", "aqua": "blue", "cream": "white", "azure": "blue", "bronze": "brown",
}

// phrases are the words with a meaning of their own, but for objects, colours,
// numbers, relations and places.
var phrases = [...]struct {
	meaning meaning
	words   string // separated by commas
}{
	{asIndefinite, "a,an"},
	{asDefinite, "the,this,that,these,those"},
	{asNegation, "no,without,without any,with no,not any,there is no,there are no"},
	{asPrecisely, "exactly,precisely,just,only"},
	{asMinimum, "at least"},
	{asConjunction, "and,as well as,and also,plus,&"},
	{asBeside, "with,next to,beside,besides,near,by,alongside,close to,and next to,on,in,behind,in front of,inside,or"},
	{asDecoration, "standing,sitting,lying,detailed,high quality,big,small,large,little,tiny,huge,cute,nice,pretty,beautiful,lovely,new,old,young,simple,plain,flat,single,colored,coloured,happy,cartoon,clear,realistic"},
	{asBackdrop, "background,backdrop"},
	{asGlue, "photo,photograph,picture,image,drawing,illustration,painting,clipart,clip art,icon,sketch,scene,render,of,there,is,are,showing,shows,show,depicting,depicts,featuring,draw,paint,please,side by side,placed,located,positioned,stands,sits,lies,together,group,altogether,color,colour"},
	{asVague, "some,several,many,few,multiple,various,lots,dozens,hundreds,dozen,hundred,thousand,million"},
	{asRefused, "at most,not,fewer,less,more,no more than,no fewer than,other,another,either,nothing,all,every,each,both,its,it,them"},
}

var relationPhrases = [...]struct {
	relation string
	words    string
}{
	{"left of", "left of,to the left of,on the left of,at the left of,left from,on the left side of,to the left side of"},
	{"right of", "right of,to the right of,on the right of,at the right of,right from,on the right side of,to the right side of"},
	{"above", "above,on top of,over,atop,on the top of"},
	{"below", "below,under,underneath,beneath"},
}

// tens are the number words beyond [MaxCount], so that they are told as numbers.
var tens = [...]string{"eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"}

var (
	lexicon     = sync.OnceValue(newLexicon)
	suggestions = sync.OnceValue(newSuggestions)
)

func newLexicon() map[string]entry {
	words := make(map[string]entry)
	for _, p := range phrases {
		for w := range strings.SplitSeq(p.words, ",") {
			words[w] = entry{meaning: p.meaning, value: w}
		}
	}
	for _, p := range relationPhrases {
		for w := range strings.SplitSeq(p.words, ",") {
			words[w] = entry{meaning: asRelation, value: p.relation}
		}
	}
	for n, w := range numberWords {
		words[w] = entry{meaning: asNumber, n: n}
	}
	for i, w := range tens {
		words[w] = entry{meaning: asNumber, n: MaxCount + 1 + i}
	}
	for _, w := range []string{"a pair of", "pair of", "a couple of", "couple of"} {
		words[w] = entry{meaning: asNumber, n: 2, value: "pair"}
	}
	addLocations(words)
	for _, color := range colourNames {
		words[color] = entry{meaning: asHue, value: color}
	}
	addNouns(words)
	return words
}

// addLocations adds "at the left", "in the top right corner of the picture" and
// their like, and the corners without more words: "dog top left".
func addLocations(words map[string]entry) {
	spots := []string{"left", "right", "top", "bottom", "middle", "center", "centre"}
	for _, vertical := range []string{"top", "bottom", "upper", "lower"} {
		for _, corner := range []string{vertical + " left", vertical + " right"} {
			spots = append(spots, corner)
			words[corner] = entry{meaning: asLocation}
		}
	}
	for _, at := range []string{"at", "on", "in", "to"} {
		for _, spot := range spots {
			for _, part := range []string{"", " side", " corner"} {
				for _, of := range []string{"", " of the picture", " of the image", " of the photo", " of the scene"} {
					words[at+" the "+spot+part+of] = entry{meaning: asLocation}
				}
			}
		}
	}
}

// addNouns adds the classes and their other names, in all their plurals. "orange"
// stays a colour here; the parser asks what follows it.
func addNouns(words map[string]entry) {
	add := func(name, class string) {
		for _, plural := range []string{genEvalPlural(name), englishPlural(name)} {
			if plural != name && plural != class {
				words[plural] = entry{meaning: asNoun, value: class, plural: true}
			}
		}
		if _, isColor := words[name]; !isColor {
			words[name] = entry{meaning: asNoun, value: class}
		}
	}
	for _, class := range classes().names {
		add(class, class)
	}
	for _, s := range synonyms {
		add(s[0], s[1])
	}
	for _, s := range irregularPlurals {
		words[s[0]] = entry{meaning: asNoun, value: s[1], plural: true}
	}
}

// newSuggestions lists the words that a misspelling is compared with: colours,
// then the words of objects, in a fixed order.
func newSuggestions() []string {
	known := append([]string(nil), colourNames[:]...)
	for _, class := range classes().names {
		known = append(known, strings.Fields(class)...)
		known = append(known, strings.Fields(englishPlural(class))...)
	}
	for _, s := range synonyms {
		known = append(known, strings.Fields(s[0])...)
	}
	known = append(known, numberWords[:]...)
	return append(known, "photo", "picture", "image", "left", "right", "above", "below", "without", "exactly")
}

// nearest is the known word with the fewest typing errors to a word, at most one
// in four letters, and whether it is a colour. Ties go to the earlier word.
func nearest(word string) (suggestion string, isColor bool) {
	const longest = 24 // no known word is longer
	if len(word) < 3 || len(word) > longest {
		return "", false
	}
	best := max(1, len(word)/4) + 1
	for i, known := range suggestions() {
		if d := distance(word, known); d < best {
			best, suggestion, isColor = d, known, i < len(colourNames)
		}
	}
	return suggestion, isColor
}

// distance counts the letters to insert, delete, change or swap with a neighbour
// to turn one word into another (optimal string alignment).
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
