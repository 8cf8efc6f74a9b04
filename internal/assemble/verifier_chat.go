package assemble

import (
	"context"
	"errors"
	"image"
	"slices"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
	"reflectionflow/verifier/photo"
)

func chatVerifier() partType[config.Verifier, MakeVerifier] {
	return partType[config.Verifier, MakeVerifier]{
		Type: config.Type{
			Kind: config.Verifiers, Name: config.Chat,
			Summary:  "a vision-language model that judges each requirement",
			Findings: "every kind",
			Keys:     []string{"endpoint", "prompt", "temperature", "seed", "votes", "boxes", "crops", "calibration"},
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
	for _, key := range [][2]string{{"boxes", v.Boxes}, {"crops", v.Crops}} {
		if key[1] != "" && key[1] != cocoNetwork {
			return nil, b.config.Errorf(at+"."+key[0], "no detector is called %.40q: use %s", key[1], cocoNetwork)
		}
	}
	if v.Boxes == "" && v.Crops == "" {
		return ready(made), nil
	}
	return b.network(reflectionflow.AbilitiesOf(made), func(ctx context.Context, backend string) (loadedVerifier, error) {
		detector, err := photo.OpenDetector(ctx, backend)
		if err != nil {
			return nil, b.notLoaded(at, err)
		}
		seen, options := &shown{detector}, options
		if v.Boxes != "" {
			options.Boxes = seen
		}
		if v.Crops != "" {
			options.Crops = seen
		}
		with, err := verifier.NewChat(client, options)
		if err != nil {
			return nil, errors.Join(err, detector.Close())
		}
		return boxed{with, detector}, nil
	}), nil
}

// shownFrom is the probability from which a model is shown an object: below that for
// counting, as it judges for itself.
const shownFrom = 0.3

// shown is the photo detector without what it hardly sees.
type shown struct{ *photo.Detector }

// Detect implements [verifier.BoxDetector].
func (s *shown) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found, err := s.Detector.Detect(ctx, images)
	for i := range found {
		found[i] = slices.DeleteFunc(found[i], func(o reflectionflow.Object) bool { return o.Confidence < shownFrom })
	}
	return found, err
}

// boxed is a verifier with the detector that it closes.
type boxed struct {
	*verifier.Chat
	detector *photo.Detector
}

// Close frees the detector.
func (b boxed) Close() error { return b.detector.Close() }
