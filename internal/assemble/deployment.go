package assemble

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/remote"
	"reflectionflow/search"
)

// deployment is the record of a configuration: the parts in use, the SHA-256 sums of the
// files that they are built from, and the fingerprints of weights (see [sampledSum]). It
// holds no secrets.
type deployment struct {
	Config  *config.Config    `json:"config"`
	Files   map[string]string `json:"files,omitempty"`
	Weights map[string]string `json:"weights,omitempty"`
	Prompts map[string]string `json:"prompts,omitempty"` // built-in ones, see [promptIDs]
}

// maxPartFile bounds prompts, workflows and calibrations.
const maxPartFile = 64 << 20

// Record returns what the record of a run keeps of a configuration: its parts, and the
// sums of the files that they are made from.
func Record(c *config.Config, library Library) (json.RawMessage, error) {
	d := deployment{Config: withURLs(c, remote.RecordedURL), Files: map[string]string{}}
	var err error
	if d.Weights, err = weightSums(c, library); err != nil {
		return nil, err
	}
	if d.Prompts, err = promptIDs(c); err != nil {
		return nil, err
	}
	for _, path := range c.Files() {
		data, err := ReadFile(path)
		if err != nil {
			return nil, err
		}
		d.Files[path] = Sum(data)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return data, nil
}

// FromRecord reads what [Record] wrote. Files that have changed since are an error.
func FromRecord(data json.RawMessage, library Library) (*config.Config, error) {
	var d struct {
		Config  json.RawMessage   `json:"config"`
		Files   map[string]string `json:"files"`
		Weights map[string]string `json:"weights"`
		Prompts map[string]string `json:"prompts"`
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: run.json: the configuration is damaged", reflectionflow.ErrInvalid)
	}
	c, err := config.FromRecord(d.Config, Types())
	if err != nil {
		return nil, err
	}
	c = withURLs(c, remote.URLOfRecord)
	for _, path := range c.Files() {
		data, err := ReadFile(path)
		if err != nil {
			return nil, err
		}
		if Sum(data) != d.Files[path] {
			return nil, fmt.Errorf("%w: %s has changed since the run started: restore it, or start a new run", reflectionflow.ErrInvalid, path)
		}
	}
	return c, cmp.Or(checkPromptIDs(c, d.Prompts), checkWeightSums(c, library, d.Weights))
}

// withURLs is c with the URLs of its generators rewritten.
func withURLs(c *config.Config, rewrite func(string) string) *config.Config {
	rewritten := *c
	rewritten.Generators = maps.Clone(c.Generators)
	for name, g := range rewritten.Generators {
		if g.URL != "" {
			g.URL = rewrite(g.URL)
			rewritten.Generators[name] = g
		}
	}
	return &rewritten
}

// Sum is the SHA-256 sum in hexadecimal.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ReadFile reads a file that a part is made from, of at most 64 MiB.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPartFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case len(data) > maxPartFile:
		return nil, fmt.Errorf("%w: %s has more than %d bytes", reflectionflow.ErrInvalid, path, maxPartFile)
	}
	return data, nil
}

