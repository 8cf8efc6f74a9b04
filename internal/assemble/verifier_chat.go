package assemble

import (
	"context"
	"errors"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
	"reflectionflow/vision/ssdlite"
)

func chatVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.Chat,
			Summary:  "a vision-language model that judges each requirement",
			Findings: "every kind",
			Keys:     []string{"endpoint", "prompt", "temperature", "seed", "votes", "boxes", "calibration"},
		},
		build: (*Builder).chatVerifier,
	}
}

func (b *Builder) chatVerifier(name string, v config.Verifier) (MakeVerifier, error) {
	at := "verifiers." + name
	client, prompt, err := b.ask(at, v.Endpoint, v.Prompt)
	if err != nil {
		return nil, err
	}
	options := verifier.ChatOptions{Prompt: prompt, Temperature: v.Temperature, Seed: v.Seed, Votes: v.Votes}
	made, err := verifier.NewChat(client, options)
	if err != nil {
		return nil, b.config.Errorf(at, "%v", err)
	}
	switch v.Boxes {
	case "":
		return ready(made), nil
	case cocoNetwork:
	default:
		return nil, b.config.Errorf(at+".boxes", "no detector is called %.40q: use %s", v.Boxes, cocoNetwork)
	}
	return b.network(reflectionflow.AbilitiesOf(made), func(ctx context.Context, backend string) (loadedVerifier, error) {
		detector, err := ssdlite.Open(ctx, ssdlite.Options{Backend: backend, Threshold: shownFrom})
		if err != nil {
			return nil, b.notLoaded(at, err)
		}
		options.Detector = detector
		with, err := verifier.NewChat(client, options)
		if err != nil {
			return nil, errors.Join(err, detector.Close())
		}
		return boxed{with, detector}, nil
	}), nil
}

// shownFrom is the confidence from which a model is shown a box: below that for counting,
// as it judges for itself.
const shownFrom = 0.3

// boxed is a verifier with the detector that it closes.
type boxed struct {
	*verifier.Chat
	detector *ssdlite.Detector
}

// Close frees the detector.
func (b boxed) Close() error { return b.detector.Close() }
