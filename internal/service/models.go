package service

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/history"
	"reflectionflow/internal/jobs"
	"reflectionflow/search"
)

// Served is a model that jobs may name.
type Served struct {
	Name      string
	Model     assemble.Model
	Backend   string // that it is opened for
	Precision string // that it is opened in
	// Search are the settings of searches that do not give their own.
	Search config.Search
	// Deployment is the record of the configuration that the model is from, for run.json.
	Deployment json.RawMessage
}

// models are the models of a server. The first is the default.
type models struct {
	list   []Served
	ctx    context.Context                          //nolint:containedctx // of the networks, which live as long as the server
	opened []func(context.Context) (*engine, error) // once
	turns  []*turns                                 // at the generators
	// fingerprints are those of the models' files, computed once.
	fingerprints []func(context.Context) (string, error)
}

// cheapTime is how long a call to a network of this process takes whose answer is not worth
// storing before the candidate is.
const cheapTime = time.Second

// engine is an opened model whose generator and verifier the jobs share.
type engine struct {
	assemble.Model
	// The parts keep their answers until a job has ended, see [fleet.Kept]. The generator's
	// callers take turns, see [gate].
	generator reflectionflow.Generator
	verifier  reflectionflow.Verifier
	reflector reflectionflow.Reflector
	refiner   reflectionflow.Refiner
	comparer  reflectionflow.Comparer
	settings  string // determine the answers, with the version of the program
	// variants opens the variants of the verifier, in the order of Verifiers, once each.
	variants []func(context.Context) (reflectionflow.Verifier, error)
}

func newModels(ctx context.Context, list []Served, slots int) *models {
	m := &models{list: list, ctx: context.WithoutCancel(ctx)}
	for _, served := range list {
		shared := newTurns(max(slots, served.Model.Concurrency))
		m.turns = append(m.turns, shared)
		m.fingerprints = append(m.fingerprints, once(served.Model.Check))
		m.opened = append(m.opened, once(func(ctx context.Context) (*engine, error) {
			parts, err := served.Model.Open(ctx, config.Compute(cmp.Or(served.Backend, "cpu"), served.Precision))
			if err != nil {
				return nil, fmt.Errorf("open model %s: %w", served.Name, err)
			}
			kept := fleet.Kept{Alone: true} // what servers answer is paid for
			if parts.Ledger == nil {
				kept = fleet.Kept{Cheap: cheapTime}
			}
			return &engine{
				Model: served.Model, generator: share(kept.Generator(parts.Generator), shared), verifier: kept.Verifier(parts.Verifier),
				reflector: kept.Reflector(parts.Reflector), refiner: kept.Refiner(parts.Refiner), comparer: parts.Comparer, // whose answers the journal has
				settings: fmt.Sprintf("%s %s %s", served.Name, config.Compute(cmp.Or(served.Backend, "cpu"), served.Precision), served.Deployment), variants: variants(served),
			}, nil
		}))
	}
	return m
}

// variants returns functions that open the variants of a model's verifier.
func variants(served Served) (list []func(context.Context) (reflectionflow.Verifier, error)) {
	for _, name := range served.Model.Verifiers {
		list = append(list, once(func(ctx context.Context) (reflectionflow.Verifier, error) {
			return served.Model.OpenVerifier(ctx, config.Compute(cmp.Or(served.Backend, "cpu"), served.Precision), name)
		}))
	}
	return list
}

// once remembers the first result that is no error.
func once[T any](try func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mutex sync.Mutex
	var known *T
	return func(ctx context.Context) (T, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if known != nil {
			return *known, nil
		}
		result, err := try(ctx)
		if err == nil {
			known = &result
		}
		return result, err
	}
}

// split divides the name of a request into model and strategy: "clipart:noise". Either may
// be missing.
func (m *models) split(name string) (model int, strategy string, err error) {
	base, strategy, _ := strings.Cut(name, ":")
	if slices.Contains(search.Strategies(), base) && strategy == "" {
		base, strategy = "", base
	}
	if strategy != "" && !slices.Contains(search.Strategies(), strategy) {
		return 0, "", fmt.Errorf("%w: unknown strategy %.40q: use one of %s", reflectionflow.ErrInvalid, strategy, strings.Join(offered(), ", "))
	}
	for i, served := range m.list {
		if base == "" || served.Name == base {
			return i, strategy, nil
		}
	}
	if openAIs(base) {
		return 0, strategy, nil
	}
	return 0, "", fmt.Errorf("%w: %.60q", errModel, base)
}