// Model builds the parts of the configuration that are in use, and describes them
// together as a model. Nothing is sent and no network is loaded before the model is
// opened.
func (b *Builder) Model() (Model, error) {
	c := b.config
	parts, err := b.parts()
	if err != nil {
		return Model{}, err
	}
	entry := Model{Name: c.Use.Generator, Shown: shownName(c), Width: 1024, Height: 1024, Steps: 20, Guidance: 3.5}
	networks, words := c.NeedsModel()
	var own Model
	if networks || words {
		if own, err = b.env.Models.Find(c.Model); err != nil {
			return Model{}, err
		}
	}
	switch g := parts.generator.(type) {
	case *fluxModel:
		g.describe(&entry)
		entry.Warning = func(cfg search.Config) (string, error) {
			return g.warning(c.Backend, cfg)
		}
	case *fleet.Generator:
		m := g.Model()
		entry.Width, entry.Height, entry.Steps, entry.Guidance = m.Width, m.Height, m.Steps, m.Guidance
	}
	if parts.generator == nil {
		entry = own
	} else if err := applyGenerator(&entry, c, c.Use.Generator); err != nil {
		return Model{}, err
	}
	if c.Use.Verifier != config.Embedded {
		entry.Policy = nil // it was fitted to the model's own verifier
	}
	if several, ok := parts.generator.(remote.Concurrent); ok {
		entry.Concurrency = several.Concurrency()
	}
	entry.Abilities, err = parts.abilities(own)
	if err != nil {
		return Model{}, err
	}
	entry.NeedsFindings = parts.needsFindings(own)
	entry.References = parts.references(entry)
	entry.Serves = func(cfg search.Config) error { return b.serves(parts.generator, entry, cfg) }
	if entry.Parse, err = b.Parser(own); err != nil {
		return Model{}, err
	}
	entry.Suits = func(ctx context.Context, prompt reflectionflow.Prompt, axes search.Axes) error {
		return b.suits(ctx, own, prompt, axes)
	}
	entry.Verify = func(ctx context.Context) (string, error) { return b.check(ctx, own.Verify) }
	entry.Check = func(ctx context.Context) (string, error) { return b.check(ctx, own.Check) }
	entry.Fingerprint = nil
	if parts.generator != nil {
		entry.OpenJudge = nil // what it generates is no clip-art
	}
	open := own.Open
	if !networks {
		open = nil
	}
	entry.Open = func(ctx context.Context, backend string) (*Engine, error) { return b.open(ctx, backend, parts, open) }
	return entry, nil
}

// open opens the embedded model by its function, nil where no part needs its networks,
// and puts the parts onto it.
func (b *Builder) open(ctx context.Context, backend string, parts parts, embedded func(context.Context, string) (*Engine, error)) (*Engine, error) {
	e := &Engine{}
	if embedded != nil {
		var err error
		if e, err = embedded(ctx, backend); err != nil {
			return nil, err
		}
	}
	e.Watch, e.Ledger = b.progress.watch, b.Ledger
	l, local := parts.generator.(*fluxModel)
	if local {
		loaded, closer, err := l.load(ctx, backend)
		if err != nil {
			return nil, errors.Join(err, closeAll(e.Closer))
		}
		parts.generator, e.Closer = loaded, closers{closer, e.Closer}
	}
	e, err := parts.onto(e)
	if err != nil {
		return nil, err
	}
	for _, n := range b.loadable {
		if err := n.Load(ctx, backend); err != nil {
			return nil, errors.Join(err, closeAll(e.Closer))
		}
		e.Closer = closers{n, e.Closer}
	}
	if local {
		boundMemory(l.memory)
	}
	return e, nil
}

// closers are parts to close; they may be nil.
type closers []io.Closer

// Close implements [io.Closer].
func (c closers) Close() error { return closeAll(c...) }

func closeAll(list ...io.Closer) error {
	var err error
	for _, c := range list {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// shownName is the name of the generator in use where its own is none.
func shownName(c *config.Config) string {
	if name := c.Use.Generator; name == config.GivenURL {
		return nameOfURL(c.Generators[name].URL)
	}
	return ""
}

// nameOfURL names a generator that has no name: by the model that its URL asks for, else
// by the host.
func nameOfURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return config.GivenURL
	}
	return cmp.Or(u.Query().Get("model"), u.Host)
}

// check is [Model.Verify] or [Model.Check], that of an embedded part or nil, for the
// parts of the configuration: the model's fingerprint and the record of the configuration.
func (b *Builder) check(ctx context.Context, own func(context.Context) (string, error)) (string, error) {
	base := ""
	if own != nil {
		var err error
		if base, err = own(ctx); err != nil {
			return "", err
		}
	}
	description, err := Record(b.config, b.env.Library)
	for _, fingerprint := range b.fleets {
		base += "\n" + fingerprint
	}
	return Sum([]byte(base + "\n" + string(description))), err
}

