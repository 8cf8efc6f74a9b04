package english_test

import (
	"testing"

	"reflectionflow/internal/english"
)

func TestPlural(t *testing.T) {
	for one, many := range map[string]string{
		"dog": "dogs", "bus": "buses", "sandwich": "sandwiches", "fire hydrant": "fire hydrants", "knife": "knives", "person": "people",
		"wine glass": "wine glasses", "glass of wine": "glasses of wine", "toy": "toys", "cherry": "cherries", "policeman": "policemen",
		"human": "humans", "red sheep": "red sheep", "computer mouse": "computer mice", "": "", "x": "xes",
	} {
		if got := english.Plural(one); got != many {
			t.Errorf("%q: %q, want %q", one, got, many)
		}
	}
}

func TestArticle(t *testing.T) {
	for phrase, want := range map[string]string{
		"dog": "a dog", "apple": "an apple", "unicorn": "a unicorn", "hourglass": "an hourglass", "unimpressed cat": "an unimpressed cat",
		"scissors": "scissors", "red broccoli": "some red broccoli", "umbrella": "an umbrella", "pair of jeans": "a pair of jeans",
	} {
		if got := english.Article(phrase); got != want {
			t.Errorf("%q: %q, want %q", phrase, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "zero", 7: "seven", 10: "ten", 11: "11", -1: "-1"} {
		if got := english.Number(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
