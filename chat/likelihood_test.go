package chat_test

import (
	"context"
	"errors"
	"image"
	"math"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
)

// said is a model with one reply.
type said struct {
	reply chat.Reply
	err   error
	asked *chat.Request
}

func (said) Name() string     { return "said" }
func (said) Concurrency() int { return 1 }
func (s said) Complete(_ context.Context, r chat.Request) (chat.Reply, error) {
	if s.asked != nil {
		*s.asked = r
	}
	return s.reply, s.err
}

func token(text string, p float64, top ...chat.Token) chat.Token {
	return chat.Token{Text: text, Logprob: math.Log(p), Top: top}
}

// The probability is that of all variants of the expected answer at the first token.
func TestLikely(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	for name, c := range map[string]struct {
		answer  string
		token   chat.Token
		p       float64
		floored bool
	}{
		"yes":                   {"Yes", token("Yes", .6, token("Yes", .6), token("no", .2), token("▁yes", .1), token(" yes", .05)), .75, false},
		"a number":              {"two", token("2", .5, token("2", .5), token("Two", .2), token("three", .1), token(" two", .1)), .8, false},
		"not among the tokens":  {"Yes", token("No", .9, token("No", .9)), chat.LeastProbability, true},
		"no alternatives":       {"Yes", token("yes", .9), .9, false},
		"other words":           {"Yes", token("Yesterday", .9, token("YES", .05)), chat.LeastProbability, true},
		"more than everything":  {"Yes", token("Yes", 3, token("Yes", 3)), 1, false},
		"not a number":          {"Yes", token("Yes", math.NaN(), token("Yes", math.NaN())), chat.LeastProbability, true},
		"the number of a digit": {"seven", token("7", .25, token("7", .25), token("17", .7)), .25, false},
	} {
		var asked chat.Request
		l, err := chat.Likely(t.Context(), said{chat.Reply{Text: c.token.Text, Tokens: []chat.Token{c.token}}, nil, &asked}, img, chat.Question{Text: "Is it so?", Answer: c.answer})
		if err != nil || math.Abs(l.P-c.p) > 1e-9 || l.Floored != c.floored {
			t.Errorf("%s: %+v, %v, want %v", name, l, err, c.p)
		}
		if asked.MaxTokens != 1 || asked.TopLogprobs != 20 || asked.Temperature != 0 || asked.Parts[0].Image == nil || asked.Parts[1].Text != "Is it so? Answer in one word." {
			t.Errorf("%s: asked %+v", name, asked)
		}
	}
	q := chat.Question{Text: "Is it so?", Answer: "Yes"}
	if _, err := chat.Likely(t.Context(), said{reply: chat.Reply{Text: "Yes"}}, img, q); !errors.Is(err, chat.ErrNoProbabilities) {
		t.Errorf("without log-probabilities: %v", err)
	}
	refused := errors.Join(chat.ErrRefused, reflectionflow.ErrPermanent)
	if l, err := chat.Likely(t.Context(), said{err: refused}, img, q); err != nil || l.Unanswered == "" || l.P != 0 {
		t.Errorf("a refusal: %+v, %v", l, err)
	}
	broken := errors.New("the line is cut")
	if _, err := chat.Likely(t.Context(), said{err: broken}, img, q); !errors.Is(err, broken) {
		t.Errorf("a failure: %v", err)
	}
}
