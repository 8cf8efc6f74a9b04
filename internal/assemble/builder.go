package assemble

import (
	"context"
	"sync/atomic"
	"time"

	"reflectionflow/chat"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/remote"
)

// Environment is what a [Builder] takes from the process that it runs in.
type Environment struct {
	// Models are those that a configuration names by name.
	Models Catalog
	// Library finds models of type flux that a configuration names by name.
	Library Library
	// LookupEnv finds the variables with the secrets of servers.
	LookupEnv func(name string) (value string, ok bool)
	// CacheDir is the folder of what can be asked or computed again, of one kind: "replies" of endpoints that name no
	// folder, and "embeddings" of texts.
	CacheDir func(kind string) (string, error)
	// Warn is told of what keeps such a folder from being used; nil for nobody.
	Warn func(error)
	// Fleet connects to the workers of a cluster; nil where there are none.
	Fleet func(ctx context.Context, n config.NATS) (*fleet.Fleet, error)
	// Version is that of the program: only workers of the same version are used.
	Version string
}

// Builder builds the parts of one configuration. Parts that ask the same endpoint
// share its client, and with it its limits.
type Builder struct {
	// Ledger records the calls of all parts. It is closed until the run has a folder;
	// several builders may share one.
	Ledger *endpoint.Ledger
	// Trial is set for trying servers out: one attempt per call, and no cache.
	Trial bool

	env      Environment
	config   *config.Config
	clients  map[string]*completions.Client
	caches   map[string]*endpoint.Cache // by folder
	progress *watcher                   // receives the progress of remote generators
	loadable []*networkVerifier         // that were built
	fleets   []string                   // fingerprints of the workers' models in use
}

// NewBuilder returns a builder for the configuration, with a ledger of its own.
func NewBuilder(c *config.Config, env Environment) *Builder {
	if env.Warn == nil {
		env.Warn = func(error) {}
	}
	return &Builder{
		Ledger: &endpoint.Ledger{}, env: env, config: c,
		clients: map[string]*completions.Client{}, caches: map[string]*endpoint.Cache{}, progress: &watcher{},
	}
}

// watcher passes on the progress of remote generators once a receiver is set.
type watcher struct {
	to atomic.Pointer[func(remote.Progress)]
}

func (w *watcher) tell(p remote.Progress) {
	if to := w.to.Load(); to != nil {
		(*to)(p)
	}
}

// watch sets the receiver.
func (w *watcher) watch(to func(remote.Progress)) { w.to.Store(&to) }

// Chat is the model of an endpoint of the configuration.
func (b *Builder) Chat(name string) (chat.Model, error) { return b.client(name) }

// client is the client of an endpoint.
func (b *Builder) client(name string) (*completions.Client, error) {
	if c, ok := b.clients[name]; ok {
		return c, nil
	}
	e, at := b.config.Endpoints[name], "endpoints."+name
	secret, err := endpoint.LoadSecret(endpoint.SecretSource{Env: e.KeyEnv, File: e.KeyFile}, b.env.LookupEnv)
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	settings := endpoint.Config{
		Name: name, BaseURL: e.URL, Secret: secret, Concurrency: e.Concurrency, Prices: prices(e.Price),
		Auth: endpoint.Auth{Basic: e.Auth == "basic"}, Pin: e.Pin, AllowChange: e.AllowChange, Ledger: b.Ledger,
	}
	if e.Timeout != "" {
		settings.Timeouts.Total, _ = time.ParseDuration(e.Timeout) // the configuration is checked
		settings.Timeouts.Headers = settings.Timeouts.Total
	}
	if b.Trial {
		settings.Retry.Attempts = 1
	} else if settings.Cache, err = b.cache(e.Cache); err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	transport, err := endpoint.New(settings)
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	c, err := completions.New(transport, completions.Config{
		Model: e.Model, Structured: completions.Structured(e.Structured),
		Images: completions.Images{Format: e.ImageFormat, MaxSide: e.ImageSide}, MaxTokens: e.MaxTokens, OmitSampling: e.OmitSampling, RepeatLost: e.RepeatLost,
	})
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	b.clients[name] = c
	return c, nil
}

// prices is a table with one price for all models.
func prices(p *config.Price) endpoint.PriceTable {
	if p == nil {
		return nil
	}
	return endpoint.PriceTable{"*": endpoint.Price(*p)}
}

// cache is the cache in a folder, by default that of the environment; endpoints share
// one.
func (b *Builder) cache(folder string) (*endpoint.Cache, error) {
	if folder == config.None {
		return nil, nil
	}
	if folder == "" {
		var err error
		if folder, err = b.env.CacheDir("replies"); err != nil {
			return nil, err
		}
	}
	if b.caches[folder] == nil {
		c, err := endpoint.NewCache(folder)
		if err != nil {
			return nil, err
		}
		b.caches[folder] = c
	}
	return b.caches[folder], nil
}

// parts builds the parts in use that are not embedded.
func (b *Builder) parts() (parts, error) {
	var p parts
	var err error
	u := b.config.Use
	if p.generator, err = b.generator(u.Generator); err != nil {
		return p, err
	}
	if u.Verifier != config.Embedded {
		if p.verifier, err = b.verifier(u.Verifier); err != nil {
			return p, err
		}
	}
	if p.reflector, err = b.reflector(u.Reflector); err != nil {
		return p, err
	}
	if p.refiner, err = b.refiner(u.Refiner); err != nil {
		return p, err
	}
	p.comparer, err = b.comparer()
	return p, err
}

// prompt reads a prompt file; the text is empty without one.
func (b *Builder) prompt(at, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	data, err := ReadFile(path)
	if err != nil {
		return "", b.config.Errorf(at+".prompt", "%v", err)
	}
	return string(data), nil
}

// ask returns what all parts that ask a language model have: the client and the text of
// their own prompt.
func (b *Builder) ask(at, endpointName, promptFile string) (*completions.Client, string, error) {
	text, err := b.prompt(at, promptFile)
	if err != nil {
		return nil, "", err
	}
	client, err := b.client(endpointName)
	return client, text, err
}
