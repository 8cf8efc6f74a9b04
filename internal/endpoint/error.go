package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"reflectionflow"
)

// Kind says what went wrong with a call.
type Kind string

// The kinds of [Error].
const (
	Refused      Kind = "refused"       // no connection: refused, unknown host, TLS
	Timeout      Kind = "timeout"       // a phase took longer than its bound
	Interrupted  Kind = "interrupted"   // the connection broke before the reply was complete
	Status       Kind = "status"        // the server answered with a status that is no success
	TooLarge     Kind = "too_large"     // the reply is larger than allowed
	Malformed    Kind = "malformed"     // the reply is not what the protocol says
	BreakerOpen  Kind = "breaker_open"  // too many failures in a row: left alone for a while
	ForbiddenURL Kind = "forbidden_url" // the server pointed to a URL that may not be fetched
	Declined     Kind = "declined"      // the server understood and will not: a model's refusal, a filter
	Failed       Kind = "failed"        // the server took the work and reports that it could not do it
	Changed      Kind = "changed"       // the server is not the one that the run began with: another model
)

// Error is how a call fails. Its text is one line with the endpoint's name and
// without secrets. It wraps [reflectionflow.ErrInvalid] when the request is to
// blame (4xx other than 408, 409 and 429, and a picture for a model that takes
// none), and the cause where there is one.
// What is not an Error is the end of the caller's context: then errors.Is finds
// context.Canceled or context.DeadlineExceeded; an Error never matches those.
type Error struct {
	Endpoint string
	Kind     Kind
	// Phase of a Timeout or Interrupted: slot, connect, tls, headers, body or total.
	Phase string
	// Status is the HTTP status, 0 when there was none.
	Status int
	// Code is the server's own error code, where it gave one.
	Code string
	// Message is the server's own words or ours: one line, shortened, redacted.
	Message string
	// RetryAfter is what the server asked to wait, 0 for nothing.
	RetryAfter time.Duration
	// Attempts is how many were made.
	Attempts int
	// Body is the first 64 KiB of a Status reply, for clients whose server says
	// more than a message. It may hold anything: never print it.
	Body []byte `json:"-"`
	// Err is the cause; nil when Message says it all.
	Err error `json:"-"`
}

// Error says in one line what happened at which endpoint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("endpoint " + e.Endpoint + ": ")
	switch e.Kind {
	case Refused:
		b.WriteString("no connection")
	case Timeout:
		b.WriteString("timeout")
	case Interrupted:
		b.WriteString("the connection broke")
	case Status:
		fmt.Fprintf(&b, "status %d %s", e.Status, http.StatusText(e.Status))
	case TooLarge:
		b.WriteString("the reply is too large")
	case Malformed:
		b.WriteString("malformed reply")
	case BreakerOpen:
		b.WriteString("not called after too many failures")
	case ForbiddenURL:
		b.WriteString("URL not allowed")
	case Declined:
		b.WriteString("declined")
	case Failed:
		b.WriteString("the work failed")
	case Changed:
		b.WriteString("the server has changed")
	default:
		b.WriteString(string(e.Kind))
	}
	if e.Phase != "" {
		b.WriteString(" (" + e.Phase + ")")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (after %d attempts)", e.Attempts)
	}
	return b.String()
}

// Unwrap lists what the error is, besides an *Error.
func (e *Error) Unwrap() []error {
	var list []error
	if e.Kind == Status && callersFault(e.Status) || e.blind() {
		list = append(list, reflectionflow.ErrInvalid)
	}
	if e.Err != nil {
		list = append(list, e.Err)
	}
	return list
}

func callersFault(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusRequestTimeout &&
		status != http.StatusConflict && status != http.StatusTooManyRequests
}

// blind reports whether a server says that its model takes no pictures. llama.cpp
// without a projector says so with status 500, as if another try could help.
func (e *Error) blind() bool {
	if e.Kind != Status || e.Status != http.StatusInternalServerError {
		return false
	}
	said := strings.ToLower(e.Message)
	return strings.Contains(said, "image input is not supported") || strings.Contains(said, `unsupported content part type: "image_url"`)
}

// IsKind reports whether err is or wraps an [*Error] of that kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// Errorf makes an error of this endpoint, for protocols built on the client: a
// reply that decodes but makes no sense, a refusal. The text is redacted,
// shortened and put on one line.
func (c *Client) Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Endpoint: c.config.Name, Kind: kind, Message: c.clean(fmt.Sprintf(format, args...))}
}

const (
	maxMessage   = 300
	maxErrorBody = 64 << 10
)

// clean makes foreign text fit to print: redacted, one line, shortened.
func (c *Client) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(c.redact.Replace(text), ""))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}

// statusError reads the shapes in which servers put errors: OpenAI's
// {"error":{"message","code"}}, stable-diffusion.cpp's and Ollama's
// {"error":"text"}, FastAPI's {"detail":…}, and plain text.
func (c *Client) statusError(status int, body []byte) *Error {
	e := &Error{Endpoint: c.config.Name, Kind: Status, Status: status, Body: body}
	var shape struct {
		Error   json.RawMessage `json:"error"`
		Detail  json.RawMessage `json:"detail"`
		Message json.RawMessage `json:"message"`
		Code    json.RawMessage `json:"code"`
	}
	if json.Unmarshal(body, &shape) != nil {
		if !looksLikeHTML(body) {
			e.Message = c.clean(string(body))
		}
		return e
	}
	var inner struct {
		Message string          `json:"message"`
		Code    json.RawMessage `json:"code"`
		Type    string          `json:"type"`
	}
	if json.Unmarshal(shape.Error, &inner) == nil && (inner.Message != "" || inner.Type != "") {
		e.Message, e.Code = c.clean(inner.Message), c.clean(plain(inner.Code))
		if e.Code == "" {
			e.Code = c.clean(inner.Type)
		}
		return e
	}
	for _, raw := range []json.RawMessage{shape.Error, shape.Detail, shape.Message} {
		if text := plain(raw); text != "" {
			e.Message, e.Code = c.clean(text), c.clean(plain(shape.Code))
			break
		}
	}
	return e
}

// plain is the text of a JSON string, or the JSON of anything else but null.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

func looksLikeHTML(body []byte) bool {
	head := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 256)])))
	return strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html") || strings.HasPrefix(head, "<?xml") || strings.HasPrefix(head, "<head")
}
