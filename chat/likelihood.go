package chat

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/english"
)

// ErrNoProbabilities means that a server returned no log-probabilities.
var ErrNoProbabilities = errors.New("the server returns no log-probabilities (top_logprobs), so no answer has a probability: use a server that does")

// LeastProbability is what an answer has that is not among the tokens of a reply: servers
// return the most likely ones only.
const LeastProbability = 1e-6

// Likelihood is the probability of the expected answer to a [Question].
type Likelihood struct {
	// P is from [LeastProbability] to 1, where the model answered.
	P float64
	// Among is the probability of all answers of the expected kind: yes or no, first or
	// second, or any number.
	// Where it is small, the model answered something else.
	Among float64
	// Floored is set where the expected answer was not among the tokens.
	Floored bool
	// Said is the model's own answer, shortened.
	Said string
	// Unanswered says why there is no probability: the model refused. Empty otherwise.
	Unanswered string
	Cost       reflectionflow.Cost
}

// answerSuffix asks for one word, in the words of GenEval 2.
const answerSuffix = " Answer in one word."

// Likely asks a question about an image and returns the probability of the expected answer:
// Soft-TIFA (GenEval 2). It is the probability that the first token of the answer is a
// variant of the word (yes and Yes; two, Two and 2), summed over the 20 most likely tokens
// at temperature 0. A server that returns no log-probabilities gives [ErrNoProbabilities].
func Likely(ctx context.Context, m Model, img image.Image, q Question) (Likelihood, error) {
	return LikelyText(ctx, m, img, q.Text+answerSuffix, q.Answer)
}

// LikelyText is [Likely] with a text that is sent as it is.
func LikelyText(ctx context.Context, m Model, img image.Image, text, answer string) (Likelihood, error) {
	return LikelyParts(ctx, m, []Part{{Image: img}, Text(text)}, answer)
}

// LikelyParts is [Likely] with a message of any parts, which asks for one word.
func LikelyParts(ctx context.Context, m Model, parts []Part, answer string) (Likelihood, error) {
	r := Request{Parts: parts, TopLogprobs: 20, MaxTokens: 1}
	reply, err := m.Complete(ctx, r)
	if err == nil && len(reply.Tokens) > 0 && firstWord(reply.Tokens) == nil { // a line break before the answer
		spent := reply.Cost
		r.MaxTokens = 4
		reply, err = m.Complete(ctx, r)
		reply.Cost = spent.Add(reply.Cost)
	}
	l := Likelihood{Cost: reply.Cost, Said: oneLine(shorten(reply.Text, 40))}
	if Unanswered(err) {
		l.Unanswered = err.Error()
		return l, nil
	}
	if err != nil {
		return l, err
	}
	if len(reply.Tokens) == 0 {
		return l, fmt.Errorf("endpoint %s: %w", m.Name(), ErrNoProbabilities)
	}
	if first := firstWord(reply.Tokens); first != nil {
		l.P = mass(*first, variantsOf(answer))
		l.Among = mass(*first, func(word string) bool { return sameKind(word, answer) })
	}
	if l.P < LeastProbability {
		l.P, l.Floored = LeastProbability, true
	}
	return l, nil
}

// firstWord is the first token that is not blank, nil where all are.
func firstWord(tokens []Token) *Token {
	for i := range tokens {
		if bare(tokens[i].Text) != "" {
			return &tokens[i]
		}
	}
	return nil
}

// Variants are the spellings of an expected answer: those of GenEval 2.
func Variants(answer string) []string {
	answer = strings.TrimSpace(answer)
	lower := strings.ToLower(answer)
	variants := []string{lower}
	if lower != "" {
		variants = append(variants, strings.ToUpper(lower[:1])+lower[1:])
	}
	for n := range 11 {
		if lower == english.Number(n) {
			variants = append(variants, fmt.Sprint(n))
		}
	}
	return variants
}

// variantsOf reports a spelling of the answer.
func variantsOf(answer string) func(word string) bool {
	variants := Variants(answer)
	return func(word string) bool { return slices.Contains(variants, word) }
}

// sameKind reports a word that could answer a question with this answer.
func sameKind(word, answer string) bool {
	word, answer = strings.ToLower(word), strings.ToLower(strings.TrimSpace(answer))
	for _, kind := range [][]string{{"yes", "no"}, {"first", "second"}, numberWords()} {
		if slices.Contains(kind, answer) {
			return slices.Contains(kind, word)
		}
	}
	return word == answer
}

// numberWords are the numbers to twenty as digits, and to ten in words.
func numberWords() []string {
	var list []string
	for n := range 21 {
		list = append(list, fmt.Sprint(n))
		if n <= 10 {
			list = append(list, english.Number(n))
		}
	}
	return list
}

// mass is the probability of some words at a token, at most 1.
func mass(t Token, is func(word string) bool) float64 {
	sum, chosen := 0.0, false
	for _, top := range t.Top {
		if is(bare(top.Text)) {
			sum += math.Exp(top.Logprob)
		}
		chosen = chosen || top.Text == t.Text
	}
	if !chosen && is(bare(t.Text)) {
		sum += math.Exp(t.Logprob)
	}
	if !(sum >= 0) { // a server that sends what is no logarithm of a probability
		return 0
	}
	return min(sum, 1)
}

// Says reports whether a model's own words begin with a spelling of the answer, or with
// another answer of its kind; neither where they begin with something else.
func (q Question) Says(text string) (expected, other bool) {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	first = strings.ToLower(strings.Trim(bare(first), ".,!:;\"'*`"))
	expected = slices.Contains(Variants(q.Answer), first)
	return expected, !expected && sameKind(first, q.Answer)
}

// bare is the text of a token without spaces, also as tokenizers write them.
func bare(token string) string { return strings.Trim(token, " \t\r\n▁Ġ") }
