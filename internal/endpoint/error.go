package endpoint

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

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
	// Code and Type are the server's own error code and type; where it gave no code,
	// Code is the type too.
	Code, Type string
	// Message is the server's own words or ours: one line, shortened, redacted.
	Message string
	// RetryAfter is what the server asked to wait, 0 for nothing.
	RetryAfter time.Duration
	// Attempts is how many were made.
	Attempts int
	// Lasting marks a Malformed or Failed error that no repetition changes, such as an
	// image of a size that was not asked for.
	Lasting bool `json:",omitempty"`
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
	if e.callersFault() {
		list = append(list, reflectionflow.ErrInvalid)
	}
	if e.Permanent() {
		list = append(list, reflectionflow.ErrPermanent)
	}
	if e.Err != nil {
		list = append(list, e.Err)
	}
	return list
}

// Retried reports whether the call was repeated, or must not be for a while: nobody
// needs to repeat it again.
func (e *Error) Retried() bool { return e.Attempts > 1 || e.Kind == BreakerOpen }

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

func looksLikeHTML(body []byte) bool {
	head := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 256)])))
	return strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html") || strings.HasPrefix(head, "<?xml") || strings.HasPrefix(head, "<head")
}
