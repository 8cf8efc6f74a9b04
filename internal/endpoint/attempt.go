package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// The causes with which the client's timers cancel an attempt. They never leave the
// package: a caller sees a Timeout error.
var (
	errTotal   = errors.New("the call took too long")
	errHeaders = errors.New("no headers in time")
	errIdle    = errors.New("no data in time")
)

// phase is the current phase of an attempt; httptrace sets it from other goroutines.
type phase struct{ name atomic.Value }

func (p *phase) set(name string) { p.name.Store(name) }

func (p *phase) String() string {
	name, _ := p.name.Load().(string)
	return name
}

func (p *phase) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:           func(string) { p.set("connect") },
		ConnectStart:      func(string, string) { p.set("connect") },
		TLSHandshakeStart: func() { p.set("tls") },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				p.set("headers")
			}
		},
		GotConn: func(httptrace.GotConnInfo) { p.set("headers") },
	}
}

// exchange is an attempt whose headers have arrived and whose body is to be read.
type exchange struct {
	client   *Client
	parent   context.Context //nolint:containedctx // tells who ended it: the caller or we; an exchange lives within its call
	cancel   context.CancelCauseFunc
	phase    phase
	idle     *time.Timer // nil: no bound
	started  time.Time
	response *http.Response
}

// attempt sends a request once and reads the whole reply.
func (c *Client) attempt(ctx context.Context, r Request, u *url.URL) (*Response, error) {
	x, err := c.begin(ctx, r, u)
	if err != nil {
		return nil, err
	}
	defer x.close()
	return x.complete(r)
}

// begin sends a request once and returns when the headers have arrived, whatever the
// status.
func (c *Client) begin(parent context.Context, r Request, u *url.URL) (*exchange, error) {
	via := r.via
	if via == nil {
		via = c.own
	}
	ctx, cancel := context.WithCancelCause(parent)
	x := &exchange{client: c, parent: parent, cancel: cancel, started: time.Now()}
	x.phase.set("connect")
	request, err := c.request(httptrace.WithClientTrace(ctx, x.phase.trace()), r, u)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	// A transport that was passed in has no bound of its own.
	var headers *time.Timer
	if t := c.config.Timeouts; t.Headers > 0 {
		bound := t.Headers + max(t.Connect, 0) + max(t.TLS, 0)
		headers = time.AfterFunc(bound, func() { cancel(errHeaders) })
	}
	c.count(func(s *Spent) { s.Attempts++ })
	response, err := via.RoundTrip(request) //nolint:bodyclose // exchange.close does
	if headers != nil {
		headers.Stop()
	}
	if err != nil {
		defer cancel(nil)
		return nil, x.classify(ctx, err)
	}
	x.phase.set("body")
	if t := c.config.Timeouts.Idle; t > 0 {
		x.idle = time.AfterFunc(t, func() { cancel(errIdle) })
	}
	x.response = response
	response.Body = &idleReader{body: response.Body, x: x, ctx: ctx}
	return x, nil
}

// close ends the exchange and abandons the rest of the body.
func (x *exchange) close() {
	if x.idle != nil {
		x.idle.Stop()
	}
	x.cancel(nil)
	x.response.Body.Close()
}

// complete reads the body within its bound and checks the status.
func (x *exchange) complete(r Request) (*Response, error) {
	c := x.client
	status := x.response.StatusCode
	if to := x.response.Header.Get("Location"); r.redirect != nil && to != "" && status >= 300 && status <= 399 {
		return &Response{Status: status}, r.redirect(to)
	}
	if status < 200 || status > 299 {
		body, _ := io.ReadAll(io.LimitReader(x.response.Body, maxErrorBody)) // a truncated message is better than none
		if err := x.parent.Err(); err != nil {
			return nil, x.classify(x.parent, err)
		}
		e := c.statusError(status, []byte(c.redact.text.Replace(string(c.redactBody(body)))))
		e.RetryAfter = retryAfter(x.response.Header, c.config.Clock.Now())
		if location := x.response.Header.Get("Location"); e.Message == "" && location != "" {
			e.Message = c.clean("the server redirects to " + location + ": set that as the base URL if it is right")
		}
		return nil, e
	}
	limit := c.config.MaxResponse
	if r.MaxResponse != 0 {
		limit = r.MaxResponse
	}
	read := r.read
	if read == nil {
		read = (*exchange).body
	}
	response, err := read(x, limit)
	if err != nil {
		return nil, err
	}
	if r.Check != nil {
		if err := r.Check(response); err != nil {
			if said := c.ErrorIn(response.Body); said != nil {
				return nil, said
			}
			return nil, c.malformed(err)
		}
	}
	return response, nil
}

