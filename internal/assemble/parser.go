package assemble

import (
	"cmp"
	"context"
	"fmt"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/clipart"
	"reflectionflow/internal/config"
	"reflectionflow/requirements"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

// ParseFunc reads a prompt into requirements, and says what that cost. A prompt that
// cannot be read is an error wrapping [reflectionflow.ErrInvalid].
type ParseFunc func(ctx context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error)

// parserTypes lists the types of parsers.
func parserTypes() []partType[config.Parser, ParseFunc] {
	return []partType[config.Parser, ParseFunc]{
		{
			Type: config.Type{
				Kind: config.Parsers, Name: config.Chat, Summary: "a language model that lists the requirements of a prompt",
				Keys: []string{"endpoint", "prompt"},
			},
			build: func(b *Builder, name string, p config.Parser) (ParseFunc, error) {
				at := "parsers." + name
				client, prompt, err := b.ask(at, p.Endpoint, p.Prompt)
				if err != nil {
					return nil, err
				}
				if !b.config.VerifiesEmbedded() {
					return b.reader(at, client, requirements.ReaderOptions{Prompt: prompt, Whole: true})
				}
				parser, err := verifier.NewChatParser(client, prompt)
				if err != nil {
					return nil, b.config.Errorf(at, "%v", err)
				}
				return parser.Parse, nil
			},
		},
		{
			Type: config.Type{
				Kind: config.Parsers, Name: "english", Summary: "plain English by fixed rules, without a network; with an endpoint, a language model reads what the rules cannot",
				Keys: []string{"endpoint", "prompt"}, MayAsk: true, Alone: true, Photo: true,
			},
			build: func(b *Builder, name string, p config.Parser) (ParseFunc, error) {
				at := "parsers." + name
				switch {
				case p.Endpoint == "" && p.Prompt != "":
					return nil, b.config.Errorf(at+".prompt", "a prompt needs an endpoint")
				case p.Endpoint == "":
					return Free(requirements.Parse), nil
				}
				client, prompt, err := b.ask(at, p.Endpoint, p.Prompt)
				if err != nil {
					return nil, err
				}
				return b.reader(at, client, requirements.ReaderOptions{Prompt: prompt})
			},
		},
		embeddedType[config.Parser, ParseFunc](config.Parsers, "a grammar of clip-art prompts"),
	}
}

// reader reads prompts with a language model.
func (b *Builder) reader(at string, model chat.Model, options requirements.ReaderOptions) (ParseFunc, error) {
	r, err := requirements.NewReader(model, options)
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	return r.Parse, nil
}

// Parser returns how prompts are read: by the parser of the model own, by rules, by a
// language model, or not at all. A prompt without requirements that the embedded verifier cannot
// read itself is an error.
func (b *Builder) Parser(own Model) (ParseFunc, error) {
	name := b.config.Use.Parser
	parse := Free(withoutRequirements)
	if name != config.None {
		p := b.config.Parsers[name]
		var err error
		if parse, err = build(b, parserTypes(), name, p.Type, p); err != nil {
			return nil, err
		}
	}
	if parse == nil {
		return own.Parse, nil
	}
	if v := b.config.Use.Verifier; cmp.Or(b.config.Verifiers[v].Type, v) == cocoNetwork {
		return unjudged(parse), nil
	}
	if !b.config.VerifiesEmbedded() {
		return parse, nil
	}
	return func(ctx context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
		prompt, cost, err := parse(ctx, text)
		if err == nil {
			err = b.readable(ctx, own, prompt, "verifier")
		}
		return prompt, cost, err
	}, nil
}

// withoutRequirements returns a prompt as written.
func withoutRequirements(text string) (reflectionflow.Prompt, error) {
	prompt := reflectionflow.Prompt{Text: text}
	return prompt, prompt.Validate()
}

// readable reports a prompt without requirements that an embedded part cannot parse
// itself.
func (b *Builder) readable(ctx context.Context, own Model, prompt reflectionflow.Prompt, part string) error {
	if len(prompt.Requirements) > 0 {
		return nil
	}
	if _, _, err := own.Parse(ctx, prompt.Text); err != nil {
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

// suits reports a prompt without requirements that the axes need and an embedded part
// cannot use: the refiner parses the prompt itself, and the reflector words findings,
// which a verifier gives for requirements only.
func (b *Builder) suits(ctx context.Context, own Model, prompt reflectionflow.Prompt, axes search.Axes) error {
	c := b.config
	if axes.Prompt && c.RefinesEmbedded() {
		if err := b.readable(ctx, own, prompt, "refiner"); err != nil {
			return err
		}
	}
	v := c.Use.Verifier
	alone := v == config.Embedded || c.Verifiers[v].Type == config.Embedded
	if axes.Reflection && c.ReflectsEmbedded() && !alone && len(clipart.Known(prompt.Requirements)) == 0 {
		return fmt.Errorf("%w: %.80q: the embedded reflector needs requirements, and there are none: %s (use another parser or reflector, or search without reflection)",
			reflectionflow.ErrInvalid, prompt.Text, b.unparsed())
	}
	return nil
}
