package completions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/endpoint"
)

// Structured is a way to request an answer in JSON. With each of them the schema is also
// part of the prompt.
type Structured string

// The ways, from strict to lax.
const (
	Auto   Structured = ""            // the first of the following that the server accepts
	Schema Structured = "json_schema" // the server enforces the schema
	Object Structured = "json_object" // the server enforces JSON
	Prompt Structured = "prompt"      // the prompt alone
)

// Config configures a [Client]. The zero value is valid for servers with one model.
type Config struct {
	// Model is the name of the model; empty sends none.
	Model string
	// Structured is the way to request JSON.
	Structured Structured
	// Images says how images are encoded.
	Images Images
	// MaxTokens bounds answers to requests without a bound; 0 means 2048.
	MaxTokens int
	// RepeatLost repeats a question whose reply was lost although the model costs money
	// and the lost reply may have been charged. Questions to free models are always
	// repeated.
	RepeatLost bool
	// OmitSampling sends neither temperature nor seed, for models that reject them.
	OmitSampling bool
}

// Client asks one model of one endpoint. It implements [chat.Model].
type Client struct {
	endpoint *endpoint.Client
	config   Config

	mu    sync.Mutex
	known limits
}

var _ chat.Model = (*Client)(nil)

// New returns a client and sends nothing. An invalid configuration is an error wrapping
// [reflectionflow.ErrInvalid].
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

// Name returns the endpoint's name.
func (c *Client) Name() string { return c.endpoint.Name() }

// Concurrency returns the number of calls that the endpoint makes at a time.
func (c *Client) Concurrency() int { return c.endpoint.Concurrency() }

// Clean makes a text of the server fit for an error: one line without secrets.
func (c *Client) Clean(text string) string { return c.endpoint.Clean(text) }

// Complete implements [chat.Model]. Its errors are of type [endpoint.Error]: a refusal is
// of kind Declined, a reply that is no chat completion is Malformed.
func (c *Client) Complete(ctx context.Context, r chat.Request) (chat.Reply, error) {
	if err := ctx.Err(); err != nil {
		return chat.Reply{}, fmt.Errorf("endpoint %s: %w", c.Name(), err)
	}
	message, err := c.message(r)
	if err != nil {
		return chat.Reply{}, err
	}
	for {
		known := c.limits()
		reply, err := c.send(ctx, c.wire(r, message, known))
		if err == nil || !c.learn(err, known) {
			return reply, err
		}
	}
}

// maxReply bounds a completion in bytes; log-probabilities take most of it.
const maxReply = 8 << 20

// send makes the call and decodes the completion.
func (c *Client) send(ctx context.Context, w wireRequest) (chat.Reply, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return chat.Reply{}, fmt.Errorf("encode the question: %w", err)
	}
	// Repeating a question is safe, but its lost answer may have been charged.
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
		return chat.Reply{}, c.declined(err)
	}
	reply := completion.reply()
	reply.Cached, reply.Cost = response.Cached, response.Cost
	if err != nil { // another model
		return reply, err
	}
	return reply, c.refusal(completion)
}

// refusal returns the error of a completion that is a refusal, or nil.
func (c *Client) refusal(w wireCompletion) error {
	choice := w.Choices[0]
	switch {
	case choice.Message.Refusal != "":
		return refused{c.endpoint.Errorf(endpoint.Declined, "%s", choice.Message.Refusal)}
	case choice.FinishReason == "content_filter":
		return refused{c.endpoint.Errorf(endpoint.Declined, "a content filter stopped the answer")}
	}
	return nil
}

// declined turns the status by which a content filter rejects a question into a refusal,
// and returns other errors unchanged.
func (c *Client) declined(err error) error {
	var e *endpoint.Error
	if !errors.As(err, &e) || !e.Moderated() {
		return err
	}
	if e.Kind == endpoint.Declined {
		return refused{e}
	}
	return refused{c.endpoint.Errorf(endpoint.Declined, "%s: %s", strings.ToLower(e.Code), e.Message)}
}

// refused is a Declined error that wraps [chat.ErrRefused].
type refused struct{ err *endpoint.Error }

func (r refused) Error() string   { return r.err.Error() }
func (r refused) Unwrap() []error { return []error{r.err, chat.ErrRefused} }
