package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/genref"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
	"reflectionflow/reflector"
	"reflectionflow/verifier"
)

// genrefBuilder makes the source of a set.
type genrefBuilder struct {
	program *program
	options *genrefOptions
	flags   *pflag.FlagSet
	ledger  *endpoint.Ledger // of all calls to servers
	closers []io.Closer
}

// plannedSet is the plan of a set, and the function that opens its source.
type plannedSet struct {
	plan genref.Plan
	open func(context.Context) (genref.Source, error)
}

// deploy builds the model of a configuration, with the builder's ledger.
func (b *genrefBuilder) deploy(c *config.Config) (assemble.Model, error) {
	parts := b.program.builder(c)
	parts.Ledger = b.ledger
	return parts.Model()
}

// given plans a set whose source is open already.
func given(source genref.Source, plan genref.Plan, err error) (plannedSet, error) {
	return plannedSet{plan, func(context.Context) (genref.Source, error) { return source, nil }}, err
}

func (b *genrefBuilder) close() {
	for _, c := range b.closers {
		_ = c.Close() // it was only read
	}
}

// plan returns the plan of the set. It calls no server and loads no network.
func (b *genrefBuilder) plan(ctx context.Context) (plannedSet, error) {
	if b.options.from != "" {
		return given(b.imported())
	}
	var deployed *config.Config
	var model assemble.Model
	var err error
	switch deployed, err = b.program.configuration(&b.options.engineOptions, b.flags); {
	case err != nil:
	case deployed == nil:
		model, err = b.program.catalog.Find(b.options.model)
	default:
		model, err = b.deploy(deployed.Used())
	}
	if err == nil {
		err = b.options.settle(model)
	}
	if err != nil {
		return plannedSet{}, err
	}
	if b.options.source == "editing" {
		return given(b.edits(model))
	}
	return b.generated(ctx, model, deployed)
}

// imported is the source that reads another set.
func (b *genrefBuilder) imported() (genref.Source, genref.Plan, error) {
	o := b.options
	files, err := genref.ImportFiles(o.from)
	if err != nil {
		return nil, genref.Plan{}, err
	}
	source := &genref.Import{Files: files, Licence: o.licence}
	for name, column := range o.columns {
		into := map[string]*string{
			"flawed": &source.Columns.Flawed, "enhanced": &source.Columns.Enhanced, "prompt": &source.Columns.Prompt, "reflection": &source.Columns.Reflection,
		}[name]
		if into == nil {
			return nil, genref.Plan{}, fmt.Errorf("%w: --columns: there is no %.40q: use flawed, enhanced, prompt and reflection", reflectionflow.ErrInvalid, name)
		}
		*into = column
	}
	settings := struct {
		Files   []string       `json:"files"`
		Columns genref.Columns `json:"columns"`
	}{Columns: source.Columns}
	for _, file := range files {
		settings.Files = append(settings.Files, filepath.Base(file))
	}
	plan, err := o.plan("", "", settings)
	return source, plan, err
}

// edits is the source of rendered scenes.
func (b *genrefBuilder) edits(model assemble.Model) (genref.Source, genref.Plan, error) {
	canvas, err := b.options.canvas(b.flags, model)
	if err != nil {
		return nil, genref.Plan{}, err
	}
	sampler, err := clipart.NewSampler(model.Classes...)
	if err != nil {
		return nil, genref.Plan{}, fmt.Errorf("model %s: %w", model.Name, err)
	}
	source := &genref.Edits{
		Sampler: sampler, Split: clipart.Split(b.options.split), Licence: b.options.licence,
		Config: genref.EditConfig{Width: canvas.Width, Height: canvas.Height},
	}
	plan, err := b.options.plan("clipart scenes", "", struct {
		genref.EditConfig
		Classes []string `json:"classes"`
	}{source.Config, model.Classes})
	return source, plan, err
}

