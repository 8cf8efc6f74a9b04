package assemble

import (
	"reflectionflow/internal/config"
	"reflectionflow/reflector"
)

// annotatorTypes lists the types of annotators. There is no embedded one.
func annotatorTypes() []partType[config.Annotator, *reflector.ChatAnnotator] {
	return []partType[config.Annotator, *reflector.ChatAnnotator]{{
		Type: config.Type{
			Kind: config.Annotators, Name: config.Chat, Summary: "a vision-language model that compares two images",
			Keys: []string{"endpoint", "prompt"},
		},
		build: func(b *Builder, name string, a config.Annotator) (*reflector.ChatAnnotator, error) {
			at := "annotators." + name
			client, prompt, err := b.ask(at, a.Endpoint, a.Prompt)
			if err != nil {
				return nil, err
			}
			part, err := reflector.NewChatAnnotator(client, prompt)
			if err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return part, nil
		},
	}}
}

// Annotator builds the annotator in use, for the data of reflection tuning. The
// description names the model and its prompt.
func (b *Builder) Annotator() (part *reflector.ChatAnnotator, description string, err error) {
	name := b.config.Use.Annotator
	a, ok := b.config.Annotators[name]
	if !ok {
		return nil, "", b.config.Errorf("annotators", "none is in use: add one, or name one of several by use.annotator")
	}
	if part, err = build(b, annotatorTypes(), name, a.Type, a); err != nil {
		return nil, "", err
	}
	model := b.config.Endpoints[a.Endpoint].Model
	if model == "" {
		model = a.Endpoint
	}
	return part, model + ", " + part.PromptID(), nil
}
