package geneval_test

import (
	"errors"
	"reflect"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
)

func TestBuiltin(t *testing.T) {
	known := clipart.Classes()[:20]
	for _, c := range []struct {
		name  string
		known []string
		n     int
	}{{"20 classes", known, 60}, {"all classes", nil, 300}, {"one prompt", known, 1}, {"odd number", nil, 31}} {
		t.Run(c.name, func(t *testing.T) {
			list, err := geneval.Builtin(clipart.Tasks(), clipart.Test, c.known, c.n, 5)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != c.n {
				t.Fatalf("%d prompts, want %d", len(list), c.n)
			}
			count, texts := map[string]int{}, map[string]bool{}
			for _, m := range list {
				count[m.Tag]++
				if err := m.Validate(); err != nil || texts[m.Prompt] {
					t.Errorf("%q: %v, or it is there twice", m.Prompt, err)
				}
				texts[m.Prompt] = true
				if got := clipart.SplitOf(m.Prompt); got != clipart.Test {
					t.Errorf("%q is of split %s", m.Prompt, got)
				}
			}
			// Tasks with prompts enough differ by one at most; the others have less.
			for _, tag := range []string{"two_object", "colors", "position", "color_attr"} {
				if d := count["color_attr"] - count[tag]; d < -1 || d > 1 || count[tag] < c.n/6 {
					t.Errorf("%d prompts of %s, %d of color_attr", count[tag], tag, count["color_attr"])
				}
			}
			again, err := geneval.Builtin(clipart.Tasks(), clipart.Test, c.known, c.n, 5)
			if err != nil || !reflect.DeepEqual(again, list) {
				t.Errorf("the same arguments gave other prompts: %v", err)
			}
			other, err := geneval.Builtin(clipart.Tasks(), clipart.Test, c.known, c.n, 6)
			if err != nil || (c.n > 1 && reflect.DeepEqual(other, list)) {
				t.Errorf("another seed gave the same prompts: %v", err)
			}
		})
	}
}

func TestCompoundPrompts(t *testing.T) {
	list, err := geneval.Builtin(clipart.Compound(), clipart.Test, nil, 30, 1)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, m := range list {
		count[m.Tag]++
		prompt, err := m.AsPrompt()
		if err != nil || clipart.SplitOf(m.Prompt) != clipart.Test {
			t.Errorf("%q: split %s, %v", m.Prompt, clipart.SplitOf(m.Prompt), err)
		}
		parsed, err := clipart.Parse(m.Prompt)
		if err != nil || !reflect.DeepEqual(parsed.Requirements, prompt.Requirements) {
			t.Errorf("%q: it reads as %v, is judged by %v, %v", m.Prompt, parsed.Requirements, prompt.Requirements, err)
		}
	}
	if want := map[string]int{"counting_attr": 10, "position_attr": 10, "three_attr": 10}; !reflect.DeepEqual(count, want) {
		t.Errorf("got %v, want %v", count, want)
	}
}

func TestBuiltinRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		known []string
		n     int
	}{
		"unknown class": {[]string{"dog", "cat", "unicorn"}, 6},
		"no prompts":    {nil, 0},
		"too many":      {[]string{"dog", "cat", "cup"}, 5000},
	} {
		if _, err := geneval.Builtin(clipart.Tasks(), clipart.Test, c.known, c.n, 1); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLimit(t *testing.T) {
	var list []geneval.Metadata
	for i, tag := range []string{"counting", "counting", "counting", "counting", "counting", "position", "colors", "colors"} {
		list = append(list, geneval.Metadata{Tag: tag, Prompt: string(rune('a' + i))})
	}
	for n, want := range map[int]string{0: "abcdefgh", 8: "abcdefgh", 99: "abcdefgh", 1: "a", 3: "afg", 5: "acfgh", 7: "abcdfgh"} {
		got := ""
		for _, m := range geneval.Limit(list, n) {
			got += m.Prompt
		}
		if got != want {
			t.Errorf("%d of them: %s, want %s", n, got, want)
		}
	}
}