// serves reports a search that the parts in use cannot run together: requests that the
// generator refuses, corrections among them, and a reflector without the findings that
// it needs. Nothing is sent.
func (b *Builder) serves(g reflectionflow.Generator, m Model, cfg search.Config) error {
	if cfg.Corrects() && m.NeedsFindings && !m.Abilities.Findings() {
		return b.config.Errorf("verifiers."+b.config.Use.Verifier, "it gives no findings, and the reflector %s works from findings, so no image would be corrected: "+
			"use a verifier with findings (per_requirement of yes-no), a reflector of type chat, or the strategy noise-prompt", b.config.Use.Reflector)
	}
	if g == nil {
		return nil
	}
	request := reflectionflow.Request{Prompt: "any", Width: cfg.ImageWidth, Height: cfg.ImageHeight, Steps: cfg.Steps, Guidance: cfg.Guidance}
	err := reflectionflow.CheckRequest(g, request)
	if err == nil && cfg.Corrects() {
		request.Reflection = "any"
		err = reflectionflow.CheckCorrection(g, request)
	}
	at := "generators." + b.config.Use.Generator
	if err != nil {
		return b.config.Errorf(at, "%v", err)
	}
	if l, ok := g.(*fluxModel); ok {
		if err := l.fits(b.config.Backend, cfg); err != nil {
			if l.memory > 0 {
				at += ".memory"
			}
			return marked{b.config.Errorf(at, "%v", err), ErrMemory}
		}
	}
	return nil
}

// applyGenerator sets the defaults of a remote generator.
func applyGenerator(entry *Model, c *config.Config, name string) error {
	g := c.Generators[name]
	if g.Size != "" {
		var err error
		if entry.Width, entry.Height, err = config.ParseSize(g.Size); err != nil {
			return c.Errorf("generators."+name+".size", "%v", err)
		}
	}
	if g.Steps != 0 {
		entry.Steps = g.Steps
	}
	if g.Guidance != 0 {
		entry.Guidance = g.Guidance
	}
	return nil
}

// parts are the parts of a run; nil for the embedded ones.
type parts struct {
	generator reflectionflow.Generator
	verifier  MakeVerifier
	reflector reflectionflow.Reflector
	refiner   reflectionflow.Refiner
	comparer  reflectionflow.Comparer
}

// needsFindings tells whether the reflector in use works from findings.
func (p parts) needsFindings(own Model) bool {
	if p.reflector == nil {
		return own.NeedsFindings
	}
	return reflectionflow.NeedsFindings(p.reflector)
}

// references is how many reference images the generator in use takes; 0 for the embedded one.
func (p parts) references(m Model) int {
	if p.generator == nil {
		return 0
	}
	request := reflectionflow.Request{Prompt: "any", Reflection: "any", Width: m.Width, Height: m.Height, Steps: m.Steps, Guidance: m.Guidance}
	return reflectionflow.MostReferences(p.generator, request)
}

// abilities are those of the verifier in use.
func (p parts) abilities(own Model) (reflectionflow.Abilities, error) {
	if p.verifier == nil {
		return own.Abilities, nil
	}
	v, err := p.verifier(absent{abilities: own.Abilities})
	if err != nil {
		return reflectionflow.Abilities{}, err
	}
	return reflectionflow.AbilitiesOf(v), nil
}

// onto replaces parts of the embedded engine.
func (p parts) onto(e *Engine) (*Engine, error) {
	if p.generator != nil {
		e.Generator = p.generator
	}
	if p.reflector != nil {
		e.Reflector = p.reflector
	}
	if p.refiner != nil {
		e.Refiner = p.refiner
	}
	e.Comparer = p.comparer
	if p.verifier == nil {
		return e, nil
	}
	var err error
	if e.Verifier, err = p.verifier(e.Verifier); err != nil && e.Closer != nil {
		_ = e.Close() // the first error is the cause
	}
	return e, err
}
