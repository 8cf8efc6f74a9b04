package clipart

import (
	"slices"
	"strings"
	"testing"

	"reflectionflow"
)

func TestShortCaption(t *testing.T) {
	// GenEval's own prompts are unchanged.
	for _, text := range []string{
		"a photo of a bench", "a photo of an airplane", "a photo of a clock and a dog", "a photo of three clocks",
		"a photo of two benchs", "a photo of four buses", "a photo of two knifes", "a photo of a red dog",
		"a photo of an orange cup", "a photo of a dog right of a tie", "a photo of an apple above a tv",
		"a photo of a red cup and a blue book", "a photo of an orange orange and a black orange",
	} {
		want := text
		if strings.Count(text, "orange") > 2 {
			want = "a photo of one orange orange and one black orange"
		}
		got, err := Canonical(text)
		if err != nil || got != want {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"Dogs on the sofa!":                 "a photo of at least two dogs above a couch",
		"a cup, but no, a red cup":          "",
		"knives, no fork, 2 red plants":     "a photo of at least two knifes, two red potted plants and no fork",
		"a tie under two dogs and a mouse.": "a photo of two dogs above a tie and a computer mouse",
	} {
		got, err := Canonical(text)
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%q became %q, %v, want %q", text, got, err, want)
		}
	}
	if got := ShortCaption(nil); got != "" {
		t.Errorf("nothing is worded %q", got)
	}
}

func TestLongCaption(t *testing.T) {
	at := func(class, color string, x, y float64) Placement {
		return Placement{Class: class, Color: color, X: x, Y: y, Size: 0.3}
	}
	for _, test := range []struct {
		objects []Placement
		want    string
	}{
		{nil, "plain background."},
		{[]Placement{at("bench", "", 0.5, 0.5)}, "a photo of a bench. bench in the middle."},
		{
			[]Placement{at("dog", "", 0.2, 0.5), at("dog", "", 0.8, 0.5)},
			"a photo of two dogs. dog at the left, dog at the right.",
		},
		{
			[]Placement{at("cup", "red", 0.2, 0.2), at("book", "blue", 0.5, 0.8)},
			"a photo of a red cup and a blue book. red cup top left, blue book at the bottom.",
		},
		{
			[]Placement{at("potted plant", "red", 0.2, 0.2), at("teddy bear", "blue", 0.2, 0.8), at("cell phone", "pink", 0.8, 0.8)},
			"a photo of a red potted plant, a blue teddy bear and a pink cell phone. red potted plant top left, blue teddy bear bottom left, pink cell phone bottom right.",
		},
	} {
		if got := LongCaption(Scene{Objects: test.objects}); got != test.want {
			t.Errorf(" got %q\nwant %q", got, test.want)
		}
	}
	prompt, err := Parse("a photo of a dog right of a tie")
	if err != nil {
		t.Fatal(err)
	}
	got := DetailedCaption(prompt.Requirements, Scene{Objects: []Placement{at("dog", "", 0.8, 0.5), at("tie", "", 0.2, 0.5)}})
	want := "a photo of a dog right of a tie. tie at the left, dog at the right."
	if got != want {
		t.Errorf(" got %q\nwant %q", got, want)
	}
}

func TestVocabularyCoversAllCaptions(t *testing.T) {
	vocabulary := Vocabulary()
	seen := make(map[string]bool)
	for _, word := range vocabulary {
		if seen[word] || word != strings.ToLower(word) || len(Words(word)) != 1 {
			t.Errorf("%q is double or no single word", word)
		}
		seen[word] = true
	}
	for _, token := range []string{".", ",", ReflexionToken} {
		if !seen[token] {
			t.Errorf("%q is missing", token)
		}
	}
	if token := Words(reflectionflow.ReflectionMark)[0]; token != ReflexionToken {
		t.Errorf("the mark is the token %q", token)
	}
	used := make(map[string]bool)
	rng := newRand(40)
	for i := range 6000 {
		scene, prompt := Sample(allTasks()[i%len(allTasks())], rng)
		for _, caption := range []string{
			prompt.Text, VariedCaption(prompt.Requirements, rng), LongCaption(scene), DetailedCaption(prompt.Requirements, scene),
		} {
			for _, word := range Words(caption) {
				if used[word] = true; !seen[word] {
					t.Fatalf("%q: %q is not in the vocabulary", caption, word)
				}
			}
		}
	}
	for _, r := range []string{"at least two dogs", "ten red benches left of a cat and no cup"} {
		prompt, err := parseCaption(r)
		if err != nil {
			t.Fatal(err)
		}
		caption := ShortCaption(prompt.Requirements)
		if i := slices.IndexFunc(Words(caption), func(w string) bool { return !seen[w] }); i >= 0 {
			t.Errorf("%q: %q is not in the vocabulary", caption, Words(caption)[i])
		}
	}
	if len(used) < 200 {
		t.Errorf("only %d words are used", len(used))
	}
}
