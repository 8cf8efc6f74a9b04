package assemble

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"io"
	"maps"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/config"
)

// Judge is an opened judge of evaluations.
type Judge struct {
	Judge geneval.Judge
	// Known returns images with known answers for the self-test before an evaluation of the
	// prompts, generated at a size.
	Known     func(prompts []geneval.Metadata, size image.Point) ([]geneval.KnownScene, error)
	io.Closer // may be nil
}

// JudgePlan is a judge that is not opened.
type JudgePlan struct {
	Name string // its type
	// ClipArt is set for a judge that knows images of the clip-art world alone.
	ClipArt bool
	// Networks name what decides. A verifier with one of these is no independent one.
	Networks []string
	// Suits reports prompts that the judge cannot decide, as an error wrapping
	// [reflectionflow.ErrInvalid]; nil where it decides all.
	Suits func(m geneval.Metadata) error
	// Open loads the judge for a compute backend, empty for the default on the CPU. It is
	// nil for a judge outside of this program, whose verdicts come in a file.
	Open func(ctx context.Context, backend string) (*Judge, error)
}

// External is the judge whose verdicts come in a file afterwards.
const External = "external"

// judgeTypes lists the types of judges.
func judgeTypes() []partType[config.Judge, JudgePlan] {
	embedded := partType[config.Judge, JudgePlan]{
		Type:  config.Type{Kind: config.Judges, Name: config.Embedded, Summary: "a detector of clip-art, for models of clip-art alone"},
		build: (*Builder).embeddedJudge,
	}
	external := partType[config.Judge, JudgePlan]{
		Type:  config.Type{Kind: config.Judges, Name: External, Summary: "another program, whose verdicts `evaluate report --verdicts` reads"},
		build: func(*Builder, string, config.Judge) (JudgePlan, error) { return JudgePlan{}, nil },
	}
	return []partType[config.Judge, JudgePlan]{embedded, templateJudge(), cocoJudge(), owlv2Judge(), vlmJudge(), external}
}

// JudgeNames lists the types of judges.
func JudgeNames() []string {
	var names []string
	for _, t := range judgeTypes() {
		names = append(names, t.Name)
	}
	return names
}

// Judge plans the judge with a name: that of an entry of the configuration, or of a type.
// A type is that of its only entry, or one without settings where there is none.
func (b *Builder) Judge(name string) (JudgePlan, error) {
	entry, found := b.config.Judges[name]
	if !found {
		at, err := b.judgeOfType(name)
		if err != nil {
			return JudgePlan{}, err
		}
		if entry = (config.Judge{Type: name}); at != "" {
			name, entry = at, b.config.Judges[at]
		}
	}
	for _, t := range judgeTypes() {
		if t.Name == entry.Type {
			plan, err := t.build(b, name, entry)
			plan.Name = t.Name
			return plan, err
		}
	}
	return JudgePlan{}, b.config.Errorf("judges", "there is no judge %.40q: use %s", name, strings.Join(JudgeNames(), ", "))
}

// judgeOfType names the only entry of a type; empty where there is none.
func (b *Builder) judgeOfType(typ string) (string, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(b.config.Judges)) {
		if b.config.Judges[name].Type == typ {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return names[0], nil
	}
	return "", b.config.Errorf("judges", "there are several of type %s: name one of %s", typ, strings.Join(names, ", "))
}

// embeddedJudge is the judge of the configuration's model.
func (b *Builder) embeddedJudge(string, config.Judge) (JudgePlan, error) {
	own, err := b.env.Models.Find(b.config.Model)
	if err != nil {
		return JudgePlan{}, err
	}
	if own.OpenJudge == nil {
		return JudgePlan{}, b.config.Errorf("judges", "model %s has no judge to evaluate with", own.Name)
	}
	return JudgePlan{
		ClipArt:  true,
		Networks: []string{"judge of " + own.Name},
		Suits:    own.knows,
		Open: func(ctx context.Context, backend string) (*Judge, error) {
			detector, err := own.OpenJudge(ctx, backend)
			if err != nil {
				return nil, fmt.Errorf("open the judge of model %s: %w", own.Name, err)
			}
			judge := &Judge{Judge: geneval.ByRules(detector), Known: own.knownScenes}
			judge.Closer, _ = detector.(io.Closer)
			return judge, nil
		},
	}, nil
}

// networks names what decides in a verifier: its type where that is one network, the model
// of its endpoint, or those of its members.
func (b *Builder) networks(name string) []string {
	v := b.config.Verifiers[name]
	switch {
	case name == config.Embedded || v.Type == config.Embedded:
		return []string{"verifier of " + b.config.Model}
	case v.Endpoint != "":
		return []string{b.networkOf(v.Endpoint)}
	case len(v.Members) > 0:
		var all []string
		for _, m := range v.Members {
			all = append(all, b.networks(m.Verifier)...)
		}
		return all
	}
	return []string{cmp.Or(v.Type, name)} // a name without an entry is a type
}

// networkOf names the model of an endpoint.
func (b *Builder) networkOf(name string) string {
	e := b.config.Endpoints[name]
	if e.Model == "" {
		return "the model at " + place(e.URL)
	}
	return e.Model + " at " + place(e.URL)
}

// Shared names the networks that a judge has in common with the verifier in use; empty
// for none.
func (b *Builder) Shared(plan JudgePlan) string {
	var common []string
	for _, network := range b.networks(b.config.Use.Verifier) {
		if slices.Contains(plan.Networks, network) && !slices.Contains(common, network) {
			common = append(common, network)
		}
	}
	return strings.Join(common, ", ")
}

// knownScenes are rendered scenes, for the self-test of a judge.
func (m Model) knownScenes(prompts []geneval.Metadata, size image.Point) ([]geneval.KnownScene, error) {
	return geneval.KnownScenes(prompts, m.Classes, size)
}

// knows is an error for a prompt outside the vocabulary of the model.
func (m Model) knows(wanted geneval.Metadata) error {
	if err := geneval.Detectable(wanted); err != nil {
		return err
	}
	for _, c := range wanted.Include {
		if len(m.Classes) > 0 && !slices.Contains(m.Classes, c.Class) {
			return fmt.Errorf("%w: %q: model %s does not know %s (see: reflectionflow models show %s)",
				reflectionflow.ErrInvalid, wanted.Prompt, m.Name, c.Class, m.Name)
		}
		if c.Color != "" && len(m.Colors) > 0 && !slices.Contains(m.Colors, c.Color) {
			return fmt.Errorf("%w: %q: model %s does not know the color %s", reflectionflow.ErrInvalid, wanted.Prompt, m.Name, c.Color)
		}
	}
	return nil
}
