package requirements

import (
	"strings"
	"unicode"
)

// languages have small words that English has not.
var languages = []struct {
	name  string
	words map[string]bool
}{
	{"German", set("ein eine einen einem einer eines der das und mit auf ist im nicht zwei drei vier fünf von für über unter hinter neben kein keine zum zur sind wird dem den")},
	{"French", set("un une le la les des avec sur dans et du au aux deux trois quatre cinq est sous devant derrière sans qui à côté sont")},
	{"Spanish", set("un una el la los las con en y del sobre dos tres cuatro cinco es junto sin al está debajo detrás")},
	{"Italian", set("un una uno il lo la gli con su di e del della nel due tre quattro cinque è sopra sotto accanto senza che")},
	{"Portuguese", set("um uma o os com em e do da no na dois duas três quatro cinco é sobre ao sem")},
	{"Dutch", set("een het de met op en van twee drie vier vijf is naast onder achter zonder voor")},
	{"Polish", set("i na z w do jest dwa dwie trzy pod nad obok bez")},
	{"Swedish", set("en ett och på med av två tre fyra är utan bredvid under")},
	{"Turkish", set("bir iki üç ve ile üzerinde altında yanında kırmızı")},
	{"Danish", set("en et og på med av to tre fire fem er uden ved siden under rød")},
	{"Finnish", set("ja kaksi kolme neljä viisi joka on vieressä alla päällä ilman punainen sininen")},
	{"Czech", set("na v s a je dva dvě tři čtyři pět pod nad vedle bez červená červené")},
	{"Vietnamese", set("một hai ba bốn năm con trên dưới và với màu đỏ")},
	{"Indonesian", set("sebuah seekor dua tiga di dan dengan yang pada tanpa")},
}

// english are small words of English that the languages above do not have in common use.
var english = set(`a an the of and with on in at is are two three four five no without next left right above below behind under front
photo image picture that who wearing holding red blue green white black style to by from for one it its his her`)

// foreign is the language of a prompt that is not in English: by its letters, or by more
// small words of another language than of English. It is empty for English.
func (p *parser) foreign() string {
	letters, latin, script := 0, 0, ""
	for _, r := range p.text {
		if script == "Chinese" && unicode.In(r, unicode.Hiragana, unicode.Katakana) {
			script = "Japanese"
		}
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if unicode.Is(unicode.Latin, r) {
			latin++
		} else if script == "" {
			script = scriptOf(r)
		}
	}
	if letters > 0 && 2*latin < letters {
		return script
	}
	ours := 0
	theirs := make([]int, len(languages))
	for i := range p.tokens {
		w := p.word(i)
		if english[w] {
			ours++
		}
		for k, l := range languages {
			if l.words[w] && !english[w] {
				theirs[k]++
			}
		}
	}
	best := 0
	for k, n := range theirs {
		if n > theirs[best] {
			best = k
		}
	}
	if theirs[best] > ours && (theirs[best] > 1 || ours == 0 && len(p.tokens) <= 4) {
		return languages[best].name
	}
	return ""
}

func scriptOf(r rune) string {
	for _, s := range []struct {
		name  string
		table *unicode.RangeTable
	}{
		{"Chinese", unicode.Han},
		{"Japanese", unicode.Hiragana},
		{"Japanese", unicode.Katakana},
		{"Korean", unicode.Hangul},
		{"Arabic letters", unicode.Arabic},
		{"Cyrillic letters", unicode.Cyrillic},
		{"Greek", unicode.Greek},
		{"Hebrew", unicode.Hebrew},
		{"Hindi", unicode.Devanagari},
		{"Thai", unicode.Thai},
	} {
		if unicode.Is(s.table, r) {
			return s.name
		}
	}
	return "another script"
}

// whole keeps a prompt that was not read in its own words, cut at spaces into strings of a
// requirement's length.
func whole(text string, most int) []string {
	text = strings.Join(strings.Fields(strings.Map(printable, text)), " ")
	var parts []string
	for len(text) > most {
		cut := strings.LastIndexByte(text[:most], ' ')
		if cut <= 0 {
			cut = most
			for cut > 0 && text[cut]&0xc0 == 0x80 {
				cut--
			}
		}
		parts = append(parts, text[:cut])
		text = strings.TrimSpace(text[cut:])
	}
	if text != "" {
		parts = append(parts, text)
	}
	return parts
}

// printable replaces what cannot be shown.
func printable(r rune) rune {
	if unicode.IsGraphic(r) {
		return r
	}
	return ' '
}
