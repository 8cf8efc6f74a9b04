package assemble

import (
	"context"
	"strings"

	"reflectionflow/internal/config"
	"reflectionflow/verifier/openvocab"
	"reflectionflow/verifier/photo"
)

func owlv2Verifier() partType[config.Verifier, MakeVerifier] {
	var kinds []string
	for _, k := range photo.Abilities().Kinds {
		kinds = append(kinds, string(k))
	}
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.OWLv2, Summary: "boxes of anything that a phrase names, up to twelve of each, by OWLv2 in a folder of Hugging Face",
			Findings: strings.Join(kinds, ", "), Keys: []string{"path", "threshold", "slope", "met", "not_met", "calibration"},
		},
		build: func(b *Builder, name string, v config.Verifier) (MakeVerifier, error) {
			at, options := "verifiers."+name, openvocab.Options{Path: v.Path, Threshold: v.Threshold, Slope: v.Slope, Met: v.Met, NotMet: v.NotMet}
			if err := b.needsPath(at, v); err != nil {
				return nil, err
			}
			if err := options.Check(); err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return b.network(photo.Abilities(), func(ctx context.Context, backend string) (loadedVerifier, error) {
				options.Backend = backend
				made, err := openvocab.Open(ctx, options)
				if err != nil {
					return nil, b.notLoaded(at, err)
				}
				return made, nil
			}), nil
		},
	}
}
