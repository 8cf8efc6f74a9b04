package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
)

// Event is one server-sent event (HTML Living Standard, "Server-sent events").
type Event struct {
	Name string // "" where the server sends none
	Data []byte // its data lines, joined by line breaks
}

// Stream makes a call whose reply is a stream of server-sent events and passes each to
// take, in order. The stream ends with the body or at the data "[DONE]". An error of take
// ends it and is returned. Attempts are repeated as in [Client.Do], but never after the
// first event. The bound on replies applies to all events together.
//
// A server without streaming sends a plain reply: then take is not called and the reply is
// returned, otherwise nil.
func (c *Client) Stream(ctx context.Context, r Request, take func(Event) error) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.contextError(err)
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	var plain *Response
	started := false
	r.read = func(x *exchange, limit int64) (*Response, error) {
		if !strings.HasPrefix(x.response.Header.Get("Content-Type"), "text/event-stream") {
			var err error
			plain, err = x.body(limit)
			return plain, err
		}
		err := x.events(limit, func(e Event) error {
			started = true
			return take(e)
		})
		if started && err != nil {
			err = &consumedError{err}
		}
		return &Response{Status: x.response.StatusCode, Header: x.response.Header}, err
	}
	_, err := c.call(ctx, r, c.URL(r.Path))
	if f, ok := errors.AsType[*consumedError](err); ok {
		err = f.error
	}
	return plain, err
}

// consumedError is an error after which nothing is repeated, because a part of the reply has been
// consumed.
type consumedError struct{ error }

// events reads a body as server-sent events.
func (x *exchange) events(limit int64, take func(Event) error) error {
	body := &io.LimitedReader{R: x.response.Body, N: limit + 1}
	lines := bufio.NewReader(body)
	var event Event
	var data [][]byte
	for {
		line, err := lines.ReadBytes('\n')
		if body.N <= 0 {
			return x.client.tooLarge(limit)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		over := err != nil // the end of the body also ends an event
		line = bytes.TrimRight(line, "\r\n")
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			event.Name = string(value)
		case "data":
			data = append(data, value)
		}
		if len(line) == 0 || over {
			event.Data = x.client.redactBody(bytes.Join(data, []byte("\n")))
			if string(event.Data) == "[DONE]" {
				return nil
			}
			if len(data) > 0 {
				if err := take(event); err != nil {
					return err
				}
			}
			event, data = Event{}, nil
		}
		if over {
			return nil //nolint:nilerr // it is io.EOF
		}
	}
}

// HTTPClient returns an http.Client for protocols that are no calls, such as websockets. It
// sends to the endpoint's own origin only (http or ws), with the endpoint's headers and
// secret, and follows no redirects. Slots, attempts, bounds and breaker do not apply.
func (c *Client) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     authorized{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type authorized struct{ c *Client }

// RoundTrip implements [http.RoundTripper].
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if !sameOrigin(r.URL, a.c.base) {
		return nil, a.c.Errorf(ForbiddenURL, "%s://%s is not this server", r.URL.Scheme, r.URL.Host)
	}
	r = r.Clone(r.Context())
	for key, values := range a.c.config.Header {
		r.Header[http.CanonicalHeaderKey(key)] = values
	}
	a.c.authorize(r.Header)
	return a.c.own.RoundTrip(r)
}
