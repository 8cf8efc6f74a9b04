package assemble

import (
	"context"

	"reflectionflow/geneval"
	"reflectionflow/internal/config"
	"reflectionflow/verifier/photo"
)

// cocoNetwork names the photo detector, in the judge and in the verifier of type coco.
const cocoNetwork = "coco"

func cocoJudge() partType[config.Judge, JudgePlan] {
	return partType[config.Judge, JudgePlan]{
		Type: config.Type{Kind: config.Judges, Name: "coco", Summary: "the built-in photo detector, by GenEval's rules"},
		build: func(*Builder, string, config.Judge) (JudgePlan, error) {
			return JudgePlan{Networks: []string{cocoNetwork}, Suits: geneval.Detectable, Open: openCoco}, nil
		},
	}
}

func openCoco(ctx context.Context, backend string) (*Judge, error) {
	detector, err := photo.OpenDetector(ctx, backend)
	if err != nil {
		return nil, err
	}
	return &Judge{Judge: geneval.ByRules(cocoDetector{detector}), Known: knownPhotographs, Closer: detector}, nil
}

// cocoDetector counts objects that are more likely there than not, in all tasks.
type cocoDetector struct{ *photo.Detector }

// Thresholds implements [geneval.Calibrated].
func (cocoDetector) Thresholds() geneval.Thresholds {
	return geneval.Thresholds{Score: 0.5, Counting: 0.5}
}
