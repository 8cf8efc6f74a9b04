package requirements_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"reflectionflow"
	"reflectionflow/requirements"
)

// said lists the requirements in words; optional ones are in parentheses.
func said(p reflectionflow.Prompt) []string {
	var list []string
	for _, r := range p.Requirements {
		s := string(r.Kind) + ": " + r.String()
		if r.Weight == reflectionflow.Should {
			s = "(" + s + ")"
		}
		list = append(list, s)
	}
	return list
}

func TestPlainEnglish(t *testing.T) {
	for text, want := range map[string][]string{
		"an astronaut riding a horse, cinematic": {
			"at_least: at least 1 astronaut", "at_least: at least 1 horse", "interaction: astronaut riding horse", "style: the style: cinematic",
		},
		"two dogs on a red sofa": {
			"exactly: exactly 2 dog", "at_least: at least 1 couch", "color: at least 1 couch that is red", "position: at least 2 dog on couch",
		},
		`a sign that says "OPEN"`:                  {"at_least: at least 1 sign", `text: sign with the text "OPEN"`},
		`a neon sign saying OPEN 24`:               {"at_least: at least 1 neon sign", `text: neon sign with the text "OPEN 24"`},
		"no people":                                {"absent: no person"},
		"a beach with no people, dogs or cars":     {"at_least: at least 1 beach", "absent: no person", "absent: no dog", "absent: no car"},
		"three or more birds":                      {"at_least: at least 3 bird"},
		"at least two cats and at most three dogs": {"at_least: at least 2 cat", "at_most: at most 3 dog"},
		"between two and four apples":              {"at_least: at least 2 apple", "at_most: at most 4 apple"},
		"fewer than five dogs":                     {"at_most: at most 4 dog"},
		"a wooden table with five blue cups, watercolour style": {
			"at_least: at least 1 table", "attribute: at least 1 table that is wooden", "exactly: exactly 5 cup", "color: at least 5 cup that is blue",
			"interaction: table with cup", "style: the style: watercolour style",
		},
		"a cat wearing a hat next to a window at night": {
			"at_least: at least 1 cat", "at_least: at least 1 hat", "at_least: at least 1 window",
			"interaction: cat wearing hat", "position: cat next to window", "scene: the scene: night",
		},
		"a dog in the top left corner":            {"at_least: at least 1 dog", "place: dog in the top left of the image"},
		"On the left, a dog. On the right a cat.": {"at_least: at least 1 dog", "at_least: at least 1 cat", "place: dog in the left of the image", "place: cat in the right of the image"},
		"a red cup left of a blue cup": {
			"at_least: at least 2 cup", "color: at least 1 cup that is red", "color: at least 1 cup that is blue", "position: red cup left of blue cup",
		},
		"two dogs, one brown and one black": {
			"exactly: exactly 2 dog", "color: at least 1 dog that is brown", "color: at least 1 dog that is black",
		},
		"a cat between a dog and a tree": {"at_least: at least 1 cat", "at_least: at least 1 dog", "at_least: at least 1 tree", "position: cat between dog and tree"},
		"a dog and a cat are sleeping on the couch": {
			"at_least: at least 1 dog", "at_least: at least 1 cat", "at_least: at least 1 couch",
			"position: dog on couch", "position: cat on couch", "action: dog sleeping", "action: cat sleeping",
		},
		"The car is red. The truck is behind the car and is made of wood.": {
			"at_least: at least 1 car", "color: at least 1 car that is red", "at_least: at least 1 truck",
			"attribute: at least 1 truck that is wooden", "position: truck behind car",
		},
		"a dog on a sofa, looking at a bird": {
			"at_least: at least 1 dog", "at_least: at least 1 couch", "at_least: at least 1 bird", "position: dog on couch", "interaction: dog looking at bird",
		},
		"a bowl of oranges":               {"at_least: at least 1 bowl", "at_least: at least 2 orange", "position: at least 2 orange inside bowl"},
		"a group of people dancing":       {"at_least: at least 3 person", "action: at least 3 person dancing"},
		"exactly one cup, ideally purple": {"exactly: exactly 1 cup", "(color: at least 1 cup that is purple)"},
		"a cup, ideally with a spoon":     {"at_least: at least 1 cup", "(at_least: at least 1 spoon)", "(interaction: cup with spoon)"},
		"a photo of a plane, highly detailed, 8k": {
			"at_least: at least 1 airplane", "(style: the style: photo)", "(style: the style: highly detailed)", "(style: the style: 8k)",
		},
		"an oil painting of a fox in the style of Monet": {"at_least: at least 1 fox", "style: the style: oil painting", "style: the style: in the style of Monet"},
		"a brick house on a hill at sunset":              {"at_least: at least 1 house", "attribute: at least 1 house that is brick", "scene: the scene: hill", "scene: the scene: sunset"},
		"a horse bigger than a barn":                     {"at_least: at least 1 horse", "at_least: at least 1 barn", "interaction: horse bigger than barn"},
		"a man in a black suit holding an umbrella": {
			"at_least: at least 1 man", "at_least: at least 1 suit", "color: at least 1 suit that is black", "at_least: at least 1 umbrella",
			"interaction: man wearing suit", "interaction: man holding umbrella",
		},
		"a street with cars on it": {"at_least: at least 1 street", "at_least: at least 2 car", "interaction: street with car", "position: at least 2 car on street"},
		"a cow on the left and a horse on the right, both brown": {
			"at_least: at least 1 cow", "color: at least 1 cow that is brown", "at_least: at least 1 horse", "color: at least 1 horse that is brown",
			"place: cow in the left of the image", "place: horse in the right of the image",
		},
		`a poster that says "SALE" in red letters`: {
			"at_least: at least 1 poster", "at_least: at least 2 letter", "color: every letter is red", `text: poster with the text "SALE"`,
		},
		"a lake with mountains in the background": {
			"at_least: at least 1 lake", "at_least: at least 2 mountain", "interaction: lake with mountain", "place: at least 2 mountain in the background of the image",
		},
		"a truck with a horse on its left":  {"at_least: at least 1 truck", "at_least: at least 1 horse", "interaction: truck with horse", "position: horse left of truck"},
		"5 ducks in a row":                  {"exactly: exactly 5 duck", "attribute: at least 5 duck that is in a row"},
		"three wine glasses and two knives": {"exactly: exactly 3 wine glass", "exactly: exactly 2 knife"},
		"an orange":                         {"at_least: at least 1 orange"},
		"an orange orange":                  {"at_least: at least 1 orange", "color: at least 1 orange that is orange"},
		"10,000 sheep":                      {"exactly: exactly 10000 sheep"},
		"zero elephants and 0 lions":        {"absent: no elephant", "absent: no lion"},
		"Please draw me a dog":              {"at_least: at least 1 dog"},
	} {
		p, err := requirements.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := said(p); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", text, got, want)
		}
		if len(p.Notes) > 0 {
			t.Errorf("%s: notes %q", text, p.Notes)
		}
	}
}

