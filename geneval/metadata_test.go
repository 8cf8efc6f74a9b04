package geneval_test

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
)

// sample is one line of each task in the official file's wording and spacing.
func sample(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/metadata.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func read(t testing.TB, text string) []geneval.Metadata {
	t.Helper()
	list, err := geneval.ReadMetadata(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Metadata is written byte-identical to what was read, so that prompts compare as in
// GenEval.
func TestMetadataRoundTrip(t *testing.T) {
	var b strings.Builder
	if err := geneval.WriteMetadata(&b, read(t, sample(t))); err != nil {
		t.Fatal(err)
	}
	if b.String() != sample(t) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), sample(t))
	}
}

// A prompt that contains JSON punctuation keeps the official spacing.
func TestTextQuotes(t *testing.T) {
	m := geneval.Metadata{Tag: "single_object", Include: []geneval.Include{{Class: "dog", Count: 1}}, Prompt: `a "dog", {a} \: <b>, c`}
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a \"dog\", {a} \\: <b>, c"}`
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestBadMetadata(t *testing.T) {
	const good = `{"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a photo of a dog"}`
	line := func(tag, clauses, prompt string) string {
		return `{"tag": "` + tag + `", ` + clauses + `, "prompt": "` + prompt + `"}`
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"\n\n", "no prompts"},
		"no object":        {"dog\n", "line 1"},
		"two on a line":    {good + good, "something follows"},
		"cut off":          {good[:40], "line 1"},
		"unknown field":    {line("colors", `"colour": "red"`, "a"), "colour"},
		"unknown tag":      {good + "\n" + line("texture", `"include": [{"class": "dog", "count": 1}]`, "a"), `line 2: invalid input: unknown tag "texture"`},
		"unknown class":    {line("counting", `"include": [{"class": "unicorn", "count": 1}]`, "a"), `unknown class "unicorn"`},
		"official mouse":   {line("counting", `"include": [{"class": "mouse", "count": 1}]`, "a"), `unknown class "mouse"`},
		"unknown excluded": {line("counting", `"exclude": [{"class": "unicorn", "count": 1}]`, "a"), `unknown class "unicorn"`},
		"unknown color":    {line("colors", `"include": [{"class": "dog", "count": 1, "color": "grey"}]`, "a"), `unknown color "grey"`},
		"no count":         {line("colors", `"include": [{"class": "dog"}]`, "a"), "count 0 of dog"},
		"too many":         {line("colors", `"include": [{"class": "dog", "count": 17}]`, "a"), "count 17"},
		"nothing asked":    {line("colors", `"include": []`, "a"), "0 include and exclude"},
		"no prompt":        {line("colors", `"include": [{"class": "dog", "count": 1}]`, " "), "prompt is empty"},
		"odd relation":     {line("position", `"include": [{"class": "cat", "count": 1}, {"class": "dog", "count": 1, "position": ["near", 0]}]`, "a"), `unknown relation "near"`},
		"own target":       {line("position", `"include": [{"class": "dog", "count": 1, "position": ["above", 0]}]`, "a"), "must be an earlier one"},
		"negative target":  {line("position", `"include": [{"class": "cat", "count": 1}, {"class": "dog", "count": 1, "position": ["above", -1]}]`, "a"), "must be an earlier one"},
		"short position":   {line("position", `"include": [{"class": "cat", "count": 1}, {"class": "dog", "count": 1, "position": ["above"]}]`, "a"), "list of two"},
		"duplicate":        {good + "\n\n" + good, "line 3: the prompt \"a photo of a dog\" is in line 1 already"},
		"long line":        {good + "\n" + strings.Repeat(" ", 1<<17) + good, "line 2 has more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := geneval.ReadMetadata(strings.NewReader(c.text))
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an invalid input that says %q", err, c.says)
			}
		})
	}
}

func FuzzReadMetadata(f *testing.F) {
	f.Add(sample(f))
	f.Add(`{"tag":"position","include":[{"class":"cat","count":1},{"class":"dog","count":1,"position":[0,"above"]}],"prompt":"p"}`)
	f.Add("{}\n{")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := geneval.ReadMetadata(strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
			return
		}
		var b strings.Builder
		if err := geneval.WriteMetadata(&b, list); err != nil {
			t.Fatal(err)
		}
		if again := read(t, b.String()); !reflect.DeepEqual(again, list) {
			t.Fatalf("got %v, want %v", again, list)
		}
		for _, m := range list { // whatever is valid can be judged
			_, _ = m.AsPrompt()
			geneval.Evaluate(m, geneval.OfficialThresholds(), square, nil)
		}
	})
}

// The requirements are the ones that the parser finds in GenEval's wording.
func TestAsPrompt(t *testing.T) {
	for _, m := range read(t, sample(t)) {
		got, err := m.AsPrompt()
		if err != nil {
			t.Fatal(err)
		}
		want, err := clipart.Parse(m.Prompt)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", m.Prompt, got, want)
		}
		back, err := geneval.FromPrompt(m.Tag, got)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%s: got back %v, %v; want %v", m.Prompt, back, err, m)
		}
	}
}

func TestAsPromptRefuses(t *testing.T) {
	m := geneval.Metadata{Tag: "counting", Exclude: []geneval.Exclude{{Class: "dog", Count: 3}}, Prompt: "fewer than three dogs"}
	if _, err := m.AsPrompt(); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	m = geneval.Metadata{Tag: "single_object", Include: []geneval.Include{{Class: "dog", Count: 1}}, Exclude: []geneval.Exclude{{Class: "cat", Count: 1}}, Prompt: "a dog and no cat"}
	p, err := m.AsPrompt()
	if want, _ := clipart.Parse(m.Prompt); err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %v, %v; want %v", p, err, want)
	}
}

func TestFromPromptRefuses(t *testing.T) {
	for _, text := range []string{"two red cups", "a dog and no red cup"} {
		p, err := clipart.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := geneval.FromPrompt("counting", p); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v, %v", text, m, err)
		}
	}
}
