package testserver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // formats that the servers take
	_ "image/jpeg" //
	_ "image/png"  //
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	_ "golang.org/x/image/webp" // one more
)

// Question is a question that the server has validated.
type Question struct {
	N           int // from 0, over all questions of the double
	System      string
	Text        string // all text parts of user messages
	Images      []image.Image
	Order       string // of the last message's parts: "t" for text, "i" for image
	SchemaName  string
	Schema      json.RawMessage // nil without a json_schema
	JSONObject  bool            // response_format json_object
	Temperature *float64
	Seed        *int64
	MaxTokens   int
	TopLogprobs int
	Body        json.RawMessage // the request as received
}

// Answer is the answer of a model.
type Answer struct {
	Text    string
	Refusal string // instead of Text
	Finish  string // "" means stop
	// Tokens with their alternatives, the chosen one first; sent if the client asked for them.
	Tokens [][]Alternative
	Model  string // named by the reply; "" means the double's
}

// Alternative is a token with the natural logarithm of its probability.
type Alternative struct {
	Token   string
	Logprob float64
}

type chatRequest struct {
	Model               string   `json:"model"`
	Temperature         *float64 `json:"temperature"`
	Seed                *int64   `json:"seed"`
	MaxTokens           int      `json:"max_tokens"`
	MaxCompletionTokens int      `json:"max_completion_tokens"`
	Logprobs            bool     `json:"logprobs"`
	TopLogprobs         int      `json:"top_logprobs"`
	Messages            []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	ResponseFormat *struct {
		Type       string `json:"type"`
		JSONSchema *struct {
			Name   string          `json:"name"`
			Strict bool            `json:"strict"`
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

var (
	errBroken = errors.New("We could not parse the JSON body of your request.") //nolint:revive,staticcheck // the server's own words
	errBlind  = errors.New("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj")
)

// read decodes and checks a request as the dialect's server does.
func (c *Chat) read(r *http.Request) (Question, error) {
	var q Question
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		return q, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil {
		return q, errBroken
	}
	for _, name := range c.options.Reject {
		if _, has := keys[name]; has {
			hint := ""
			if name == "max_tokens" {
				hint = " Use 'max_completion_tokens' instead."
			}
			return q, fmt.Errorf("Unsupported parameter: '%s' is not supported with this model.%s", name, hint) //nolint:revive,staticcheck // the server's own words
		}
	}
	var request chatRequest
	decoder := json.NewDecoder(bytes.NewReader(body))
	if c.options.Dialect == OpenAI {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(&request); err != nil {
		return q, fmt.Errorf("Unrecognized request argument: %w", err) //nolint:revive,staticcheck // the server's own words
	}
	if c.options.Dialect == OpenAI && request.Model == "" {
		return q, errors.New("you must provide a model parameter")
	}
	if request.TopLogprobs < 0 || request.TopLogprobs > 20 || request.TopLogprobs > 0 && !request.Logprobs {
		return q, errors.New("top_logprobs must be from 0 to 20 and needs logprobs")
	}
	q.Body = body
	q.Temperature, q.Seed, q.MaxTokens, q.TopLogprobs = request.Temperature, request.Seed, max(request.MaxTokens, request.MaxCompletionTokens), request.TopLogprobs
	if err := c.readMessages(request, &q); err != nil {
		return q, err
	}
	return q, c.readFormat(request, &q)
}

func (c *Chat) readMessages(request chatRequest, q *Question) error {
	last := ""
	for _, m := range request.Messages {
		if c.options.Dialect == LLaMAFactory && m.Role == last {
			return errors.New("only supports u/a/u/a/u")
		}
		last = m.Role
		var text string
		plain := json.Unmarshal(m.Content, &text) == nil
		switch {
		case m.Role == "system" && plain:
			q.System = text
		case m.Role == "user" && plain:
			q.Text += text
		case m.Role == "user":
			if err := c.readParts(m.Content, q); err != nil {
				return err
			}
		default:
			return fmt.Errorf("role %q", m.Role)
		}
	}
	if q.Text == "" && len(q.Images) == 0 {
		return errors.New("messages must not be empty")
	}
	return nil
}

func (c *Chat) readParts(content json.RawMessage, q *Question) error {
	var parts []struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		ImageURL *struct {
			URL    string `json:"url"`
			Detail string `json:"detail"`
		} `json:"image_url"`
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&parts); err != nil {
		return fmt.Errorf("invalid content: %w", err)
	}
	for _, p := range parts {
		switch {
		case p.Type == "text":
			q.Text += p.Text
			q.Order += "t"
		case p.Type == "image_url" && p.ImageURL != nil && c.options.NoImages:
			return errBlind
		case p.Type == "image_url" && p.ImageURL != nil:
			img, err := c.readImage(p.ImageURL.URL)
			if err != nil {
				return err
			}
			q.Images = append(q.Images, img)
			q.Order += "i"
		default:
			return fmt.Errorf("invalid part type %q", p.Type)
		}
	}
	return nil
}

var dataURI = regexp.MustCompile(`^data:image/(png|jpeg|jpg|webp|gif);base64,`)

// readImage decodes the data URIs that the dialect's server accepts.
func (c *Chat) readImage(url string) (image.Image, error) {
	formats := map[Dialect][]string{
		OpenAI: {"png", "jpeg", "jpg", "webp", "gif"}, VLLM: {"png", "jpeg", "jpg", "webp", "gif"},
		LlamaCpp: {"png", "jpeg", "jpg", "gif"}, Ollama: {"png", "jpeg", "jpg", "webp"}, LLaMAFactory: {"png", "jpeg", "jpg", "gif"},
	}[c.options.Dialect]
	match := dataURI.FindStringSubmatch(url)
	if match == nil || !slices.Contains(formats, match[1]) {
		return nil, errors.New("invalid image input")
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(url, match[0]))
	if err != nil {
		return nil, errors.New("invalid image input: base64")
	}
	img, format, err := image.Decode(bytes.NewReader(data))
	if err != nil || format != strings.Replace(match[1], "jpg", "jpeg", 1) {
		return nil, errors.New("invalid image input: not what the label says")
	}
	return img, nil
}

var schemaName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

func (c *Chat) readFormat(request chatRequest, q *Question) error {
	format := request.ResponseFormat
	if format == nil || c.options.Dialect == LLaMAFactory {
		return nil
	}
	switch format.Type {
	case "text":
	case "json_object":
		if c.options.Dialect == OpenAI && !strings.Contains(strings.ToLower(q.Text+q.System), "json") {
			return errors.New("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.") //nolint:revive,staticcheck // the server's own words
		}
		q.JSONObject = true
	case "json_schema":
		s := format.JSONSchema
		if s == nil || !schemaName.MatchString(s.Name) {
			return errors.New("Invalid 'response_format.json_schema.name'") //nolint:revive,staticcheck // the server's own words
		}
		var schema map[string]any
		if err := json.Unmarshal(s.Schema, &schema); err != nil {
			return fmt.Errorf("response_format schema: %w", err)
		}
		if s.Strict && c.options.Dialect == OpenAI {
			if err := checkStrict(schema, "()"); err != nil {
				return fmt.Errorf("Invalid schema for response_format '%s': %w", s.Name, err) //nolint:revive,staticcheck // the server's own words
			}
		}
		q.SchemaName, q.Schema = s.Name, s.Schema
	default:
		return fmt.Errorf("response_format type %q", format.Type)
	}
	return nil
}

// strictKeys are the schema keywords of OpenAI's strict mode ("Structured
// outputs", supported schemas).
var strictKeys = []string{
	"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "description", "$ref", "$defs", "title",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "pattern", "format",
}

// checkStrict applies the rules of OpenAI's strict mode.
func checkStrict(schema map[string]any, at string) error {
	for key := range schema {
		if !slices.Contains(strictKeys, key) {
			return fmt.Errorf("in context=%s, '%s' is not permitted", at, key)
		}
	}
	if schema["type"] == "object" {
		if schema["additionalProperties"] != false {
			return fmt.Errorf("in context=%s, 'additionalProperties' is required to be supplied and to be false", at)
		}
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		if len(required) != len(properties) {
			return fmt.Errorf("in context=%s, 'required' is required to be supplied and to be an array including every key in properties", at)
		}
		for name, value := range properties {
			inner, ok := value.(map[string]any)
			if !ok || !slices.Contains(required, any(name)) {
				return fmt.Errorf("in context=%s, property '%s' is missing from 'required' or no schema", at, name)
			}
			if err := checkStrict(inner, at+"."+name); err != nil {
				return err
			}
		}
	}
	if items, ok := schema["items"].(map[string]any); ok {
		return checkStrict(items, at+"[]")
	}
	return nil
}
