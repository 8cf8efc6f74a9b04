package assemble

import (
	"context"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier/photo"
)

// cocoVerifier is the entry of the built-in verifier of photographs.
func cocoVerifier() partType[config.Verifier, MakeVerifier] {
	var kinds []string
	for _, k := range photo.Abilities().Kinds {
		kinds = append(kinds, string(k))
	}
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: cocoNetwork, Summary: "the built-in photo detector: objects of 80 classes, up to five of each, their colors and places",
			Findings: strings.Join(kinds, ", "), Keys: []string{"met", "not_met", "calibration"}, Alone: true, Photo: true,
		},
		build: func(b *Builder, name string, v config.Verifier) (MakeVerifier, error) {
			at, options := "verifiers."+name, photo.Options{Met: v.Met, NotMet: v.NotMet}
			if err := options.Check(); err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return b.network(photo.Abilities(), func(ctx context.Context, backend string) (loadedVerifier, error) {
				options.Backend = backend
				made, err := photo.Open(ctx, options)
				if err != nil {
					return nil, b.notLoaded(at, err)
				}
				return made, nil
			}), nil
		},
	}
}

// nothingJudged is the note on a prompt of which the photo detector can judge nothing.
const nothingJudged = "the photo detector can judge nothing of this, so the search cannot tell right images from wrong ones: " +
	"configure a verifier of type chat or yes-no (docs/guides/judges.md)"

// unjudged is a parser that notes prompts of which the photo detector can judge nothing.
func unjudged(parse ParseFunc) ParseFunc {
	return func(ctx context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
		prompt, cost, err := parse(ctx, text)
		if err == nil && !slices.ContainsFunc(prompt.Requirements, photo.Judges) && len(prompt.Notes) < reflectionflow.MaxNotes {
			prompt.Notes = append(prompt.Notes, nothingJudged)
		}
		return prompt, cost, err
	}
}
