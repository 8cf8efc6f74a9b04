package assemble

import (
	"context"
	"errors"

	"reflectionflow/internal/config"
	"reflectionflow/verifier/preference"
	"reflectionflow/verifier/similarity"
	"reflectionflow/vision/clip"
)

// clipVerifier is the entry of a family of image-text networks.
func clipVerifier(family string) partType[config.Verifier, MakeVerifier] {
	summary := "how well an image fits a text, by CLIP in a folder of Hugging Face"
	if family == config.SigLIP {
		summary = "the same by SigLIP or SigLIP 2"
	}
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: family, Summary: summary,
			Findings: "color, attribute, scene, style", Keys: []string{"path", "met", "not_met", "calibration"},
		},
		build: func(b *Builder, name string, v config.Verifier) (MakeVerifier, error) {
			at := "verifiers." + name
			if err := b.needsPath(at, v); err != nil {
				return nil, err
			}
			options := similarity.Options{Met: v.Met, NotMet: v.NotMet}
			if _, err := similarity.New(nil, options); err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return b.network(similarity.Abilities(), func(ctx context.Context, backend string) (loadedVerifier, error) {
				model, err := clip.Open(ctx, v.Path, clip.Options{Backend: backend, Family: clip.Family(family)})
				if err != nil {
					return nil, b.notLoaded(at, err)
				}
				made, err := similarity.New(model, options)
				if err != nil {
					return nil, errors.Join(err, model.Close())
				}
				return similar{made, model}, nil
			}), nil
		},
	}
}

// similar is a verifier with the network that it closes.
type similar struct {
	*similarity.Verifier
	model *clip.Model
}

func (s similar) Close() error    { return s.model.Close() }
func (s similar) Notes() []string { return s.model.Notes() }

func rewardVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.Reward, Summary: "what people prefer: LAION's aesthetic predictor, PickScore or HPSv2",
			Findings: "none", Keys: []string{"path", "reward", "head", "calibration"},
		},
		build: func(b *Builder, name string, v config.Verifier) (MakeVerifier, error) {
			at := "verifiers." + name
			if err := b.needsPath(at, v); err != nil {
				return nil, err
			}
			options := preference.Options{Path: v.Path, Head: v.Head, Kind: preference.Kind(v.Reward)}
			if err := options.Check(); err != nil {
				return nil, b.config.Errorf(at, "%v", err)
			}
			return b.network((*preference.Verifier)(nil).Abilities(), func(ctx context.Context, backend string) (loadedVerifier, error) {
				options.Backend = backend
				made, err := preference.Open(ctx, options)
				if err != nil {
					return nil, b.notLoaded(at, err)
				}
				return made, nil
			}), nil
		},
	}
}