// body reads the whole body into memory.
func (x *exchange) body(limit int64) (*Response, error) {
	c := x.client
	if x.response.ContentLength > limit {
		return nil, c.tooLarge(limit)
	}
	body, err := io.ReadAll(io.LimitReader(x.response.Body, limit+1))
	switch {
	case err != nil:
		return nil, err // from idleReader: an *Error or the end of ctx
	case int64(len(body)) > limit:
		return nil, c.tooLarge(limit)
	}
	c.count(func(s *Spent) { s.BytesIn += int64(len(body)) })
	return &Response{Status: x.response.StatusCode, Header: c.redactHeader(x.response.Header), Body: c.redactBody(body), Elapsed: time.Since(x.started)}, nil
}

func (c *Client) tooLarge(limit int64) *Error {
	return c.Errorf(TooLarge, "more than %d bytes", limit)
}

// malformed turns err into a Malformed error unless it is an *Error.
func (c *Client) malformed(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	e = c.Errorf(Malformed, "%v", err)
	e.Err = err
	return e
}

// idleReader restarts the idle timer at every read and classifies read errors.
type idleReader struct {
	body io.ReadCloser
	x    *exchange
	ctx  context.Context //nolint:containedctx // a body is read long after its request, under the same context
}

func (w *idleReader) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if n > 0 && w.x.idle != nil {
		w.x.idle.Reset(w.x.client.config.Timeouts.Idle)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.x.classify(w.ctx, err)
	}
	return n, err
}

func (w *idleReader) Close() error { return w.body.Close() }

// request builds the HTTP request. The secret is sent to the endpoint's own origin only.
func (c *Client) request(ctx context.Context, r Request, u *url.URL) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, invalid("endpoint %s: %s", c.config.Name, c.clean(err.Error()))
	}
	if sameOrigin(u, c.base) {
		for key, values := range c.config.Header {
			request.Header[http.CanonicalHeaderKey(key)] = values
		}
		for key, values := range r.Header {
			request.Header[http.CanonicalHeaderKey(key)] = values
		}
		c.authorize(request.Header)
	}
	if r.Body != nil {
		contentType := r.ContentType
		if contentType == "" {
			contentType = "application/json"
		}
		request.Header.Set("Content-Type", contentType)
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "reflectionflow")
	}
	return request, nil
}

// classify turns the error that ended an attempt into an *Error: a timer, the network,
// or the end of the caller's context.
func (x *exchange) classify(ctx context.Context, err error) error {
	c := x.client
	cause := context.Cause(ctx)
	e := &Error{Endpoint: c.config.Name, Phase: x.phase.String(), Attempts: 1}
	var timeout net.Error
	switch {
	case errors.Is(cause, errTotal):
		e.Kind, e.Phase = Timeout, "total"
	case errors.Is(cause, errHeaders), errors.Is(cause, errIdle):
		e.Kind = Timeout
	case x.parent.Err() != nil:
		return c.contextError(x.parent.Err())
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind = Timeout
	case e.Phase == "connect" || e.Phase == "tls":
		e.Kind, e.Message = Refused, c.reason(err)
	default:
		e.Kind, e.Message = Interrupted, c.reason(err)
	}
	if e.Kind == Timeout && (e.Phase == "connect" || e.Phase == "tls") {
		e.Kind, e.Message = Refused, "timeout" // the server never saw the request
	}
	return e
}

// reason returns the innermost text of a network error, without addresses in URLs.
func (c *Client) reason(err error) string {
	var forbidden *addressError
	var dns *net.DNSError
	var op *net.OpError
	var wrapped *url.Error
	switch {
	case errors.As(err, &forbidden):
		return c.clean(forbidden.Error())
	case errors.As(err, &dns):
		return c.clean("no such host " + dns.Name)
	case errors.As(err, &op):
		return c.clean(op.Op + ": " + op.Err.Error())
	case errors.As(err, &wrapped):
		return c.clean(wrapped.Err.Error())
	}
	return c.clean(err.Error())
}
