package endpoint

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"reflectionflow"
)

// Config configures a [Client]. Only Name and BaseURL are required; zero values mean the
// defaults that the fields state.
type Config struct {
	// Name is the user's name for the endpoint, in errors and reports.
	Name string
	// BaseURL is what paths are joined to, for example "http://host:8000/v1". It has no user,
	// password, query or fragment.
	BaseURL string
	// Secret authenticates the user; the zero Secret sends nothing.
	Secret Secret
	// Auth says how Secret is sent; the zero value is "Authorization: Bearer".
	Auth Auth
	// Header is sent with every request to the endpoint itself. It must hold no secrets; use
	// Secret.
	Header http.Header
	// AllowHosts are further hosts that URLs in replies may point to; [Client.Fetch] states
	// the forms.
	AllowHosts []string
	Timeouts   Timeouts
	Retry      Retry
	Breaker    Breaker
	// Concurrency is the number of calls in progress at a time; 0 means 4: enough to fill a
	// server's batch, few enough for a free account.
	Concurrency int
	// MaxResponse bounds the body of a reply in bytes after decompression; 0 means 64 MiB,
	// which holds four 2048×2048 PNGs in base64.
	MaxResponse int64
	// Cache stores replies to calls marked Cacheable; nil stores none.
	Cache *Cache
	// Ledger records the calls of the run; nil records none.
	Ledger *Ledger
	// Pin is the model that replies must name; empty means the first that the run got. A
	// reply of another model is an error of kind [Changed], because its results do not
	// compare with earlier ones. With AllowChange a change is only recorded.
	Pin         string
	AllowChange bool
	// Prices turns usage into cost; nil means that everything is free.
	Prices PriceTable

	// Clock is used for waits between attempts; nil is the real time. Tests set their own.
	Clock Clock
	// Jitter returns the wait before an attempt, from 0 to limit; nil is uniform ("full
	// jitter"). It influences no result.
	Jitter func(limit time.Duration) time.Duration
	// Transport replaces the network; nil is the real one with Timeouts, proxies from
	// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and the address rule of [Client.Fetch].
	Transport http.RoundTripper
}

// Timeouts bound the phases of an attempt and the whole call. A negative value means no
// bound.
type Timeouts struct {
	Connect time.Duration // name look-up and TCP; 0 means 10 s
	TLS     time.Duration // handshake; 0 means 10 s
	Headers time.Duration // from the request's last byte to the reply's headers; 0 means 5 min: servers answer when the work is done
	Idle    time.Duration // between two reads of the body; 0 means 60 s
	Total   time.Duration // the call with all attempts and waits, from when it has its slot; 0 means 15 min
}

// Retry bounds the attempts of a call and the waits between them. Which attempts are
// repeated is stated by [Repeat].
type Retry struct {
	// Attempts of a call, the first included; 0 means 4, 1 means no repetition.
	Attempts int
	// Base bounds the wait before the second attempt; the bound doubles with every attempt
	// up to Cap, and the wait is random below it. 0 means 500 ms.
	Base time.Duration
	// Cap is the upper limit of the bound; 0 means 20 s.
	Cap time.Duration
	// MaxRetryAfter is the longest Retry-After that is waited for; a longer one ends the call
	// with the server's error. 0 means 2 min.
	MaxRetryAfter time.Duration
}

// Breaker configures the circuit breaker, which refuses calls after repeated failures.
type Breaker struct {
	// Failures is the number of consecutive attempts that must fail (no connection, timeout,
	// broken connection, 5xx) to open the breaker; 0 means 8, a negative value disables it.
	Failures int
	// Open is how long calls are refused before one is tried; 0 means 30 s.
	Open time.Duration
}

// Clock tells the time and waits.
type Clock interface {
	// Now returns the current time; dates in Retry-After are compared with it.
	Now() time.Time
	// Sleep waits for d, or until ctx ends and returns its error.
	Sleep(ctx context.Context, d time.Duration) error
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// withDefaults returns c with zero values replaced by defaults.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Timeouts.Connect, 10*time.Second)
	set(&c.Timeouts.TLS, 10*time.Second)
	set(&c.Timeouts.Headers, 5*time.Minute)
	set(&c.Timeouts.Idle, time.Minute)
	set(&c.Timeouts.Total, 15*time.Minute)
	set(&c.Retry.Base, 500*time.Millisecond)
	set(&c.Retry.Cap, 20*time.Second)
	set(&c.Retry.MaxRetryAfter, 2*time.Minute)
	set(&c.Breaker.Open, 30*time.Second)
	if c.Retry.Attempts == 0 {
		c.Retry.Attempts = 4
	}
	if c.Breaker.Failures == 0 {
		c.Breaker.Failures = 8
	}
	if c.Concurrency == 0 {
		c.Concurrency = 4
	}
	if c.MaxResponse == 0 {
		c.MaxResponse = 64 << 20
	}
	if c.Auth == (Auth{}) {
		c.Auth = Auth{Header: "Authorization", Prefix: "Bearer "}
	}
	if c.Clock == nil {
		c.Clock = realClock{}
	}
	if c.Jitter == nil {
		c.Jitter = func(limit time.Duration) time.Duration {
			if limit <= 0 {
				return 0
			}
			return rand.N(limit)
		}
	}
	return c
}

// validate returns an error for an invalid configuration, or the parsed base URL.
func (c Config) validate() (*url.URL, error) {
	if c.Name == "" {
		return nil, invalid("an endpoint needs a name")
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, invalid("endpoint %s: the base URL does not parse", c.Name)
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https", base.Hostname() == "":
		return nil, invalid("endpoint %s: the base URL must look like http://host:port/path", c.Name)
	case base.User != nil:
		return nil, invalid("endpoint %s: the base URL holds a user or password: put it into an environment variable or a file and name that as key_env or key_file", c.Name)
	case base.RawQuery != "" || base.Fragment != "":
		return nil, invalid("endpoint %s: the base URL has a query or fragment: remove it", c.Name)
	case c.Retry.Attempts < 0 || c.Retry.Attempts > 100:
		return nil, invalid("endpoint %s: %d attempts: must be from 1 to 100", c.Name, c.Retry.Attempts)
	case c.Retry.Base < 0 || c.Retry.Cap < 0 || c.Retry.MaxRetryAfter < 0 || c.Breaker.Open < 0:
		return nil, invalid("endpoint %s: a wait is negative", c.Name)
	case c.Concurrency < 0 || c.Concurrency > 1<<16:
		return nil, invalid("endpoint %s: concurrency %d: must be from 1 to 65536", c.Name, c.Concurrency)
	case c.MaxResponse < 0:
		return nil, invalid("endpoint %s: the bound on replies is negative", c.Name)
	case strings.ContainsAny(c.Auth.Header+c.Auth.Prefix, "\r\n"):
		return nil, invalid("endpoint %s: the authorization header has a line break", c.Name)
	}
	return base, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}
