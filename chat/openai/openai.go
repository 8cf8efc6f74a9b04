// Package openai connects to vision-language models on servers with OpenAI's chat
// completions API: OpenAI itself, vLLM, llama.cpp, Ollama, LM Studio, LLaMA-Factory.
//
//	model, err := openai.New(openai.Config{URL: "http://localhost:8080/v1"})
//
// The model is what verifier.NewChat, reflector.NewChat and their like need. One model may
// be used by several of them; it shares its limit of concurrent calls.
//
// Calls that fail without an answer (no connection, status 429 or 5xx) are repeated up to
// three times with increasing waits. A parameter that the server rejects (seed, response
// format, log-probabilities) is omitted from then on.
package openai

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/endpoint"
)

// Config configures a model. Only URL is required, and Model by servers with several
// models.
type Config struct {
	// URL is the base URL of the API, for example "https://api.openai.com/v1".
	URL string
	// Model is the model's name on the server.
	Model string
	// Key is sent as a bearer token; empty sends none. It is removed from errors.
	Key string
	// Name identifies the model in errors; empty means the host of URL.
	Name string

	// Concurrency bounds the calls in progress; 0 means 4.
	Concurrency int
	// Timeout bounds a call with all its attempts; 0 means 15 minutes.
	Timeout time.Duration
	// MaxTokens bounds an answer; 0 means 2048.
	MaxTokens int
	// Structured is the way to request JSON: "json_schema", "json_object" or "prompt".
	// Empty tries them in this order.
	Structured string
	// OmitSampling sends neither temperature nor seed, for models that reject them.
	OmitSampling bool

	// ImageFormat is "png" or "jpeg"; empty means png.
	ImageFormat string
	// MaxSide is the longest side of an image in pixels; larger images are scaled down. 0
	// means 1024.
	MaxSide int

	// InputPrice and OutputPrice are in USD per million tokens. They make up the cost of a
	// reply. A call that was lost is not repeated if the model has a price, because it may
	// have been charged.
	InputPrice, OutputPrice float64
	// CacheFolder stores replies, so that the same question is not asked and paid twice;
	// empty stores none.
	CacheFolder string
}

// New returns a model and sends nothing. An invalid configuration is an error wrapping
// [reflectionflow.ErrInvalid]. Errors of calls wrap [reflectionflow.ErrInvalid] if the
// server rejects the request or the key, and [reflectionflow.ErrPermanent] if repeating
// cannot help.
func New(c Config) (chat.Model, error) {
	settings := endpoint.Config{
		Name: c.Name, BaseURL: c.URL, Secret: endpoint.NewSecret(c.Key), Concurrency: c.Concurrency,
		Timeouts: endpoint.Timeouts{Total: c.Timeout, Headers: c.Timeout},
	}
	if u, err := url.Parse(c.URL); c.Name == "" && err == nil {
		settings.Name = u.Host
	}
	if settings.Name == "" {
		settings.Name = "openai"
	}
	switch {
	case c.Timeout < 0:
		return nil, fmt.Errorf("%w: endpoint %s: the timeout is negative", reflectionflow.ErrInvalid, settings.Name)
	case strings.ContainsFunc(c.Key, unicode.IsControl):
		return nil, fmt.Errorf("%w: endpoint %s: the key holds a line break or control character", reflectionflow.ErrInvalid, settings.Name)
	}
	if c.InputPrice != 0 || c.OutputPrice != 0 {
		settings.Prices = endpoint.PriceTable{"*": {InputPerMillion: c.InputPrice, OutputPerMillion: c.OutputPrice}}
	}
	if c.CacheFolder != "" {
		var err error
		if settings.Cache, err = endpoint.NewCache(c.CacheFolder); err != nil {
			return nil, err
		}
	}
	e, err := endpoint.New(settings)
	if err != nil {
		return nil, err
	}
	model, err := completions.New(e, completions.Config{
		Model: c.Model, Structured: completions.Structured(c.Structured), MaxTokens: c.MaxTokens, OmitSampling: c.OmitSampling,
		Images: completions.Images{Format: c.ImageFormat, MaxSide: c.MaxSide},
	})
	if err != nil {
		return nil, err
	}
	return model, nil
}
