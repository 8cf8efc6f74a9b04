package assemble

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"reflectionflow"
	"reflectionflow/internal/chat"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
	"reflectionflow/reflector"
	"reflectionflow/remote"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

// Environment is what a [Builder] takes from the process that it runs in.
type Environment struct {
	// Models are those that a configuration names by name.
	Models Catalog
	// LookupEnv finds the variables with the secrets of servers.
	LookupEnv func(name string) (value string, ok bool)
	// CacheDir is the folder for the replies of endpoints that name none.
	CacheDir func() (string, error)
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
	clients  map[string]*chat.Client
	caches   map[string]*endpoint.Cache // by folder
	progress *watcher                   // receives the progress of remote generators
}

// NewBuilder returns a builder for the configuration, with a ledger of its own.
func NewBuilder(c *config.Config, env Environment) *Builder {
	return &Builder{
		Ledger: &endpoint.Ledger{}, env: env, config: c,
		clients: map[string]*chat.Client{}, caches: map[string]*endpoint.Cache{}, progress: &watcher{},
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

// client is the client of an endpoint.
func (b *Builder) client(name string) (*chat.Client, error) {
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
	c, err := chat.New(transport, chat.Config{
		Model: e.Model, Structured: chat.Structured(e.Structured),
		Images: chat.Images{Format: e.ImageFormat, MaxSide: e.ImageSide}, MaxTokens: e.MaxTokens, OmitSampling: e.OmitSampling, RepeatLost: e.RepeatLost,
	})
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	b.clients[name] = c
	return c, nil
}

// prices is the table with one price for whatever the endpoint has.
func prices(p *config.Price) endpoint.PriceTable {
	if p == nil {
		return nil
	}
	return endpoint.PriceTable{"*": endpoint.Price(*p)}
}

// cache is the cache in a folder, the user's own where none is named; several
// endpoints share one.
func (b *Builder) cache(folder string) (*endpoint.Cache, error) {
	if folder == config.None {
		return nil, nil
	}
	if folder == "" {
		var err error
		if folder, err = b.env.CacheDir(); err != nil {
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

// parts builds what is in use and not embedded.
func (b *Builder) parts() (parts, error) {
	var p parts
	var err error
	u := b.config.Use
	if g := b.config.Generators[u.Generator]; g.Type == config.Remote || g.Type == config.Pool {
		if p.generator, err = b.generator(u.Generator, g, u.Generator); err != nil {
			return p, err
		}
	}
	if u.Verifier != config.Embedded {
		if p.verifier, err = b.verifier(u.Verifier); err != nil {
			return p, err
		}
	}
	if r := b.config.Reflectors[u.Reflector]; r.Type == config.Chat {
		if p.reflector, err = b.reflector("reflectors."+u.Reflector, r); err != nil {
			return p, err
		}
	}
	if r := b.config.Refiners[u.Refiner]; r.Type == config.Chat {
		p.refiner, err = b.refiner("refiners."+u.Refiner, r)
	}
	return p, err
}

// generator builds a generator; part is the one in use, which is a pool for its members.
func (b *Builder) generator(name string, g config.Generator, part string) (reflectionflow.Generator, error) {
	if g.Type == config.Pool {
		members := make([]reflectionflow.Generator, len(g.Members))
		for i, member := range g.Members {
			var err error
			if members[i], err = b.generator(member, b.config.Generators[member], part); err != nil {
				return nil, err
			}
		}
		return remote.NewPool(members)
	}
	settings := endpoint.Config{Name: name, Prices: prices(g.Price), Pin: g.Pin, AllowChange: g.AllowChange, Ledger: b.Ledger}
	if name == config.GivenURL {
		settings.Name = "" // the host is a better one
	}
	if b.Trial {
		settings.Retry.Attempts = 1
	}
	generator, err := remote.Open(g.URL, remote.Options{Endpoint: settings, LookupEnv: b.env.LookupEnv, Progress: b.progress.tell, Part: part})
	if err != nil {
		return nil, b.config.Errorf("generators."+name, "%v", err)
	}
	return generator, nil
}

// prompt reads the text of a prompt file; no file is no text.
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

// ask is what all parts that ask have: the client and the text of their own prompt.
func (b *Builder) ask(at, endpointName, promptFile string) (*chat.Client, string, error) {
	text, err := b.prompt(at, promptFile)
	if err != nil {
		return nil, "", err
	}
	client, err := b.client(endpointName)
	return client, text, err
}

func (b *Builder) reflector(at string, r config.Reflector) (reflectionflow.Reflector, error) {
	client, prompt, err := b.ask(at, r.Endpoint, r.Prompt)
	if err != nil {
		return nil, err
	}
	part, err := reflector.NewChat(client, reflector.ChatOptions{Wording: r.Wording, Prompt: prompt, Temperature: r.Temperature})
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	return part, nil
}

func (b *Builder) refiner(at string, r config.Refiner) (reflectionflow.Refiner, error) {
	client, prompt, err := b.ask(at, r.Endpoint, r.Prompt)
	if err != nil {
		return nil, err
	}
	part, err := reflector.NewChatRefiner(client, reflector.ChatRefinerOptions{Prompt: prompt, Words: r.Words, Temperature: r.Temperature})
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	return part, nil
}

// Annotator builds the annotator in use, for the data of reflection tuning, and says
// what answers to what words.
func (b *Builder) Annotator() (part *reflector.ChatAnnotator, description string, err error) {
	name := b.config.Use.Annotator
	at := "annotators." + name
	a, ok := b.config.Annotators[name]
	if !ok {
		return nil, "", b.config.Errorf("annotators", "there is none, or there are several and use.annotator names none")
	}
	client, prompt, err := b.ask(at, a.Endpoint, a.Prompt)
	if err != nil {
		return nil, "", err
	}
	if part, err = reflector.NewChatAnnotator(client, prompt); err != nil {
		return nil, "", b.config.Errorf(at, "%v", err)
	}
	model := b.config.Endpoints[a.Endpoint].Model
	if model == "" {
		model = a.Endpoint
	}
	return part, model + ", " + part.PromptID(), nil
}

// Parser returns how prompts are read: by the parser of the model own, by a language
// model, or not at all. A prompt that is left without requirements is read by the embedded
// verifier later; one that it cannot read is refused here.
func (b *Builder) Parser(ctx context.Context, own Model) (func(string) (reflectionflow.Prompt, reflectionflow.Cost, error), error) {
	name := b.config.Use.Parser
	if p := b.config.Parsers[name]; name != config.None && p.Type != config.Chat {
		return own.Parse, nil
	}
	parse, err := b.foreignParse(ctx, name)
	if err != nil || !b.config.VerifiesEmbedded() {
		return parse, err
	}
	return func(text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
		prompt, cost, err := parse(text)
		if err == nil {
			err = b.readable(own, prompt, "verifier")
		}
		return prompt, cost, err
	}, nil
}

// readable reports a prompt without requirements that an embedded part cannot read
// itself.
func (b *Builder) readable(own Model, prompt reflectionflow.Prompt, part string) error {
	if len(prompt.Requirements) > 0 {
		return nil
	}
	if _, _, err := own.Parse(prompt.Text); err != nil {
		return fmt.Errorf("%w (the embedded %s must read it itself: %s)", err, part, b.unparsed())
	}
	return nil
}

// unparsed says why a prompt has no requirements.
func (b *Builder) unparsed() string {
	if name := b.config.Use.Parser; name != config.None {
		return "parser " + name + " found no requirements"
	}
	return "use.parser is none"
}

// suits reports a prompt without requirements that an embedded reflector or refiner,
// if the axes need it, could not go by: the refiner reads it itself, and the reflector
// words what was found for requirements, which a verifier that reads none does not say.
func (b *Builder) suits(own Model, prompt reflectionflow.Prompt, axes search.Axes) error {
	c := b.config
	if axes.Prompt && c.RefinesEmbedded() {
		if err := b.readable(own, prompt, "refiner"); err != nil {
			return err
		}
	}
	v := c.Use.Verifier
	alone := v == config.Embedded || c.Verifiers[v].Type == config.Embedded
	if axes.Reflection && c.ReflectsEmbedded() && !alone && len(prompt.Requirements) == 0 {
		return fmt.Errorf("%w: %.80q: the embedded reflector goes by requirements, and there are none: %s (use another parser or reflector, or search without reflection)",
			reflectionflow.ErrInvalid, prompt.Text, b.unparsed())
	}
	return nil
}

// foreignParse is how a parser that is not the model's own reads prompts.
func (b *Builder) foreignParse(ctx context.Context, name string) (func(string) (reflectionflow.Prompt, reflectionflow.Cost, error), error) {
	if name == config.None {
		return Free(func(text string) (reflectionflow.Prompt, error) {
			prompt := reflectionflow.Prompt{Text: text}
			return prompt, prompt.Validate()
		}), nil
	}
	p := b.config.Parsers[name]
	at := "parsers." + name
	client, prompt, err := b.ask(at, p.Endpoint, p.Prompt)
	if err != nil {
		return nil, err
	}
	parser, err := verifier.NewChatParser(client, prompt)
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	return func(text string) (reflectionflow.Prompt, reflectionflow.Cost, error) { return parser.Parse(ctx, text) }, nil
}
