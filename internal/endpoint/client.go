package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"reflectionflow"
)

// Client talks to one endpoint. It may be used from several goroutines; the bounds of
// its [Config] apply to all of them together.
type Client struct {
	config  Config
	base    *url.URL
	allowed hostRules
	redact  redactor
	slots   chan struct{}
	breaker *gobreaker.TwoStepCircuitBreaker[any] // nil: never opens
	// own is for the endpoint and the hosts that the user named in full, open for hosts
	// that match a pattern, which must have public addresses.
	own, open http.RoundTripper

	mu    sync.Mutex
	pause time.Time // nothing is sent before: the server asked for it
	spent Spent
	// models are the models that replies named, in order of appearance.
	models []string
	first  string // the first model, with its checksum
	// lastFailure describes the last failure that counted for the breaker.
	lastFailure string
}

// New returns a client. An invalid configuration is an error wrapping
// [reflectionflow.ErrInvalid]. Nothing is sent yet.
func New(config Config) (*Client, error) {
	base, err := config.validate()
	if err != nil {
		return nil, err
	}
	config = config.withDefaults()
	c := &Client{config: config, base: base, redact: newRedactor(config.Secret), slots: make(chan struct{}, config.Concurrency)}
	if c.allowed, err = parseHosts(config.AllowHosts); err != nil {
		return nil, err
	}
	if config.Prices != nil {
		if err := config.Prices.Validate(); err != nil {
			return nil, err
		}
	}
	c.own, c.open = config.Transport, config.Transport
	if config.Transport == nil {
		c.own, c.open = newTransport(config, false), newTransport(config, true)
	}
	if n := config.Breaker.Failures; n > 0 {
		c.breaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
			Name:         config.Name,
			Timeout:      config.Breaker.Open,
			ReadyToTrip:  func(counts gobreaker.Counts) bool { return int(counts.ConsecutiveFailures) >= n },
			IsSuccessful: func(err error) bool { return !unhealthy(err) },
			IsExcluded:   func(err error) bool { return errors.Is(err, errAbandoned) },
		})
	}
	return c, nil
}

// Name returns the endpoint's name.
func (c *Client) Name() string { return c.config.Name }

// Concurrency returns the number of calls that may be in progress at a time; callers need
// no more goroutines than that.
func (c *Client) Concurrency() int { return c.config.Concurrency }

// Clock returns the client's clock, for protocols that wait themselves.
func (c *Client) Clock() Clock { return c.config.Clock }

// URL joins a path, which may have a query, to the base URL. The caller may replace the
// scheme, as for websockets.
func (c *Client) URL(path string) *url.URL {
	path, query, _ := strings.Cut(path, "?")
	u := *c.base
	u.Path = strings.TrimRight(u.Path, "/")
	if path != "" {
		u.Path += "/" + strings.TrimLeft(path, "/")
	}
	u.RawPath, u.RawQuery = "", query
	return &u
}

// Repeat tells which failed attempts of a call are repeated. Permanent failures never
// are; see [Error.Permanent].
type Repeat int

const (
	// RepeatByMethod repeats GET, HEAD, OPTIONS, PUT and DELETE. Other methods are repeated
	// only if the server did nothing: there was no connection, or it answered 429.
	RepeatByMethod Repeat = iota
	// RepeatSafe is for calls that may be repeated although their method does not say so: a
	// question to a language model, a job with its own key.
	RepeatSafe
	// RepeatUncharged is for calls that may be repeated but cost money. They are repeated if
	// the server did nothing or reports a failure (no connection, 408, 409, 429, 5xx), and
	// not if the reply was lost, because it may have been charged.
	RepeatUncharged
	// RepeatNever makes one attempt.
	RepeatNever
)

// Request describes one call.
type Request struct {
	Method string // "" means GET
	// Path is joined to the base URL; see [Client.URL].
	Path   string
	Query  url.Values
	Header http.Header // added to the endpoint's headers; no secrets
	Body   []byte
	// ContentType of Body; "" means application/json if there is a body.
	ContentType string
	Repeat      Repeat
	// Cacheable calls are answered from the cache if it has the reply, and concurrent equal
	// calls share one reply. Equal means: method, URL, content type and body are equal.
	Cacheable bool
	// Read is called after Check has accepted a reply and returns the model and the usage
	// that the reply states; nil if it states none. Asked is the requested model: prices go
	// by it.
	Read  func() Reading
	Asked string
	// Check validates a successful reply before it is returned or cached. Its error becomes
	// a Malformed error unless it is an *Error or the reply itself holds an error; see
	// [Client.ErrorIn]. nil accepts all.
	Check func(*Response) error
	// MaxResponse replaces the endpoint's bound if it is not 0.
	MaxResponse int64

	via      http.RoundTripper  // nil: the endpoint's transport
	redirect func(string) error // receives a redirect's target; nil: a redirect is an error
	// read replaces exchange.body.
	read func(x *exchange, limit int64) (*Response, error)
}

// Reading is what a reply states about itself.
type Reading struct {
	Model string // that answered; empty if the server does not name it
	Usage Usage
}

// reading returns what a reply states about itself, with the model's name cleaned.
func (c *Client) reading(r Request) Reading {
	if r.Read == nil {
		return Reading{}
	}
	reading := r.Read()
	reading.Model = c.clean(reading.Model)
	return reading
}