// generated plans a set whose source generates images.
func (b *genrefBuilder) generated(ctx context.Context, model assemble.Model, deployed *config.Config) (plannedSet, error) {
	o := b.options
	if o.source == "mended" && len(model.Classes) == 0 {
		return plannedSet{}, fmt.Errorf("%w: the source mended renders the corrected scene: model %s must be of the clip-art world", reflectionflow.ErrInvalid, model.Name)
	}
	canvas, err := o.canvas(b.flags, model)
	if err != nil {
		return plannedSet{}, err
	}
	sum, err := b.fingerprint(ctx, model, deployed)
	if err != nil {
		return plannedSet{}, err
	}
	d := sourceSettings{
		rule:       genref.RuleConfig{Images: o.images, MaxPairs: o.pairs, ImageConfig: canvas},
		mended:     genref.RepairConfig{Images: o.images, ImageConfig: canvas},
		correction: genref.CorrectionConfig{Images: o.images, Corrections: o.corrections, MaxPairs: o.pairs, ImageConfig: canvas},
		reward:     genref.RewardConfig{Images: o.images, Combine: genref.Combine(o.combine), ImageConfig: canvas},
		canvas:     canvas,
	}
	if d.reward.Members, err = b.rewards(ctx, deployed); err != nil {
		return plannedSet{}, err
	}
	settings, err := d.settings(o.source)
	if err != nil {
		return plannedSet{}, err
	}
	plan, err := o.plan(filepath.Base(model.Name), sum, settings)
	return plannedSet{plan, func(ctx context.Context) (genref.Source, error) { return b.openSource(ctx, model, d) }}, err
}

// sourceSettings are the settings of the sources that generate images.
type sourceSettings struct {
	rule       genref.RuleConfig
	mended     genref.RepairConfig
	correction genref.CorrectionConfig
	reward     genref.RewardConfig
	canvas     genref.ImageConfig
}

// settings are those of one source, checked.
func (d sourceSettings) settings(source string) (any, error) {
	chosen := map[string]struct {
		settings any
		validate func() error
	}{
		"rule": {d.rule, d.rule.Validate}, "mended": {d.mended, d.mended.Validate},
		"correction": {d.correction, d.correction.Validate}, "length": {d.canvas, d.canvas.Validate},
		"reward": {d.reward, d.canvas.Validate}, // its own rewards are known later
	}[source]
	return chosen.settings, chosen.validate()
}

// openSource opens a source that generates images.
func (b *genrefBuilder) openSource(ctx context.Context, model assemble.Model, d sourceSettings) (genref.Source, error) {
	engine, list, err := b.engine(ctx, model)
	if err != nil {
		return nil, err
	}
	if err := b.program.beginComputing(); err != nil {
		return nil, err
	}
	e, err := b.open(ctx, model)
	if err != nil {
		return nil, err
	}
	engine.Generator, engine.Reflector = e.Generator, e.Reflector
	if r, embedded := e.Reflector.(reflector.Embedded); embedded {
		// An image generated before the reflection follows no plan.
		r.Plan = slices.Contains([]string{"mended", "correction"}, b.options.source)
		engine.Reflector = r
	}
	switch b.options.source {
	case "reward":
		if len(d.reward.Members) == 0 {
			d.reward.Members = ownRewards(e)
		}
		return &genref.Reward{Engine: engine, Config: d.reward}, d.reward.Validate()
	case "mended":
		return &genref.Repair{Engine: engine, Verifier: e.Verifier, Config: d.mended}, nil
	case "correction":
		return &genref.Correction{Engine: engine, Verifier: e.Verifier, Config: d.correction}, nil
	case "length":
		source := &genref.Length{Engine: engine, Refiner: e.Refiner, Verifier: e.Verifier, Config: d.canvas}
		if len(list.Long) > 0 {
			source.Refiner = list
		}
		return source, nil
	}
	return &genref.Rule{Engine: engine, Verifier: e.Verifier, Config: d.rule}, nil
}

// engine returns the settings that all generating sources share, without the generator,
// and the list of --prompts.
func (b *genrefBuilder) engine(ctx context.Context, model assemble.Model) (genref.Engine, genref.PromptList, error) {
	o, split := b.options, clipart.Split(b.options.split)
	engine := genref.Engine{Model: filepath.Base(model.Name), Licence: o.licence}
	var list genref.PromptList
	var err error
	if o.prompts != "" {
		list, err = b.program.readPromptList(ctx, o.prompts, split, model)
		engine.Prompts = list.Sample
		return engine, list, err
	}
	if engine.Prompts, err = genref.WorldPrompts(split, model.Classes); err != nil {
		err = fmt.Errorf("model %s: %w", model.Name, err)
	}
	return engine, list, err
}

