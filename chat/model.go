package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"

	"reflectionflow"
)

// Model answers questions. Implementations are safe for concurrent use.
type Model interface {
	// Name identifies the model in errors, for example by the name of its endpoint.
	Name() string
	// Concurrency is the number of questions that may be asked at the same time, at least 1.
	Concurrency() int
	// Complete asks one question. The error wraps [ErrRefused] if the model or a content
	// filter declines to answer. A Reply that is returned with an error states the cost.
	Complete(ctx context.Context, r Request) (Reply, error)
}

// Errors of [Ask] and [Model.Complete], for errors.Is.
var (
	// ErrRefused means that the model or a content filter declined to answer. Errors
	// that wrap it also wrap [reflectionflow.ErrPermanent].
	ErrRefused = errors.New("the model refused to answer")
	// ErrUnusable means that two answers in a row did not have the requested form.
	ErrUnusable = errors.New("the model's answer cannot be used")
)

// Unanswered reports whether err means that the model was asked and gave no usable
// answer: [ErrRefused] or [ErrUnusable]. Such an error concerns one question; the model
// may answer others.
func Unanswered(err error) bool {
	return errors.Is(err, ErrUnusable) || errors.Is(err, ErrRefused)
}

// Part is a piece of a message: the image, or the text if Image is nil.
type Part struct {
	Text  string
	Image image.Image
}

// Text returns a part of text.
func Text(text string) Part { return Part{Text: text} }

// Request is one question.
type Request struct {
	// System is the system message; empty sends none. Not all servers accept one
	// together with images.
	System string
	// Parts are the content of the only user message.
	Parts []Part
	// Form is the JSON schema that the answer must follow; nil means free text. See [Ask].
	Form *Form
	// Temperature of sampling, from 0 to 2; 0 gives the most likely answer.
	Temperature float64
	// Seed makes a sampled answer reproducible where the server supports it; 0 sends none.
	Seed uint64
	// MaxTokens bounds the answer; 0 means the model's default.
	MaxTokens int
	// TopLogprobs requests the log-probabilities of that many alternatives per token.
	TopLogprobs int
}

// CheckTemperature returns an error wrapping [reflectionflow.ErrInvalid] if t is outside
// 0 to 2.
func CheckTemperature(t float64) error {
	if !(t >= 0 && t <= 2) {
		return fmt.Errorf("%w: temperature %v: must be from 0 to 2", reflectionflow.ErrInvalid, t)
	}
	return nil
}

// Form is a JSON schema and its name, of letters, digits, _ and -, at most 64. OpenAI's
// strict mode demands that every property is required and that none may be added.
type Form struct {
	Name string
	JSON json.RawMessage
}

// Reply is an answer.
type Reply struct {
	Text string
	// Model is the model that the server names; empty if it names none.
	Model string
	// Truncated is set if the answer ended at its limit of tokens.
	Truncated bool
	// Tokens of the answer with their probabilities, if they were requested and the
	// server supports them.
	Tokens []Token
	// Cost in tokens, USD and seconds. It is zero if the reply came from a cache, except
	// for a reply that an interrupted run paid for and did not use.
	Cost   reflectionflow.Cost
	Cached bool
}

// Token is a token of an answer with the natural logarithm of its probability.
type Token struct {
	Text    string
	Logprob float64
	Top     []Token // the most likely tokens at this place; their own Top is nil
}
