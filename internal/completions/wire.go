package completions

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/endpoint"
)

// The wire types follow OpenAI's chat completions; keys that other servers add are ignored.
type wireRequest struct {
	Model               string        `json:"model,omitempty"`
	Messages            []wireMessage `json:"messages"`
	Temperature         *float64      `json:"temperature,omitempty"`
	Seed                *int64        `json:"seed,omitempty"`
	MaxTokens           int           `json:"max_tokens,omitempty"`
	MaxCompletionTokens int           `json:"max_completion_tokens,omitempty"`
	ResponseFormat      *wireFormat   `json:"response_format,omitempty"`
	Logprobs            bool          `json:"logprobs,omitempty"`
	TopLogprobs         int           `json:"top_logprobs,omitempty"`
}

type wireMessage struct {
	Role    string `json:"role"`
	Content any    `json:"content"` // string or []wirePart
}

type wirePart struct {
	Type     string     `json:"type"`
	Text     string     `json:"text,omitempty"`
	ImageURL *wireImage `json:"image_url,omitempty"`
}

type wireImage struct {
	URL string `json:"url"`
}

type wireFormat struct {
	Type       string      `json:"type"`
	JSONSchema *wireSchema `json:"json_schema,omitempty"`
}

type wireSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict bool            `json:"strict"`
}

// limits are the restrictions of a server that its refusals have shown.
type limits struct {
	format     Structured // the strictest that it accepts
	noSampling bool       // neither temperature nor seed
	noSeed     bool
	noLogprobs bool
	newBound   bool // max_completion_tokens instead of max_tokens
}

func (c *Client) limits() limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

// learn records the parameter that an error rejects, if the request can be sent without
// it, and reports whether to send it again. The request was sent under known.
func (c *Client) learn(err error, known limits) bool {
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind != endpoint.Status || e.Status != http.StatusBadRequest &&
		e.Status != http.StatusUnprocessableEntity && e.Status != http.StatusNotImplemented {
		return false
	}
	said := strings.ToLower(e.Message)
	next := known
	switch {
	case known.format != Prompt && c.config.Structured == Auto && anyOf(said, "response_format", "json_schema", "json schema", "structured", "grammar"):
		next.format = map[Structured]Structured{Schema: Object, Object: Prompt}[known.format]
	case !known.newBound && strings.Contains(said, "max_completion_tokens"):
		next.newBound = true
	case !known.noLogprobs && strings.Contains(said, "logprobs"):
		next.noLogprobs = true
	case !known.noSeed && strings.Contains(said, "seed"):
		next.noSeed = true
	case !known.noSampling && strings.Contains(said, "temperature"):
		next.noSampling = true
	default:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == known { // otherwise a concurrent question has learned first
		c.known = next
	}
	return true
}

func anyOf(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// message returns the messages, which do not depend on the limits of the server.
func (c *Client) message(r chat.Request) ([]wireMessage, error) {
	var messages []wireMessage
	if r.System != "" {
		messages = append(messages, wireMessage{"system", r.System})
	}
	var parts []wirePart
	var text strings.Builder
	images := false
	for _, p := range r.Parts {
		if p.Image == nil {
			parts = append(parts, wirePart{Type: "text", Text: p.Text})
			text.WriteString(p.Text)
			continue
		}
		uri, err := c.config.Images.dataURI(p.Image)
		if err != nil {
			return nil, err
		}
		images = true
		parts = append(parts, wirePart{Type: "image_url", ImageURL: &wireImage{uri}})
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%w: the question is empty", reflectionflow.ErrInvalid)
	}
	if !images { // servers without image support often accept only a string
		return append(messages, wireMessage{"user", text.String()}), nil
	}
	return append(messages, wireMessage{"user", parts}), nil
}

// wire returns the request within the known limits of the server.
func (c *Client) wire(r chat.Request, messages []wireMessage, known limits) wireRequest {
	w := wireRequest{Model: c.config.Model, Messages: messages}
	if !known.noSampling {
		w.Temperature = &r.Temperature
		if r.Seed != 0 && !known.noSeed {
			seed := int64(r.Seed & math.MaxInt32) // llama.cpp accepts 32 bits
			w.Seed = &seed
		}
	}
	bound := r.MaxTokens
	if bound == 0 {
		bound = c.config.MaxTokens
	}
	if known.newBound {
		w.MaxCompletionTokens = bound
	} else {
		w.MaxTokens = bound
	}
	if r.TopLogprobs > 0 && !known.noLogprobs {
		w.Logprobs, w.TopLogprobs = true, r.TopLogprobs
	}
	if r.Form != nil {
		switch known.format {
		case Schema:
			w.ResponseFormat = &wireFormat{Type: "json_schema", JSONSchema: &wireSchema{r.Form.Name, r.Form.JSON, true}}
		case Object:
			w.ResponseFormat = &wireFormat{Type: "json_object"}
		}
	}
	return w
}

// wireCompletion is the reply.
type wireCompletion struct {
	Model   string          `json:"model"`
	Error   json.RawMessage `json:"error"` // some gateways send errors with status 200
	Choices []struct {
		FinishReason string `json:"finish_reason"`
		Message      struct {
			Content wireContent `json:"content"`
			Refusal string      `json:"refusal"`
		} `json:"message"`
		Logprobs *struct {
			Content []wireToken `json:"content"`
		} `json:"logprobs"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		Details          *struct {
			CachedTokens int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

type wireToken struct {
	Token   string      `json:"token"`
	Logprob float64     `json:"logprob"`
	Top     []wireToken `json:"top_logprobs"`
}

// wireContent is a string, null, or a list of parts with texts.
type wireContent string

// UnmarshalJSON implements [json.Unmarshaler].
func (w *wireContent) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err == nil {
		if text != nil {
			*w = wireContent(*text)
		}
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return errors.New("the message's content is neither a string nor a list of parts")
	}
	var all strings.Builder
	for _, p := range parts {
		all.WriteString(p.Text)
	}
	*w = wireContent(all.String())
	return nil
}

// check returns an error for a reply without an answer.
func (w *wireCompletion) check() error {
	switch {
	case len(w.Error) > 0 && string(w.Error) != "null":
		return fmt.Errorf("an error with status 200: %s", w.Error)
	case len(w.Choices) == 0:
		return errors.New("no choices: is this a chat completions endpoint?")
	}
	return nil
}

func (w *wireCompletion) usage() endpoint.Usage {
	u := endpoint.Usage{Calls: 1}
	if w.Usage != nil {
		u.TokensIn, u.TokensOut = w.Usage.PromptTokens, w.Usage.CompletionTokens
		if w.Usage.Details != nil {
			u.CachedIn = w.Usage.Details.CachedTokens
		}
	}
	return u
}

func (w *wireCompletion) reply() chat.Reply {
	choice := w.Choices[0]
	r := chat.Reply{Text: string(choice.Message.Content), Model: w.Model, Truncated: choice.FinishReason == "length"}
	if choice.Logprobs != nil {
		for _, t := range choice.Logprobs.Content {
			token := chat.Token{Text: t.Token, Logprob: min(t.Logprob, 0)}
			for _, top := range t.Top {
				token.Top = append(token.Top, chat.Token{Text: top.Token, Logprob: min(top.Logprob, 0)})
			}
			r.Tokens = append(r.Tokens, token)
		}
	}
	return r
}
