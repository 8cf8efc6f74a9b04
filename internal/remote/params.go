package remote

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflectionflow/internal/endpoint"
)

// params are the parameters of a URL. The protocol takes those that it knows. The first
// error is kept; a parameter that nobody took is an error too.
type params struct {
	values url.Values
	taken  map[string]bool
	err    error
	// timeout bounds one batch.
	timeout time.Duration
}

func parseParams(u *url.URL) (*params, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid("the parameters of the generator's URL do not parse")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch strings.ToLower(name) {
		case "key", "api_key", "apikey", "token", "password", "secret":
			return nil, invalid("parameter %q: a secret does not belong into a URL: name its variable with key_env or its file with key_file", name)
		}
	}
	return &params{values: values, taken: map[string]bool{}}, nil
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = invalid(format, args...)
	}
}

// finish returns the first error, or an error for a parameter that nobody took.
func (p *params) finish() error {
	if p.err != nil {
		return p.err
	}
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !p.taken[name] {
			return invalid("parameter %q: this protocol has no such parameter", name)
		}
	}
	return nil
}

// text returns a parameter's value, or fallback if it is missing.
func (p *params) text(name, fallback string) string {
	p.taken[name] = true
	list := p.values[name]
	switch {
	case len(list) == 0:
		return fallback
	case len(list) > 1:
		p.fail("parameter %q is given twice", name)
	}
	return list[0]
}

// choice returns a value that must be in list; the first is the default.
func (p *params) choice(name string, list ...string) string {
	value := p.text(name, list[0])
	if !slices.Contains(list, value) {
		p.fail("parameter %s=%q: use %s", name, value, strings.Join(list, ", "))
	}
	return value
}

// count returns an integer from 1 to most.
func (p *params) count(name string, fallback, most int) int {
	n, err := strconv.Atoi(p.text(name, strconv.Itoa(fallback)))
	if err != nil || n < 1 || n > most {
		p.fail("parameter %q: must be an integer from 1 to %d", name, most)
	}
	return n
}

// fraction returns a number in (0, 1].
func (p *params) fraction(name string, fallback float64) float64 {
	f, err := strconv.ParseFloat(p.text(name, strconv.FormatFloat(fallback, 'g', -1, 64)), 64)
	if err != nil || !(f > 0 && f <= 1) {
		p.fail("parameter %q: must be above 0 and at most 1", name)
	}
	return f
}

// prefixed takes all parameters with a prefix; the keys are without it.
func (p *params) prefixed(prefix string) map[string]string {
	found := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			found[rest] = p.text(name, "")
		}
	}
	return found
}

// endpoint returns the endpoint's configuration with the parameters that all protocols
// have, and the concurrency.
func (p *params) endpoint(u *url.URL, o Options, k protocol) (endpoint.Config, int) {
	config := o.Endpoint
	config.BaseURL = u.String()
	if config.Name == "" {
		config.Name = u.Host
	}
	if u.Host == "" {
		p.fail("the generator's URL names no host")
	}
	source := endpoint.SecretSource{Env: p.text("key_env", ""), File: p.text("key_file", "")}
	lookup := o.LookupEnv
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	if source != (endpoint.SecretSource{}) {
		secret, err := endpoint.LoadSecret(source, lookup)
		if err != nil && p.err == nil {
			p.err = err
		}
		config.Secret = secret
	}
	if p.choice("auth", "bearer", "basic") == "basic" {
		config.Auth = endpoint.Auth{Basic: true}
	}
	p.taken["allow_host"] = true
	config.AllowHosts = append(slices.Clone(config.AllowHosts), p.values["allow_host"]...)
	concurrency := k.concurrency
	if config.Concurrency > 0 {
		concurrency = config.Concurrency
	}
	concurrency = p.count("concurrency", concurrency, 1024)
	// Polling and cancelling must not wait for slots that the work holds.
	config.Concurrency = 2*concurrency + 2
	p.timeouts(&config, k.timeout, k.synchronous)
	return config, concurrency
}

// timeouts sets the bound on a batch. A synchronous server sends its headers when the
// work is done, so the bound is that of its headers too.
func (p *params) timeouts(config *endpoint.Config, timeout time.Duration, synchronous bool) {
	if text := p.text("timeout", ""); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d > 30*24*time.Hour {
			p.fail("parameter %q: must be a time such as 90s or 20m", "timeout")
		}
		timeout = d
		if synchronous {
			config.Timeouts.Headers, config.Timeouts.Total = 0, 0
		}
	}
	p.timeout = timeout
	if synchronous && config.Timeouts.Headers == 0 {
		config.Timeouts.Headers = timeout
	}
	if synchronous && config.Timeouts.Total == 0 {
		// A full server answers 429 at once; the call is retried within this time.
		config.Timeouts.Total = 2 * timeout
	}
}