// openAIs reports a name of OpenAI's own image models. Clients send these where they let
// nobody choose; here they mean the default model.
func openAIs(name string) bool {
	return name == "dall-e-2" || name == "dall-e-3" || strings.HasPrefix(name, "gpt-image-") || strings.HasPrefix(name, "chatgpt-image-")
}

// offered are the strategies for those who want an image; requests may name the others too.
func offered() []string { return slices.DeleteFunc(search.Strategies(), search.IsAblation) }

// names lists what a request may name: each model, and each with a strategy.
func (m *models) names() []string {
	var list []string
	for _, served := range m.list {
		list = append(list, served.Name)
		for _, strategy := range offered() {
			list = append(list, served.Name+":"+strategy)
		}
	}
	return list
}

// complete returns the settings of a request, and for those that it does not give the ones
// of the model that it names.
func (m *models) complete(name string, settings config.Search) (config.Search, error) {
	i, _, err := m.split(name)
	if err != nil {
		return settings, err
	}
	return settings.Or(m.list[i].Search), nil
}

// maxAnySize is how many times as many pixels as a model's own size has a request may ask for
// with any_size: it is served beside others.
const maxAnySize = 16

// tooLarge reports an image that a request may not ask for. The configuration of the server
// may set any_size itself.
func (s Served) tooLarge(settings config.Search, cfg search.Config) error {
	set := func(any *bool) bool { return any != nil && *any }
	if own := s.Model.Width * s.Model.Height; set(settings.AnySize) && !set(s.Search.AnySize) && cfg.ImageWidth*cfg.ImageHeight > maxAnySize*own {
		return fmt.Errorf("%w: size %dx%d: any_size allows up to %d times the %d pixels of the model's own size", reflectionflow.ErrInvalid, cfg.ImageWidth, cfg.ImageHeight, maxAnySize, own)
	}
	return nil
}

// plan returns the configuration of a search that a request asks for, without loading
// anything.
func (m *models) plan(name string, settings config.Search) (search.Config, error) {
	settings, err := m.complete(name, settings)
	if err != nil {
		return search.Config{}, err
	}
	return m.planned(name, settings)
}

// planned is plan for complete settings, which a job has.
func (m *models) planned(name string, settings config.Search) (search.Config, error) {
	i, strategy, err := m.split(name)
	if err != nil {
		return search.Config{}, err
	}
	if strategy != "" {
		settings.Strategy = strategy
	}
	cfg, err := assemble.SearchConfig(settings, m.list[i].Model)
	if err == nil {
		err = m.list[i].tooLarge(settings, cfg)
	}
	if cfg.Adaptive != nil {
		cfg.Adaptive.Rollover = false // a job shares its budget with nobody
	}
	return cfg, err
}

// references is how many images an edit by the model that a request names starts from.
func (m *models) references(name string) (int, error) {
	i, _, err := m.split(name)
	if err != nil {
		return 0, err
	}
	return max(1, m.list[i].Model.References), nil
}

// open opens the model that a request names, once.
func (m *models) open(name string) (*engine, error) {
	i, _, err := m.split(name)
	if err != nil {
		return nil, err
	}
	return m.opened[i](m.ctx)
}

// describe says what the index holds of a job.
func (m *models) describe(job jobs.Job) history.Description {
	about := history.Description{Corrects: originOf(job).Job}
	about.Model, about.Strategy = m.described(job)
	return about
}

// described names the model and the strategy of a job.
func (m *models) described(job jobs.Job) (model, strategy string) {
	i, strategy, err := m.split(job.Model)
	if err != nil { // of another server
		model, strategy, _ = strings.Cut(job.Model, ":")
		return model, strategy
	}
	if settings, err := readSettings(job.Settings); err == nil && strategy == "" {
		strategy = settings.Strategy
	}
	return m.list[i].Name, cmp.Or(strategy, search.Reflection) // see assemble.SearchConfig
}