func TestWhatIsNotReadIsKept(t *testing.T) {
	for text, want := range map[string]struct{ free, note string }{
		"a dog or a cat":                                          {"a dog or a cat", "an open choice is not read: a dog or a cat"},
		"a dog that is not wearing a hat":                         {"is not wearing a hat", ""},
		"the meaning":                                             {"", ""},
		"ein Hund auf einem roten Sofa":                           {"ein Hund auf einem roten Sofa", "it looks like German"},
		"un chien sur un canapé rouge":                            {"un chien sur un canapé rouge", "it looks like French"},
		"a dog, supercalifragilistically":                         {"supercalifragilistically", ""},
		`a sign that says "OPEN`:                                  {"", "a quote is not closed"},
		"two dogs and no dogs":                                    {"", "a contradiction: exactly 2 dog, and no dog"},
		"a cup left of a cup. No cups.":                           {"", "a contradiction: at least 2 cup, and no cup"},
		"a big small dog":                                         {"", "a contradiction: at least 1 dog that is big, and at least 1 dog that is small"},
		"a dog left of a cat and a cat left of the dog":           {"", ""},
		"the cat is left of the dog. the cat is right of the dog": {"", "a contradiction: cat left of dog, and cat right of dog"},
		"a dog on the left. the dog is on the right":              {"", "a contradiction: dog in the left of the image, and dog in the right of the image"},
		"a red car. The car is blue":                              {"", "a contradiction"},

		"дві собаки на червоному дивані": {"дві собаки на червоному дивані", "it looks like Cyrillic letters"},

		"红色沙发上的两只狗": {"红色沙发上的两只狗", "it looks like Chinese"},
	} {
		p, err := requirements.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		free := strings.Join(requirements.Unread(p), "; ")
		if want.free != "" && !strings.Contains(free, want.free) {
			t.Errorf("%s: unread %q, want %q", text, free, want.free)
		}
		if notes := strings.Join(p.Notes, "; "); !strings.Contains(notes, want.note) {
			t.Errorf("%s: notes %q, want %q", text, notes, want.note)
		}
	}
}

