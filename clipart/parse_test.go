package clipart

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a photo of a bench", "at least 1 bench"},
		{"A Photo Of A BENCH!!", "at least 1 bench"},
		{"an image of an apple.", "at least 1 apple"},
		{"there is a dog", "at least 1 dog"},
		{"dog", "at least 1 dog"},
		{"dogs", "at least 2 dog"},
		{"a photo of a clock and a dog", "at least 1 clock; at least 1 dog"},
		{"a clock, a dog, and a cup", "at least 1 clock; at least 1 dog; at least 1 cup"},
		{"a photo of three clocks", "exactly 3 clock"},
		{"3 clocks", "exactly 3 clock"},
		{"one clock", "exactly 1 clock"},
		{"exactly one clock", "exactly 1 clock"},
		{"at least two clocks", "at least 2 clock"},
		{"two dogs and a cat", "exactly 2 dog; at least 1 cat"},
		{"a photo of two benchs", "exactly 2 bench"},
		{"two benches", "exactly 2 bench"},
		{"two knifes", "exactly 2 knife"},
		{"two knives", "exactly 2 knife"},
		{"two buses", "exactly 2 bus"},
		{"three people", "exactly 3 person"},
		{"three persons", "exactly 3 person"},
		{"four sheep", "exactly 4 sheep"},
		{"two sheeps", "exactly 2 sheep"},
		{"two computer mouses", "exactly 2 computer mouse"},
		{"two mice", "exactly 2 computer mouse"},
		{"two scissorses", "exactly 2 scissors"},
		{"a pair of scissors", "at least 1 scissors"},
		{"a pair of dogs", "exactly 2 dog"},
		{"two wine glasses", "exactly 2 wine glass"},
		{"a photo of a red dog", "at least 1 red dog"},
		{"a cute red dog", "at least 1 red dog"},
		{"an orange", "at least 1 orange"},
		{"an orange cup", "at least 1 orange cup"},
		{"an orange orange", "at least 1 orange orange"},
		{"two oranges and a blue orange", "exactly 2 orange; at least 1 blue orange"},
		{"a photo of a red cup and a blue book", "at least 1 red cup; at least 1 blue book"},
		{"a red cup and a blue cup", "exactly 1 red cup; exactly 1 blue cup"},
		{"a hot dog and a dog", "at least 1 hot dog; at least 1 dog"},
		{"a teddy bear", "at least 1 teddy bear"},
		{"a photo of a dog right of a tie", "at least 1 dog; at least 1 tie; dog right of tie"},
		{"a dog to the left of a tie", "at least 1 dog; at least 1 tie; dog left of tie"},
		{"a dog is on the left of the tie", "at least 1 dog; at least 1 tie; dog left of tie"},
		{"a dog on top of a tie", "at least 1 dog; at least 1 tie; dog above tie"},
		{"a dog under a tie", "at least 1 dog; at least 1 tie; dog below tie"},
		{"left of a cat is a dog", "at least 1 cat; at least 1 dog; cat right of dog"},
		{"a dog left of a cat and above a tie", "at least 1 dog; at least 1 cat; at least 1 tie; dog left of cat; dog above tie"},
		{"a dog left of a cat left of a tie", "at least 1 dog; at least 1 cat; at least 1 tie; dog left of cat; cat left of tie"},
		{"a red dog and a cat. the dog is below the cat.", "at least 1 red dog; at least 1 cat; red dog below cat"},
		{"a dog next to a cat", "at least 1 dog; at least 1 cat"},
		{"a dog with a red tie on a plain background", "at least 1 dog; at least 1 red tie"},
		{"a dog on the left and a cat in the right corner", "at least 1 dog; at least 1 cat; dog left of cat"},
		{"a cup and no dog", "at least 1 cup; no dog"},
		{"a cup without dogs or cats", "at least 1 cup; no dog; no cat"},
		{"a cup without a dog or a cat", "at least 1 cup; no dog; no cat"},
		{"no dogs, cats and a cup", "no dog; no cat; at least 1 cup"},
		{"a red dog and no blue dog", "at least 1 red dog; no blue dog"},
		{"zero dogs, one cat", "no dog; exactly 1 cat"},
		{"a sofa, a television, a phone and a remote", "at least 1 couch; at least 1 tv; at least 1 cell phone; at least 1 tv remote"},
		{"a keyboard, a doughnut, a plane, a motorbike", "at least 1 computer keyboard; at least 1 donut; at least 1 airplane; at least 1 motorcycle"},
		{"a photo of two dogs. there are exactly two dogs. plain background.", "exactly 2 dog"},
		{"a dog. there is exactly one dog.", "exactly 1 dog"},
		{"a dog right of a red tie. red tie upper left, dog lower right", "at least 1 dog; at least 1 red tie; dog right of red tie; red tie above dog"},
	} {
		prompt, err := Parse(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		var got []string
		for _, r := range prompt.Requirements {
			got = append(got, r.String())
		}
		if s := strings.Join(got, "; "); s != test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.text, s, test.want)
		}
		if prompt.Text != test.text {
			t.Errorf("%q became %q", test.text, prompt.Text)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct {
		text       string
		kind       ParseErrorKind
		word       string
		position   int
		suggestion string
	}{
		{"", EmptyText, "", 0, ""},
		{"a photo of", EmptyText, "", 0, ""},
		{strings.Repeat("dog ", 2000), BadText, "", 0, ""},
		{"dog \xff", BadText, "", 0, ""},
		{"a photo of a clok", UnknownObject, "clok", 13, "clock"},
		{"two tedy bears", UnknownWord, "tedy", 4, "teddy bear"},
		{"a xylophone", UnknownObject, "xylophone", 2, ""},
		{"a fluffy dog", Unsupported, "fluffy", 2, ""},
		{"a sparkly dog", UnknownWord, "sparkly", 2, ""},
		{"a gren dog", UnknownColor, "gren", 2, "green"},
		{"a grey dog", UnknownColor, "grey", 2, "black"},
		{"five dogs", CountOutOfRange, "five", 0, ""},
		{"two dogs and three cats", CountOutOfRange, "cats", 19, ""},
		{"eleven dogs", CountOutOfRange, "eleven", 0, ""},
		{"99999999999999999999 dogs", CountOutOfRange, "99999999999999999999", 0, ""},
		{"two clocks and no clock", Contradiction, "clock", 18, ""},
		{"two dogs, three dogs", Contradiction, "dogs", 16, ""},
		{"one cup and two red cups", Contradiction, "cups", 20, ""},
		{"no cup and a red cup", Contradiction, "cup", 17, ""},
		{"a dog left of a cat and a cat left of the dog", Contradiction, "left of", 30, ""},
		{"a red dog left of a cat and a cat left of the dog", Contradiction, "left of", 34, ""},
		{"a dog left of a cat, the cat left of a tie, the tie left of the dog", Contradiction, "left of", 52, ""},
		{"a dog above a dog", Unsupported, "above", 6, ""},
		{"a red and blue dog", Unsupported, "red", 2, ""},
		{"a red blue dog", Unsupported, "blue", 6, ""},
		{"a red person", Unsupported, "person", 6, ""},
		{"some dogs", Unsupported, "some", 0, ""},
		{"at most two dogs", Unsupported, "at most", 0, ""},
		{"a dog or a cat", Unsupported, "or", 6, ""},
		{"a dog left of", MissingObject, "left of", 6, ""},
		{"a dog left of no cat", MissingObject, "left of", 6, ""},
		{"a dog and two", MissingObject, "two", 10, ""},
		{"without", MissingObject, "without", 0, ""},
	} {
		_, err := Parse(test.text)
		var parse *ParseError
		if !errors.As(err, &parse) || !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%.60q: error %v", test.text, err)
			continue
		}
		got := fmt.Sprint(parse.Kind, parse.Word, parse.Position, parse.Suggestion)
		if want := fmt.Sprint(test.kind, test.word, test.position, test.suggestion); got != want {
			t.Errorf("%.60q: got %s, want %s (%v)", test.text, got, want, err)
		}
		if line := err.Error(); line == "" || len(line) > 260 || strings.Contains(line, "\n") {
			t.Errorf("%.60q: error line %q", test.text, line)
		}
	}
	_, err := Parse("a photo of a clok")
	if got, want := err.Error(), `unknown object "clok": did you mean "clock"?`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseKnowsEveryName(t *testing.T) {
	for _, class := range Classes() {
		for _, text := range []string{"two " + genEvalPlural(class), "two " + englishPlural(class)} {
			prompt, err := Parse(text)
			if err != nil || !slices.Equal(prompt.Requirements, []reflectionflow.Requirement{exactly(2, class, "")}) {
				t.Errorf("%q: %v, %v", text, prompt.Requirements, err)
			}
		}
		for _, color := range Colors() {
			text := "a photo of " + article(color+" "+class)
			prompt, err := Parse(text)
			if class == person {
				if err == nil {
					t.Errorf("%q is accepted", text)
				}
				continue
			}
			if err != nil || !slices.Equal(prompt.Requirements, []reflectionflow.Requirement{one(class, color)}) {
				t.Errorf("%q: %v, %v", text, prompt.Requirements, err)
			}
		}
	}
	for _, s := range synonyms {
		prompt, err := Parse("a " + s[0])
		if err != nil || prompt.Requirements[0].Object != s[1] {
			t.Errorf("%q: %v, %v", s[0], prompt.Requirements, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"a photo of a red cup and a blue book", "two clocks and no clock", "left of a cat is a dog, one orange",
		"a photo of three dogs. there are exactly three dogs, one at the left. plain background.",
		"a dog left of a cat and above a pair of scissors without any mice or men", "12 grey clok\xff", "’'&½٣ a\u0301",
		"two dogs: one black and one orange, a cup on the left", "on the right a red and a blue cup, top left a bird and a bird", "two cats, both black, behind a box",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prompt, err := Parse(text)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatalf("%q: %v is not invalid input", text, err)
			}
			return
		}
		if len(prompt.Requirements) == 0 {
			t.Fatalf("%q requires nothing", text)
		}
		caption := ShortCaption(prompt.Requirements)
		again, err := Parse(caption)
		if len(caption) > reflectionflow.MaxPromptBytes {
			return
		}
		if err != nil {
			t.Fatalf("%q became %q: %v", text, caption, err)
		}
		if promptKey(again.Requirements) != promptKey(prompt.Requirements) {
			t.Fatalf("%q became %q: %v, not %v", text, caption, again.Requirements, prompt.Requirements)
		}
	})
}
