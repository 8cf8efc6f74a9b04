package assemble

import (
	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

// comparerTypes lists the types of comparers. There is no embedded one.
func comparerTypes() []partType[config.Comparer, reflectionflow.Comparer] {
	return []partType[config.Comparer, reflectionflow.Comparer]{{
		Type: config.Type{
			Kind: config.Comparers, Name: config.Chat, Summary: "a vision-language model that is shown two images in both orders", Keys: []string{"endpoint"},
		},
		build: func(b *Builder, name string, c config.Comparer) (reflectionflow.Comparer, error) {
			client, _, err := b.ask("comparers."+name, c.Endpoint, "")
			if err != nil {
				return nil, err
			}
			return verifier.NewPairwise(client)
		},
	}}
}

// comparer builds the comparer in use, nil for none.
func (b *Builder) comparer() (reflectionflow.Comparer, error) {
	name := b.config.Use.Comparer
	if name == "" {
		return nil, nil
	}
	c := b.config.Comparers[name]
	return build(b, comparerTypes(), name, c.Type, c)
}
