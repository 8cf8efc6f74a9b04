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

// Config says how to talk to one endpoint. Only Name and BaseURL are needed;
// zero values mean the defaults named at each field.
type Config struct {
	// Name is what errors and reports call the endpoint: a word of the user's own.
	Name string
	// BaseURL is where paths are joined to, for example "http://host:8000/v1". It
	// holds no user, password, query or fragment.
	BaseURL string
	// Secret is what the server knows the user by; the zero Secret sends nothing.
	Secret Secret
	// Auth says how Secret is sent; the zero value is "Authorization: Bearer".
	Auth Auth
	// Header is sent with every request to the endpoint itself. Secrets belong into
	// Secret.
	Header http.Header
	// AllowHosts are further hosts that URLs in replies may point to; see
	// [Client.Fetch] for the forms.
	AllowHosts []string
	Timeouts   Timeouts
	Retry      Retry
	Breaker    Breaker
	// Concurrency is the most calls under way at a time; 0 means 4: enough to keep
	// a server's batch full, few enough for a free account.
	Concurrency int
	// MaxResponse is the most bytes of a reply's body after decompression; 0 means
	// 64 MiB: four 2048×2048 PNGs in base64.
	MaxResponse int64
	// Cache keeps replies to calls marked Cacheable; nil keeps none.
	Cache *Cache
	// Ledger is the account of the run that the calls are made for; nil for none.
	Ledger *Ledger
	// Pin is the model that replies must name; empty means whichever the first of the
	// run names. A reply that names another is an error of kind [Changed]: its results
	// would not compare with the earlier ones. AllowChange only records such a change.
	Pin         string
	AllowChange bool
	// Prices turns usage into money; nil means that everything is free.
	Prices PriceTable

	// Clock is how time passes for waiting between attempts; nil is the real one.
	// Tests put their own here.
	Clock Clock
	// Jitter draws the wait before an attempt, from 0 to limit; nil draws uniformly
	// ("full jitter"). It influences no result.
	Jitter func(limit time.Duration) time.Duration
	// Transport replaces the network; nil is the real one with Timeouts, proxies
	// from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and the address rule of
	// [Client.Fetch].
	Transport http.RoundTripper
}

// Timeouts bound the phases of an attempt and the call as a whole. A negative
// value switches that bound off.
type Timeouts struct {
	Connect time.Duration // name look-up and TCP; 0 means 10 s
	TLS     time.Duration // handshake; 0 means 10 s
	Headers time.Duration // from the request's last byte to the reply's headers; 0 means 5 min: servers answer when the work is done
	Idle    time.Duration // between two pieces of the body; 0 means 60 s
	Total   time.Duration // the call with all attempts and waits, from its slot on; 0 means 15 min
}

// Retry says how often and how patiently an attempt is repeated. It applies only
// to calls that are safe to repeat; see [Repeat].
type Retry struct {
	// Attempts is the most attempts of a call; 0 means 4, 1 means no repetition.
	Attempts int
	// Base bounds the wait before the second attempt; it doubles from attempt to
	// attempt up to Cap. The wait itself is drawn from 0 to the bound. 0 means 500 ms.
	Base time.Duration
	// Cap bounds every such wait; 0 means 20 s.
	Cap time.Duration
	// MaxRetryAfter is the longest Retry-After of a server that is waited for; a
	// longer one ends the call with the server's answer. 0 means 2 min.
	MaxRetryAfter time.Duration
}

// Breaker says when an endpoint is left alone for a while.
type Breaker struct {
	// Failures is how many attempts in a row must fail (no connection, timeout, cut
	// off, 5xx) to open the breaker; 0 means 8, a negative value never opens it.
	Failures int
	// Open is how long calls are refused before one is let through to try; 0 means
	// 30 s.
	Open time.Duration
}

// Clock is the time that waiting between attempts goes by.
type Clock interface {
	// Now is the current time; dates in Retry-After are compared with it.
	Now() time.Time
	// Sleep waits for d or the end of ctx, whose error it returns then.
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

// withDefaults returns c with every zero value replaced.
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

// validate reports what no client could work with, and returns the parsed base URL.
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
		return nil, invalid("endpoint %s: the base URL holds a user or password: put it into an environment variable or a file and name that as the secret", c.Name)
	case base.RawQuery != "" || base.Fragment != "":
		return nil, invalid("endpoint %s: the base URL holds a query or fragment", c.Name)
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
