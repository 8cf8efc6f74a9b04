package testserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Dialect is the server that a [Chat] double imitates.
type Dialect string

// The dialects, and how they differ (each project's API reference and source).
const (
	OpenAI       Dialect = "openai"        // refuses unknown parameters; strict schemas must require all properties; PNG, JPEG, WebP, GIF
	VLLM         Dialect = "vllm"          // {"error":{"message","type","code"}}, code a number; usage details null
	LlamaCpp     Dialect = "llama.cpp"     // no WebP; raw base64 too; "model" is a file name; adds "timings"
	Ollama       Dialect = "ollama"        // data URIs of PNG, JPEG, WebP only: "invalid image input"; log-probabilities ignored, as versions before late 2025 do
	LLaMAFactory Dialect = "llama-factory" // response_format ignored; user and assistant must alternate; no WebP
)

// ChatOptions configure a [Chat] double; the zero value imitates OpenAI.
type ChatOptions struct {
	Dialect Dialect
	// Model is the model that the server accepts and that replies name; "" means "double-1".
	Model string
	// Key, if set, must be sent as a bearer token.
	Key string
	// Reject lists top-level parameters that are refused as unsupported, as some models do with
	// max_tokens, temperature, logprobs or response_format.
	Reject []string
	// NoImages refuses images.
	NoImages bool
	// Answer is the model; nil means [DefaultAnswer].
	Answer func(Question) Answer
}

// Chat is a double of a server of chat completions.
type Chat struct {
	// URL is the base URL, /v1 included.
	URL     string
	server  *httptest.Server
	options ChatOptions

	mu        sync.Mutex
	faults    []Fault
	questions []Question
	requests  int
}

// NewChat starts a double, which ends with the test.
func NewChat(t testing.TB, o ChatOptions) *Chat {
	t.Helper()
	if o.Dialect == "" {
		o.Dialect = OpenAI
	}
	if o.Model == "" {
		o.Model = "double-1"
	}
	if o.Answer == nil {
		o.Answer = DefaultAnswer
	}
	c := &Chat{options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", c.complete)
	mux.HandleFunc("GET /v1/models", c.models)
	c.server = httptest.NewServer(mux)
	c.URL = c.server.URL + "/v1"
	t.Cleanup(c.Close)
	return c
}

// Close ends the server; later connections are refused.
func (c *Chat) Close() { c.server.Close() }

// Fail queues faults: each of the next requests gets one, in order.
func (c *Chat) Fail(faults ...Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, faults...)
}

// SetModel changes the model that replies name, as a redeployment does.
func (c *Chat) SetModel(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options.Model = name
}

// Requests returns the number of requests, refused and failed ones included.
func (c *Chat) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Questions returns the questions that reached the model, in order.
func (c *Chat) Questions() []Question {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.questions)
}

func (c *Chat) models(w http.ResponseWriter, _ *http.Request) {
	reply(w, 200, map[string]any{"object": "list", "data": []any{
		map[string]any{"id": c.options.Model, "object": "model", "created": 1, "owned_by": "double"},
	}})
}

func (c *Chat) complete(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	var fault Fault
	if len(c.faults) > 0 {
		fault, c.faults = c.faults[0], c.faults[1:]
	}
	c.mu.Unlock()
	if fault != nil {
		fault(w, r, http.HandlerFunc(c.honest))
		return
	}
	c.honest(w, r)
}

// honest serves a request as the real server would.
func (c *Chat) honest(w http.ResponseWriter, r *http.Request) {
	if c.options.Key != "" && r.Header.Get("Authorization") != "Bearer "+c.options.Key {
		c.refuse(w, 401, "invalid_api_key", "Incorrect API key provided: "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		return
	}
	question, err := c.read(r)
	switch {
	case err != nil && c.options.Dialect == LlamaCpp && (errors.Is(err, errBroken) || errors.Is(err, errBlind)):
		// This server calls it a failure of its own (recorded).
		reply(w, 500, map[string]any{"error": map[string]any{"code": 500, "message": err.Error(), "type": "server_error"}})
		return
	case err != nil:
		c.refuse(w, 400, "invalid_request_error", err.Error())
		return
	}
	c.mu.Lock()
	question.N = len(c.questions)
	c.questions = append(c.questions, question)
	model := c.options.Model
	c.mu.Unlock()
	answer := c.options.Answer(question)
	if answer.Model != "" {
		model = answer.Model
	}
	c.write(w, question, answer, model)
}

// refuse sends an error in the dialect's form.
func (c *Chat) refuse(w http.ResponseWriter, status int, code, message string) {
	inner := map[string]any{"message": message, "type": "invalid_request_error", "param": nil, "code": code}
	switch c.options.Dialect {
	case VLLM:
		inner["type"], inner["code"] = "BadRequestError", status
	case LlamaCpp:
		inner["code"] = status
	case LLaMAFactory:
		reply(w, status, map[string]any{"detail": message})
		return
	}
	reply(w, status, map[string]any{"error": inner})
}

func (c *Chat) write(w http.ResponseWriter, q Question, a Answer, model string) {
	finish := a.Finish
	if finish == "" {
		finish = "stop"
	}
	message := map[string]any{"role": "assistant", "content": a.Text, "refusal": nil}
	if a.Refusal != "" {
		message["content"], message["refusal"] = nil, a.Refusal
	}
	choice := map[string]any{"index": 0, "finish_reason": finish, "message": message, "logprobs": nil}
	if q.TopLogprobs > 0 && c.options.Dialect != Ollama && len(a.Tokens) > 0 {
		var content []any
		for _, alternatives := range a.Tokens {
			content = append(content, token(alternatives))
		}
		logprobs := map[string]any{"content": content}
		if c.options.Dialect == OpenAI {
			logprobs["refusal"] = nil
		}
		choice["logprobs"] = logprobs
	}
	usage := map[string]any{"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
	out := map[string]any{"id": fmt.Sprintf("chatcmpl-%d", q.N), "object": "chat.completion", "created": 1, "model": model, "choices": []any{choice}, "usage": usage}
	switch c.options.Dialect {
	case OpenAI:
		usage["prompt_tokens_details"] = map[string]any{"cached_tokens": 0, "audio_tokens": 0}
		out["system_fingerprint"] = "fp_1"
	case VLLM:
		usage["prompt_tokens_details"] = nil
	case LlamaCpp:
		out["timings"] = map[string]any{"predicted_ms": 1.5}
	}
	reply(w, 200, out)
}

func token(alternatives []Alternative) map[string]any {
	var top []any
	for _, a := range alternatives {
		var list []int
		for _, b := range []byte(a.Token) {
			list = append(list, int(b))
		}
		top = append(top, map[string]any{"token": a.Token, "logprob": a.Logprob, "bytes": list})
	}
	first := alternatives[0]
	return map[string]any{"token": first.Token, "logprob": first.Logprob, "bytes": nil, "top_logprobs": top}
}

func reply(w http.ResponseWriter, status int, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(data) //nolint:errcheck // the client has left: that is a test too
}
