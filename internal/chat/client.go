package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"net/http"
	"slices"
	"strings"
	"sync"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// Structured says how a server is told to answer in JSON.
type Structured string

// The ways. The schema is in the prompt with each of them.
const (
	// Auto begins with Schema and steps down when the server refuses it.
	Auto   Structured = ""
	Schema Structured = "json_schema"
	Object Structured = "json_object"
	Prompt Structured = "prompt" // nothing but the words
)

// Config says which model is asked and how. Only Model is needed, and that only
// by servers that have several.
type Config struct {
	Model string
	// Structured is how JSON is asked for.
	Structured Structured
	// Images says how pictures are sent.
	Images Images
	// MaxTokens bounds an answer where the request does not; 0 means 2048.
	MaxTokens int
	// RepeatLost asks again when a reply was lost on the way although the model costs
	// money: the lost one may have been charged. A free model is always asked again.
	RepeatLost bool
	// OmitSampling sends neither temperature nor seed, for models that refuse them.
	OmitSampling bool
}

// Client asks one model of one endpoint. It may be used from several goroutines.
type Client struct {
	endpoint *endpoint.Client
	config   Config

	mu    sync.Mutex
	known limits
}

// New makes a client; a senseless configuration is an error wrapping
// [reflectionflow.ErrInvalid]. Nothing is sent.
func New(e *endpoint.Client, config Config) (*Client, error) {
	if e == nil {
		return nil, fmt.Errorf("%w: a chat client needs an endpoint", reflectionflow.ErrInvalid)
	}
	if !slices.Contains([]Structured{Auto, Schema, Object, Prompt}, config.Structured) {
		return nil, fmt.Errorf("%w: structured output %q: use json_schema, json_object or prompt", reflectionflow.ErrInvalid, config.Structured)
	}
	if config.MaxTokens < 0 {
		return nil, fmt.Errorf("%w: %d tokens of answer: must be 1 or more", reflectionflow.ErrInvalid, config.MaxTokens)
	}
	if config.MaxTokens == 0 {
		config.MaxTokens = 2048
	}
	images, err := config.Images.withDefaults()
	if err != nil {
		return nil, err
	}
	config.Images = images
	c := &Client{endpoint: e, config: config}
	c.known.format = map[Structured]Structured{Auto: Schema}[config.Structured]
	if c.known.format == "" {
		c.known.format = config.Structured
	}
	c.known.noSampling = config.OmitSampling
	return c, nil
}

// Name is the endpoint's name.
func (c *Client) Name() string { return c.endpoint.Name() }

// Concurrency is how many questions the endpoint takes at a time.
func (c *Client) Concurrency() int { return c.endpoint.Concurrency() }

// Part is a piece of a message: a text, or an image when it is not nil.
type Part struct {
	Text  string
	Image image.Image
}

// Text is a part of text.
func Text(text string) Part { return Part{Text: text} }

// Request is one question.
type Request struct {
	// System is sent as a system message; leave it empty where the model does not
	// insist: not all servers take one beside images.
	System string
	// Parts make up the one user message.
	Parts []Part
	// Schema, when set, is the form of the answer; see [Ask].
	Schema *Form
	// Temperature is that of sampling; 0 is the most likely answer.
	Temperature float64
	// Seed makes a sampled answer reproducible where the server can; 0 sends none.
	Seed uint64
	// MaxTokens bounds the answer; 0 means the client's bound.
	MaxTokens int
	// TopLogprobs asks for that many alternatives to each token; 0 for none.
	TopLogprobs int
}

// CheckTemperature reports a temperature that no server takes, as an error wrapping
// [reflectionflow.ErrInvalid].
func CheckTemperature(t float64) error {
	if !(t >= 0 && t <= 2) {
		return fmt.Errorf("%w: temperature %v: must be from 0 to 2", reflectionflow.ErrInvalid, t)
	}
	return nil
}

// Form is a JSON schema with a name of letters, digits, _ and -, at most 64 long.
// For OpenAI's strict mode every property is required and none may be added.
type Form struct {
	Name string
	JSON json.RawMessage
}

// Reply is an answer.
type Reply struct {
	Text string
	// Model is what the server says has answered; empty where it says nothing.
	Model string
	// Cut is set when the answer ended at its bound of tokens.
	Cut bool
	// Tokens with their probabilities, where they were asked for and the server has them.
	Tokens []Token
	// Cost in tokens, money and seconds; zero when the reply came from the cache, and
	// that of the call when it was kept by the run that was stopped before using it.
	Cost   reflectionflow.Cost
	Cached bool
}

// Token is a piece of the answer, with the natural logarithm of its probability.
type Token struct {
	Text    string
	Logprob float64
	Top     []Token // the likeliest at this place, without Top of their own
}

// Complete asks and returns the answer. A model that refuses, or whose filter
// does, is an error of kind [endpoint.Declined]; a reply that is no completion is
// [endpoint.Malformed]. A Reply beside an error still carries what it cost.
func (c *Client) Complete(ctx context.Context, r Request) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, fmt.Errorf("endpoint %s: %w", c.Name(), err)
	}
	message, err := c.message(r)
	if err != nil {
		return Reply{}, err
	}
	for {
		known := c.limits()
		reply, err := c.send(ctx, c.wire(r, message, known))
		if err == nil || !c.learn(err, known) {
			return reply, err
		}
	}
}

// maxReply bounds a completion in bytes; log-probabilities are long.
const maxReply = 8 << 20

// send makes the call and reads the completion.
func (c *Client) send(ctx context.Context, w wireRequest) (Reply, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return Reply{}, fmt.Errorf("encode the question: %w", err)
	}
	// A question changes nothing at the server, but its answer may have been paid for.
	repeat := endpoint.RepeatSafe
	if !c.config.RepeatLost && c.endpoint.Charges(c.config.Model) {
		repeat = endpoint.RepeatUncharged
	}
	var completion wireCompletion
	response, err := c.endpoint.JSON(ctx, endpoint.Request{
		Method: http.MethodPost, Path: "/chat/completions", Cacheable: true,
		Repeat: repeat, MaxResponse: maxReply,
		Check: func(*endpoint.Response) error { return completion.check() },
		Asked: c.config.Model,
		Read:  func() endpoint.Reading { return endpoint.Reading{Model: completion.Model, Usage: completion.usage()} },
	}, json.RawMessage(body), &completion)
	if response == nil {
		return Reply{}, c.declined(err)
	}
	reply := completion.reply()
	reply.Cached, reply.Cost = response.Cached, response.Cost
	if err != nil { // another model
		return reply, err
	}
	return reply, c.refusal(completion)
}

// refusal is the error of a model that will not answer.
func (c *Client) refusal(w wireCompletion) error {
	choice := w.Choices[0]
	switch {
	case choice.Message.Refusal != "":
		return c.endpoint.Errorf(endpoint.Declined, "%s", choice.Message.Refusal)
	case choice.FinishReason == "content_filter":
		return c.endpoint.Errorf(endpoint.Declined, "a content filter stopped the answer")
	}
	return nil
}

// declined makes the status by which a server's filter refuses a question the
// refusal that it is.
func (c *Client) declined(err error) error {
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind == endpoint.Declined || !e.Moderated() {
		return err
	}
	return c.endpoint.Errorf(endpoint.Declined, "%s: %s", strings.ToLower(e.Code), e.Message)
}