// Response is a complete reply with a status from 200 to 299.
type Response struct {
	Status   int
	Header   http.Header // from the cache: only Content-Type
	Body     []byte
	Cached   bool // nothing was sent, so it costs nothing
	Attempts int
	// Elapsed is the duration of the last attempt, in which the server did its work; 0 from
	// the cache.
	Elapsed time.Duration
	// Cost of a call whose Request has Read: tokens, money and seconds; zero from the cache.
	// From a ledger it is the cost of the original call, charged once.
	Cost reflectionflow.Cost

	call Call // as stored in a ledger
}

// Do makes a call: it waits for a slot, sends, repeats where that is safe, and reads the
// whole reply. The error is an [*Error], an error wrapping [reflectionflow.ErrInvalid]
// for a request that cannot be sent, or the end of ctx. With an error of kind [Changed]
// the Response is returned too, for its Cost.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.contextError(err)
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	u := c.URL(r.Path)
	if len(r.Query) > 0 {
		q := u.Query()
		maps.Copy(q, r.Query)
		u.RawQuery = q.Encode()
	}
	if r.Cacheable {
		return c.cached(ctx, r, u)
	}
	response, err := c.call(ctx, r, u)
	if err != nil {
		return nil, err
	}
	return response, c.account(r, response, "")
}

// account sets the cost of a reply, notes its model, and stores it in the ledger under
// key unless that is empty.
func (c *Client) account(r Request, response *Response, key string) error {
	if r.Read == nil {
		return nil
	}
	reading := c.reading(r)
	if !response.Cached {
		response.Cost = c.Account(r.Asked, reading.Usage)
		response.Cost.Seconds = response.Elapsed.Seconds()
	}
	changed := c.NoteModel(ForText, reading.Model)
	if key == "" {
		return changed
	}
	var err error
	response.Cost, err = c.config.Ledger.Store(Call{
		Key: key, For: ForText, Endpoint: c.config.Name, Model: reading.Model,
		Cost: response.Cost, Seconds: response.Cost.Seconds, Unused: changed != nil,
	}, response)
	if err != nil {
		return err
	}
	return changed
}

func (c *Client) contextError(err error) error {
	return fmt.Errorf("endpoint %s: %w", c.config.Name, err)
}

// call makes the attempts of a call.
func (c *Client) call(ctx context.Context, r Request, u *url.URL) (*Response, error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	bounded := ctx
	if total := c.config.Timeouts.Total; total > 0 {
		inTime, cancel := context.WithTimeoutCause(ctx, total, errTotal)
		defer cancel()
		bounded = inTime
	}
	for attempt := 1; ; attempt++ {
		if err := c.awaitPause(bounded); err != nil {
			return nil, c.timedOut(ctx, attempt)
		}
		response, err := c.throughBreaker(bounded, r, u)
		if err == nil {
			response.Attempts = attempt
			return response, nil
		}
		var e *Error
		var last *consumedError
		if !errors.As(err, &e) || errors.As(err, &last) {
			return nil, err // the end of ctx, an invalid request, or a partly consumed reply
		}
		e.Attempts = attempt
		wait, again := c.shouldRetry(r, e, attempt)
		if !again {
			return nil, e
		}
		c.count(func(s *Spent) { s.Repeats++ })
		if c.config.Clock.Sleep(bounded, wait) != nil {
			if ctx.Err() != nil {
				return nil, c.contextError(ctx.Err())
			}
			return nil, e // no time is left: the server's last error says most
		}
	}
}

// acquire takes a slot; the returned function releases it.
func (c *Client) acquire(ctx context.Context) (func(), error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case <-ctx.Done():
		return nil, c.contextError(ctx.Err())
	}
}

// timedOut returns the error of a call whose total time is over.
func (c *Client) timedOut(ctx context.Context, attempts int) error {
	if err := ctx.Err(); err != nil {
		return c.contextError(err)
	}
	return &Error{Endpoint: c.config.Name, Kind: Timeout, Phase: "total", Attempts: attempts}
}

// throughBreaker makes an attempt unless the circuit breaker is open.
func (c *Client) throughBreaker(ctx context.Context, r Request, u *url.URL) (*Response, error) {
	if c.breaker == nil {
		return c.attempt(ctx, r, u)
	}
	done, err := c.breaker.Allow()
	if err != nil {
		return nil, c.breakerOpen()
	}
	response, err := c.attempt(ctx, r, u)
	var e *Error
	if err != nil && !errors.As(err, &e) {
		done(errAbandoned)
	} else {
		if unhealthy(err) {
			c.mu.Lock()
			c.lastFailure = e.description()
			c.mu.Unlock()
		}
		done(err)
	}
	return response, err
}

// breakerOpen returns the error of a call that is not sent. It says what the server's last
// failure was.
func (c *Client) breakerOpen() *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Error{
		Endpoint: c.config.Name, Kind: BreakerOpen,
		Message: fmt.Sprintf("the last was: %s; the next try is due within %v", c.lastFailure, c.config.Breaker.Open),
	}
}

// errAbandoned tells the breaker that an attempt says nothing about the server.
var errAbandoned = errors.New("abandoned")

// unhealthy reports whether an error counts as a failure of the server for the breaker.
func unhealthy(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case Refused, Timeout, Interrupted:
		return true
	case Status:
		return e.Status >= 500 && !e.permanentMessage()
	}
	return false
}
