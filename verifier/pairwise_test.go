package verifier_test

import (
	"errors"
	"image"
	"image/color"
	"math"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/testserver"
	"reflectionflow/verifier"
)

// reds are the levels of red of the images of a question.
func reds(q testserver.Question) (first, second uint32) {
	level := func(m image.Image) uint32 { r, _, _, _ := m.At(0, 0).RGBA(); return r }
	return level(q.Images[0]), level(q.Images[1])
}

func firstWith(p float64) testserver.Answer {
	word := "First"
	if p < .5 {
		word = "Second"
	}
	return testserver.Answer{Text: word, Tokens: [][]testserver.Alternative{{{Token: "First", Logprob: math.Log(p)}, {Token: " second", Logprob: math.Log(1 - p)}}}}
}

// Both orders are asked; what a model prefers for its place cancels out and is measured.
func TestPairwise(t *testing.T) {
	pair := reflectionflow.Pair{Prompt: prompt, First: painted(color.NRGBA{200, 0, 0, 255}), Second: painted(color.NRGBA{50, 0, 0, 255})}
	for name, c := range map[string]struct {
		answer       func(testserver.Question) testserver.Answer
		first, shown float64
		contradicts  bool
		says         string
	}{
		"fair": {func(q testserver.Question) testserver.Answer {
			a, b := reds(q)
			return firstWith(map[bool]float64{true: .9, false: .1}[a > b])
		}, .9, .5, false, "prefers the right one in 100% of 1 pairs"},
		"always the first": {func(testserver.Question) testserver.Answer { return firstWith(.95) }, .5, .95, true, "shown first in 95%"},
		"leans to the first": {func(q testserver.Question) testserver.Answer {
			a, b := reds(q)
			return firstWith(map[bool]float64{true: .98, false: .4}[a > b])
		}, .79, .69, false, "contradicts itself in 0"},
		"refuses": {func(testserver.Question) testserver.Answer { return testserver.Answer{Refusal: "No."} }, .5, .5, false, "none of 1 pairs has an answer"},
		"prose":   {func(testserver.Question) testserver.Answer { return always("Both") }, .5, .5, false, "none of 1 pairs has an answer"},
		"no log-probabilities": {func(q testserver.Question) testserver.Answer {
			a, b := reds(q)
			return testserver.Answer{Text: map[bool]string{true: "First.", false: "Second."}[a > b]}
		}, 1, .5, false, "100% of 1 pairs"},
	} {
		double := testserver.NewChat(t, testserver.ChatOptions{Answer: c.answer})
		p, err := verifier.NewPairwise(talk(t, double))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Compare(t.Context(), []reflectionflow.Pair{pair})
		if err != nil || math.Abs(got[0].First-c.first) > 1e-6 || math.Abs(got[0].Shown-c.shown) > 1e-6 || got[0].Contradicts != c.contradicts || len(double.Questions()) != 2 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if text := verifier.SumUp(got).String(); !strings.Contains(text, c.says) {
			t.Errorf("%s: %s", name, text)
		}
	}
	p, err := verifier.NewPairwise(talk(t, testserver.NewChat(t, testserver.ChatOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Compare(t.Context(), []reflectionflow.Pair{{Prompt: prompt, First: pair.First}}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Error(err)
	}
}

func TestPairwiseConformance(t *testing.T) {
	var pairs []reflectionflow.Pair
	for i := range uint8(3) {
		pairs = append(pairs, reflectionflow.Pair{Prompt: prompt, First: painted(color.NRGBA{200 - i, 0, 0, 255}), Second: painted(color.NRGBA{50, i, 0, 255})})
	}
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		a, b := reds(q)
		return firstWith(.2 + .5*float64(a)/float64(a+b))
	}})
	p, err := verifier.NewPairwise(talk(t, double))
	if err != nil {
		t.Fatal(err)
	}
	conformance.Comparer(t, p, pairs, conformance.Options{})
}

func always(word string) testserver.Answer {
	return testserver.Answer{Text: word, Tokens: [][]testserver.Alternative{{{Token: word}}}}
}
