package assemble

import (
	"context"
	"fmt"
	"image"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/config"
	"reflectionflow/vision/ssdlite"
)

// cocoNetwork names the photo detector, in the judge and in the verifier of type coco.
const cocoNetwork = "coco"

func cocoJudge() partType[config.Judge, JudgePlan] {
	return partType[config.Judge, JudgePlan]{
		Type: config.Type{Kind: config.Judges, Name: "coco", Summary: "the built-in photo detector, by GenEval's rules"},
		build: func(*Builder, string, config.Judge) (JudgePlan, error) {
			return JudgePlan{Networks: []string{cocoNetwork}, Suits: colorless, Open: openCoco}, nil
		},
	}
}

// colorless refuses prompts with colors, which the detector does not see.
func colorless(m geneval.Metadata) error {
	if err := geneval.Detectable(m); err != nil {
		return err
	}
	for _, c := range m.Include {
		if c.Color != "" {
			return fmt.Errorf("%w: %q: the judge coco sees no colors", reflectionflow.ErrInvalid, m.Prompt)
		}
	}
	return nil
}

func openCoco(ctx context.Context, backend string) (*Judge, error) {
	detector, err := ssdlite.Open(ctx, ssdlite.Options{Backend: backend})
	if err != nil {
		return nil, err
	}
	return &Judge{Judge: geneval.ByRules(cocoDetector{detector}), Known: knownPhotos, Closer: detector}, nil
}

// cocoDetector has the threshold of the detector for all tasks.
type cocoDetector struct{ *ssdlite.Detector }

// Thresholds implements [geneval.Calibrated].
func (cocoDetector) Thresholds() geneval.Thresholds {
	return geneval.Thresholds{Score: 0.5, Counting: 0.5}
}

// knownPhotos are the photographs of the self-test, whatever the prompts are.
func knownPhotos([]geneval.Metadata, image.Point) ([]geneval.KnownScene, error) {
	return geneval.KnownPhotos()
}
