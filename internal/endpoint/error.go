package endpoint

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"reflectionflow"
)

// Kind is the kind of a failure.
type Kind string

// The kinds of [Error].
const (
	Refused      Kind = "refused"       // no connection: refused, unknown host, TLS
	Timeout      Kind = "timeout"       // a phase took longer than its bound
	Interrupted  Kind = "interrupted"   // the connection broke before the reply was complete
	Status       Kind = "status"        // the server answered with a status outside 200 to 299
	TooLarge     Kind = "too_large"     // the reply is larger than allowed
	Malformed    Kind = "malformed"     // the reply does not follow the protocol
	BreakerOpen  Kind = "breaker_open"  // not called for a while, after too many failures in a row
	ForbiddenURL Kind = "forbidden_url" // the server pointed to a URL that may not be fetched
	Declined     Kind = "declined"      // a content filter or the model refused the request
	Failed       Kind = "failed"        // the server accepted the work and reports that it failed
	Changed      Kind = "changed"       // another model answers than the run began with
)

// Error is the error of a call. Its text is one line with the endpoint's name and without
// secrets. It wraps [reflectionflow.ErrInvalid] if the request or the configuration is
// to blame (4xx other than 408, 409, 425 and 429, and an image for a model that takes
// none), [reflectionflow.ErrPermanent] if repeating the request cannot help, and the
// cause if there is one. It never matches context.Canceled or context.DeadlineExceeded:
// those are the end of the caller's context, which is not an Error.
type Error struct {
	Endpoint string
	Kind     Kind
	// Phase of a Timeout or Interrupted: connect, tls, headers, body or total.
	Phase string
	// Status is the HTTP status; 0 if there was none.
	Status int
	// Code and Type are the server's error code and type. Without a code, Code is the type.
	Code, Type string
	// Message is the server's text or ours: one line, at most 300 characters, redacted.
	Message string
	// RetryAfter is the wait that the server asked for; 0 for none.
	RetryAfter time.Duration
	// Attempts is the number of attempts.
	Attempts int
	// Lasting marks a Malformed or Failed error that repetition cannot help, such as an
	// image of another size than requested.
	Lasting bool `json:",omitempty"`
	// Body is the first 64 KiB of a Status reply, for protocols that say more than a
	// message. It may hold anything: never print it.
	Body []byte `json:"-"`
	// Err is the cause; nil if Message says it all.
	Err error `json:"-"`
}

// Error returns one line.
func (e *Error) Error() string {
	text := "endpoint " + e.Endpoint + ": " + e.description()
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (after %d attempts)", e.Attempts)
	}
	return text
}

// description returns the text of the error without the endpoint and the attempts.
func (e *Error) description() string {
	var b strings.Builder
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
	return b.String()
}

// Unwrap returns the errors that it wraps.
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

// Retried reports whether the call was repeated already, or must not be for a while.
// Callers then need not repeat it.
func (e *Error) Retried() bool { return e.Attempts > 1 || e.Kind == BreakerOpen }

// IsKind reports whether err is or wraps an [*Error] of that kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// Errorf returns an error of this endpoint, for protocols that are built on the client.
// The text is redacted, shortened and put on one line.
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
