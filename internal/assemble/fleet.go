package assemble

import (
	"context"
	"time"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/fleet"
)

// fleetSummary is what the reference says of the parts of workers beside the generator.
const fleetSummary = "the workers' own, for a generator of type fleet"

// fleetGenerator is the entry of generators whose work workers do.
func fleetGenerator() partType[config.Generator, reflectionflow.Generator] {
	return partType[config.Generator, reflectionflow.Generator]{
		Type: config.Type{
			Kind: config.Generators, Name: config.Fleet, Summary: "workers on other machines that run a model (see: reflectionflow worker)",
			Keys: []string{"model", "pin", "size", "steps", "guidance"},
		},
		build: func(b *Builder, name string, _ config.Generator) (reflectionflow.Generator, error) {
			f, model, err := b.fleet("generators."+name, name)
			if err != nil {
				return nil, err
			}
			b.fleets = append(b.fleets, model.Fingerprint)
			return f.Generator(model), nil
		},
	}
}

// fleetVerifier is the entry of the workers' verifier.
func fleetVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{Kind: config.Verifiers, Name: config.Fleet, Summary: fleetSummary, Findings: "as the workers' verifier", Keys: []string{"calibration"}, Alone: true},
		build: func(b *Builder, _ string, _ config.Verifier) (MakeVerifier, error) {
			f, model, err := b.fleet("use.verifier", b.config.Use.Generator)
			if err != nil {
				return nil, err
			}
			return ready(f.Verifier(model)), nil
		},
	}
}

// fleetReflector is the entry of the workers' reflector.
func fleetReflector() partType[config.Reflector, reflectionflow.Reflector] {
	return partType[config.Reflector, reflectionflow.Reflector]{
		Type: config.Type{Kind: config.Reflectors, Name: config.Fleet, Summary: fleetSummary, Alone: true},
		build: func(b *Builder, _ string, _ config.Reflector) (reflectionflow.Reflector, error) {
			f, model, err := b.fleet("use.reflector", b.config.Use.Generator)
			if err != nil {
				return nil, err
			}
			return f.Reflector(model), nil
		},
	}
}

// fleetRefiner is the entry of the workers' refiner.
func fleetRefiner() partType[config.Refiner, reflectionflow.Refiner] {
	return partType[config.Refiner, reflectionflow.Refiner]{
		Type: config.Type{Kind: config.Refiners, Name: config.Fleet, Summary: fleetSummary, Alone: true},
		build: func(b *Builder, _ string, _ config.Refiner) (reflectionflow.Refiner, error) {
			f, model, err := b.fleet("use.refiner", b.config.Use.Generator)
			if err != nil {
				return nil, err
			}
			return f.Refiner(model), nil
		},
	}
}

// findTime bounds looking for a model of workers.
const findTime = 20 * time.Second

// fleet finds the workers' model of a generator; at is the part that needs it.
func (b *Builder) fleet(at, generator string) (*fleet.Fleet, fleet.Model, error) {
	g := b.config.Generators[generator]
	switch {
	case g.Type != config.Fleet:
		return nil, fleet.Model{}, b.config.Errorf(at, "a part of type fleet needs a generator of type fleet")
	case b.config.NATS.URL == "" || b.env.Fleet == nil:
		return nil, fleet.Model{}, b.config.Errorf(at, "it does not say where the workers are: write nats.url, or give serve --nats")
	}
	ctx, cancel := context.WithTimeout(context.Background(), findTime)
	defer cancel()
	f, err := b.env.Fleet(ctx, b.config.NATS)
	if err != nil {
		return nil, fleet.Model{}, err
	}
	model, err := f.Model(ctx, g.Model, b.env.Version, g.Pin)
	if err != nil {
		return nil, fleet.Model{}, b.config.Errorf("generators."+generator, "%v", err)
	}
	return f, model, nil
}
