package remote

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// Options hold what a URL does not. The zero value is usable.
type Options struct {
	// Endpoint configures the HTTP client. BaseURL comes from the URL, as do Secret, Auth,
	// AllowHosts and Concurrency where the URL has them. An empty Name means the host.
	Endpoint endpoint.Config
	// LookupEnv looks up the variable that key_env names; nil finds none. Commands pass
	// os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// Progress, if set, is called with the progress that the server reports. It is called
	// from several goroutines and must return soon.
	Progress func(Progress)
	// Part names the generator in the keys of a run's ledger (Endpoint.Ledger); empty means
	// the URL. Members of a [Pool] have the same Part, so that each finds what another
	// generated.
	Part string
}

// Progress is the progress of one batch.
type Progress struct {
	// Request is the first of the batch.
	Request reflectionflow.Request
	// Queued is set while the batch waits at the server.
	Queued bool
	// Done is the fraction of the sampler's steps that are done, in [0, 1].
	Done float64
}

// protocol is an entry of the list of protocols.
type protocol struct {
	name string
	// concurrency is the default: enough to keep such a server busy.
	concurrency int
	// timeout is the default bound on a batch.
	timeout time.Duration
	// synchronous: the server replies when the work is done.
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

// Schemes lists the schemes of the URLs that [Open] takes, such as "sdcpp+http".
func Schemes() []string {
	var schemes []string
	for _, p := range protocols() {
		schemes = append(schemes, p.name+"+http", p.name+"+https")
	}
	return schemes
}

// Open returns the generator for a URL. It sends nothing. An unknown scheme or
// parameter and a file or secret that cannot be read are errors wrapping
// [reflectionflow.ErrInvalid].
func Open(rawURL string, o Options) (reflectionflow.Generator, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, invalid("the generator's URL does not parse: write PROTOCOL+http://HOST:PORT/PATH?PARAMETERS")
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
