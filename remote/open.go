package remote

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// Options are what a URL does not say. The zero value is usable.
type Options struct {
	// Endpoint fits the HTTP behaviour. BaseURL comes from the URL, as do Secret,
	// Auth, AllowHosts and Concurrency where the URL names them; Name is the host
	// unless it is set.
	Endpoint endpoint.Config
	// LookupEnv finds the variable that key_env names; nil finds none. Commands hand
	// in os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Progress, when set, is told how drawings come on, where the server says so. It
	// is called from several goroutines and must return soon.
	Progress func(Progress)
	// Part is the name under which a run's ledger (Endpoint.Ledger) knows what is
	// drawn; empty means the URL. Members of a [Pool] share the pool's name, so that
	// each finds what another has drawn.
	Part string
}

// Progress is how far a drawing has come.
type Progress struct {
	// Request is the first of the drawing.
	Request reflectionflow.Request
	// Queued is set while the server has not begun.
	Queued bool
	// Done is the fraction of the sampler's steps that are done, in [0, 1].
	Done float64
}

// kind is a protocol by the first part of the URL's scheme.
type protocol struct {
	name string
	// jobs is the concurrency where none is named: enough to keep such a server busy.
	concurrency int
	// patience bounds a drawing where the URL does not.
	timeout time.Duration
	// synchronous: the reply comes when the work is done.
	synchronous bool
	open        func(*endpoint.Client, *params, func(Progress)) (engine, error)
}

func protocols() []protocol {
	return []protocol{
		{"openai", 4, 20 * time.Minute, true, openOpenAI},
		{"sdcpp", 2, time.Hour, false, openSDCPP},
		{"a1111", 1, time.Hour, true, openA1111},
		{"comfyui", 2, time.Hour, false, openComfyUI},
	}
}

// Open returns the generator at a URL; nothing is sent yet. A scheme or parameter
// that is unknown, and a file or secret that cannot be read, is an error wrapping
// [reflectionflow.ErrInvalid].
func Open(rawURL string, o Options) (reflectionflow.Generator, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, invalid("the generator's URL does not parse")
	}
	name, scheme, _ := strings.Cut(u.Scheme, "+")
	for _, protocol := range protocols() {
		if protocol.name != name || scheme != "http" && scheme != "https" {
			continue
		}
		p, err := parseParams(u)
		if err != nil {
			return nil, err
		}
		u.Scheme, u.RawQuery = scheme, ""
		config, concurrency := p.endpoint(u, o, protocol)
		if p.err != nil {
			return nil, p.err
		}
		client, err := endpoint.New(config)
		if err != nil {
			return nil, err
		}
		e, err := protocol.open(client, p, o.Progress)
		if err := firstError(p.finish(), err); err != nil {
			return nil, err
		}
		part := o.Part
		if part == "" {
			part = rawURL
		}
		return &generator{engine: e, client: client, ledger: config.Ledger, model: p.values.Get("model"), part: part, slots: make(chan struct{}, concurrency)}, nil
	}
	return nil, invalid("generator scheme %q: use openai+, sdcpp+, a1111+ or comfyui+ before http:// or https://", u.Scheme)
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}