func TestHostilePrompts(t *testing.T) {
	for name, text := range map[string]string{
		"empty": " ", "too long": strings.Repeat("dog ", 2000), "not UTF-8": "a dog\xff",
	} {
		if _, err := requirements.Parse(text); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var many strings.Builder
	for w := range strings.FieldsSeq("cup bowl vase fork spoon knife book clock chair bench") {
		for c := range strings.FieldsSeq("red green blue white black pink") {
			many.WriteString("a " + c + " " + w + ", ")
		}
	}
	for name, text := range map[string]string{
		"more than fit":  many.String(),
		"one long word":  strings.Repeat("a", reflectionflow.MaxPromptBytes),
		"one noun":       strings.Repeat("dog ", reflectionflow.MaxPromptBytes/4),
		"commas":         strings.Repeat(",", reflectionflow.MaxPromptBytes),
		"quotes":         strings.Repeat(`"a" `, reflectionflow.MaxPromptBytes/4),
		"open quotes":    strings.Repeat(`"`, 4095),
		"long quote":     `a sign that says "` + strings.Repeat("wow ", 900) + `"`,
		"quoted control": `"` + strings.Repeat("\x19", 1100) + `0"&0`,
		"quoted letters": `"` + strings.Repeat("дві ", 500) + `"`,
		"two red and":    strings.Repeat("two red and ", 340),
		"huge number":    "99999999999999999999999 dogs",
		"nested":         strings.Repeat("a dog on ", 400) + "a dog",
		"and":            strings.Repeat("and ", 1000),
		"adjectives":     strings.Repeat("big red ", 500) + "dog",
		"words":          strings.Repeat("the old man who is in a boat sees ", 110),
		"control":        "a\x00dog\x1b[2J and \u202ea cat",
		"foreign, long":  strings.Repeat("ein Hund und eine Katze ", 160),
		"chinese, long":  strings.Repeat("红色沙发上的两只狗", 140),
		"between nobody": "between between between and and between two and three of the of",
	} {
		p, err := requirements.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkParsed(t, text, p)
	}
	p, err := requirements.Parse(many.String())
	if err != nil || len(p.Requirements) != reflectionflow.MaxRequirements || !strings.Contains(strings.Join(p.Notes, " "), "are left out: ") {
		t.Errorf("%d requirements, %v, %v", len(p.Requirements), p.Notes, err)
	}
}

// checkParsed reports a result that breaks the contract.
func checkParsed(t *testing.T, text string, p reflectionflow.Prompt) {
	t.Helper()
	if p.Text != text {
		t.Error("the text has changed")
	}
	if err := p.Validate(); err != nil {
		t.Errorf("%.80q: %v", text, err)
	}
	for _, s := range p.Notes {
		if !utf8.ValidString(s) || strings.ContainsRune(s, '\n') {
			t.Errorf("%.80q: note %q", text, s)
		}
	}
	for i, r := range p.Requirements {
		if !slices.Contains(reflectionflow.Kinds(), r.Kind) || r.Words == "" {
			t.Errorf("%.80q: %+v", text, r)
		}
		for _, need := range p.Needs(i) {
			if need == i || need >= len(p.Requirements) {
				t.Errorf("%.80q: %d needs %d", text, i, need)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"an astronaut riding a horse, cinematic", `a sign that says "OPEN`, "at least two red cups on the left of a bowl", "no dogs, cats or birds", "between two and four",
		"two dogs, one brown and one black, side by side", "ein Hund", "a photo of a", "1,000,000 of the", "is not", "in the style of", "'tis", "a dog's bone made of", "“", "both", "more colorful than",
		"-5 dogs, minus 3 cats", "over 3 dogs", "under two", "two do\u200bgs\ufeff", "🐶🐶 on a 5️⃣ sofa", "behind",
		"no fewer than 5-7 dogs or more", "two red, one blue and three small balls except one", "the left one is cut in half and the right one", "nothing but nobody else", "half a dozen or 20000 to 9999999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := requirements.Parse(text)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		checkParsed(t, text, p)
		if again, _ := requirements.Parse(text); !slices.Equal(again.Requirements, p.Requirements) {
			t.Fatal("parsed twice, two results")
		}
	})
}

func TestClass(t *testing.T) {
	for object, want := range map[string]struct {
		class    string
		isNarrow bool
	}{
		"couch": {"couch", false}, "sofa": {"couch", false}, "man": {"person", true}, "sports car": {"car", true}, "toy car": {"", false},
		"golden retriever": {"dog", true}, "dragon": {"", false}, "Tennis Ball": {"sports ball", true}, "teddy bear": {"teddy bear", false}, "sea horse": {"", false},
	} {
		if class, narrow := requirements.Class(object); class != want.class || narrow != want.isNarrow {
			t.Errorf("%s: %q, %v", object, class, narrow)
		}
	}
}

func TestBaseColor(t *testing.T) {
	for color, want := range map[string]string{"dark blue": "blue", "red": "red", "black and white": "black and white", "navy blue": "blue"} {
		if got := requirements.BaseColor(color); got != want {
			t.Errorf("%s: %s", color, got)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	prompts := []string{
		"a photo of a red cup and a blue bowl", "a photo of two clocks", "two dogs on a red sofa", "an astronaut riding a horse, cinematic",
		"three metal lions playing with three flamingos, and three bears", `a sign that says "OPEN"`,
		"a man in a black suit holding a red umbrella and a briefcase, standing on a rainy street at night, neon lights, 35mm film, highly detailed",
		"A small red-haired girl sits between two big trees. The girl is smiling and wears a yellow raincoat.",
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := requirements.Parse(prompts[i%len(prompts)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "prompts/s")
}
