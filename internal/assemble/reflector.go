package assemble

import (
	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/reflector"
)

// reflectorTypes lists the types of reflectors.
func reflectorTypes() []partType[config.Reflector, reflectionflow.Reflector] {
	return []partType[config.Reflector, reflectionflow.Reflector]{
		{
			Type: config.Type{
				Kind: config.Reflectors, Name: config.Chat, Summary: "a vision-language model that looks at the image and the findings",
				Keys: []string{"endpoint", "prompt", "wording", "temperature"},
			},
			build: func(b *Builder, name string, r config.Reflector) (reflectionflow.Reflector, error) {
				at := "reflectors." + name
				client, prompt, err := b.ask(at, r.Endpoint, r.Prompt)
				if err != nil {
					return nil, err
				}
				part, err := reflector.NewChat(client, reflector.ChatOptions{Wording: r.Wording, Prompt: prompt, Temperature: r.Temperature})
				if err != nil {
					return nil, b.config.Errorf(at, "%v", err)
				}
				return part, nil
			},
		},
		{
			Type: config.Type{
				Kind: config.Reflectors, Name: "findings", Summary: "rules that word findings on any objects as instructions; needs a verifier with findings", Alone: true, Photo: true,
			},
			build: func(*Builder, string, config.Reflector) (reflectionflow.Reflector, error) {
				return reflector.Findings{}, nil
			},
		},
		fleetReflector(),
		embeddedType[config.Reflector, reflectionflow.Reflector](config.Reflectors, "rules that word findings in the words of the clip-art model; needs a verifier with findings"),
	}
}

// reflector builds a reflector, nil for the embedded one.
func (b *Builder) reflector(name string) (reflectionflow.Reflector, error) {
	r := b.config.Reflectors[name]
	return build(b, reflectorTypes(), name, r.Type, r)
}

// refinerTypes lists the types of refiners.
func refinerTypes() []partType[config.Refiner, reflectionflow.Refiner] {
	return []partType[config.Refiner, reflectionflow.Refiner]{
		{
			Type: config.Type{
				Kind: config.Refiners, Name: config.Chat, Summary: "a language model that rewrites the prompt",
				Keys: []string{"endpoint", "prompt", "words", "temperature"},
			},
			build: func(b *Builder, name string, r config.Refiner) (reflectionflow.Refiner, error) {
				at := "refiners." + name
				client, prompt, err := b.ask(at, r.Endpoint, r.Prompt)
				if err != nil {
					return nil, err
				}
				part, err := reflector.NewChatRefiner(client, reflector.ChatRefinerOptions{Prompt: prompt, Words: r.Words, Temperature: r.Temperature})
				if err != nil {
					return nil, b.config.Errorf(at, "%v", err)
				}
				return part, nil
			},
		},
		{
			Type: config.Type{
				Kind: config.Refiners, Name: "restate", Summary: "rules that follow the prompt with plain sentences of what is not met", Alone: true, Photo: true,
			},
			build: func(*Builder, string, config.Refiner) (reflectionflow.Refiner, error) {
				return reflector.Restate{}, nil
			},
		},
		fleetRefiner(),
		embeddedType[config.Refiner, reflectionflow.Refiner](config.Refiners, "rules that reword the prompt in the words of the clip-art model"),
	}
}

// refiner builds a refiner, nil for the embedded one.
func (b *Builder) refiner(name string) (reflectionflow.Refiner, error) {
	r := b.config.Refiners[name]
	return build(b, refinerTypes(), name, r.Type, r)
}