// fingerprint is a checksum over all that the set depends on beside the plan: the
// model's files, the configuration, the prompts.
func (b *genrefBuilder) fingerprint(ctx context.Context, model assemble.Model, deployed *config.Config) (string, error) {
	sum, err := b.options.fingerprintOf(ctx, model)
	if err != nil {
		return "", err
	}
	for _, name := range b.options.rewards {
		if deployed == nil {
			break // refused later
		}
		description, err := assemble.Record(withVerifier(deployed, rewardName(name)), library())
		if err != nil {
			return "", err
		}
		sum = assemble.Sum([]byte(sum + assemble.Sum(description)))
	}
	if b.options.prompts != "" {
		file, err := openInput("prompts", b.options.prompts)
		if err != nil {
			return "", err
		}
		file.Close()
		data, err := assemble.ReadFile(b.options.prompts)
		if err != nil {
			return "", err
		}
		sum = assemble.Sum([]byte(sum + assemble.Sum(data)))
	}
	return sum, nil
}

func (b *genrefBuilder) open(ctx context.Context, model assemble.Model) (*assemble.Engine, error) {
	e, err := model.Open(ctx, b.options.compute())
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", model.Name, err)
	}
	if e.Closer != nil {
		b.closers = append(b.closers, e)
	}
	return e, nil
}

// ownRewards are the networks of the embedded verifier, or the verifier as a whole.
func ownRewards(e *assemble.Engine) []genref.EnsembleMember {
	parts, ok := e.Verifier.(interface{ Members() []verifier.Member })
	if !ok {
		return []genref.EnsembleMember{{Name: "verifier", Weight: 1, Verifier: e.Verifier}}
	}
	var members []genref.EnsembleMember
	for _, m := range parts.Members() {
		members = append(members, genref.EnsembleMember{Name: m.Name, Weight: 1, Verifier: m.Verifier})
	}
	return members
}

// rewards are the verifiers that --rewards names; none where it is not given.
func (b *genrefBuilder) rewards(ctx context.Context, deployed *config.Config) ([]genref.EnsembleMember, error) {
	if len(b.options.rewards) > 0 && deployed == nil {
		return nil, fmt.Errorf("%w: --rewards names verifiers of a configuration: give it by --config", reflectionflow.ErrInvalid)
	}
	var members []genref.EnsembleMember
	for _, text := range b.options.rewards {
		name := rewardName(text)
		_, weight, weighted := strings.Cut(text, "=")
		m := genref.EnsembleMember{Name: name, Weight: 1}
		var err error
		if weighted {
			if m.Weight, err = strconv.ParseFloat(weight, 64); err != nil {
				return nil, fmt.Errorf("%w: --rewards: the weight of %s is no number: %.40q", reflectionflow.ErrInvalid, name, weight)
			}
		}
		if _, known := deployed.Verifiers[name]; !known && name != config.Embedded {
			return nil, fmt.Errorf("%w: --rewards: the configuration has no verifier %.64q", reflectionflow.ErrInvalid, name)
		}
		if m.Verifier, err = b.reward(ctx, deployed, name); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return slices.Clip(members), nil
}

// reward opens one verifier of a configuration.
func (b *genrefBuilder) reward(ctx context.Context, deployed *config.Config, name string) (reflectionflow.Verifier, error) {
	model, err := b.deploy(withVerifier(deployed, name))
	if err != nil {
		return nil, err
	}
	e, err := b.open(ctx, model)
	if err != nil {
		return nil, err
	}
	return e.Verifier, nil
}

// rewardName is the name in a reward with its weight.
func rewardName(text string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(text), "=")
	return name
}

// withVerifier is what a configuration needs to use another of its verifiers.
func withVerifier(c *config.Config, name string) *config.Config {
	other := *c
	other.Use.Verifier = name
	return other.Used()
}
