package assemble

import (
	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
)

// generatorTypes lists the types of generators.
func generatorTypes() []partType[config.Generator, reflectionflow.Generator] {
	return []partType[config.Generator, reflectionflow.Generator]{
		{
			Type: config.Type{
				Kind: config.Generators, Name: config.Remote, Summary: "a server at a URL",
				Keys:    []string{"url", "price", "pin", "allow_change", "size", "steps", "guidance"},
				Schemes: remote.Schemes(),
			},
			build: func(b *Builder, name string, g config.Generator) (reflectionflow.Generator, error) {
				return b.remote(name, name, g)
			},
		},
		{
			Type: config.Type{
				Kind: config.Generators, Name: config.Pool, Summary: "several remote generators of one model, used as one",
				Keys: []string{"members", "size", "steps", "guidance"},
			},
			build: (*Builder).pool,
		},
		fluxType(),
		fleetGenerator(),
		embeddedType[config.Generator, reflectionflow.Generator](config.Generators, "the program's own model"),
	}
}

// generator builds a generator, nil for the embedded one.
func (b *Builder) generator(name string) (reflectionflow.Generator, error) {
	g := b.config.Generators[name]
	return build(b, generatorTypes(), name, g.Type, g)
}

func (b *Builder) pool(name string, g config.Generator) (reflectionflow.Generator, error) {
	members := make([]reflectionflow.Generator, len(g.Members))
	for i, member := range g.Members {
		var err error
		if members[i], err = b.remote(member, name, b.config.Generators[member]); err != nil {
			return nil, err
		}
	}
	return remote.NewPool(members)
}

// remote builds a generator at a server; part is the one in use, which is the pool for
// its members.
func (b *Builder) remote(name, part string, g config.Generator) (reflectionflow.Generator, error) {
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
