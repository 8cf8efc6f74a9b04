package assemble

import (
	"context"
	"math"

	"reflectionflow/clipart/template"
	"reflectionflow/geneval"
	"reflectionflow/internal/config"
)

// templateJudge compares images with the drawings of the clip-art world: a judge that no
// network of a model shares errors with.
func templateJudge() partType[config.Judge, JudgePlan] {
	return partType[config.Judge, JudgePlan]{
		Type: config.Type{Kind: config.Judges, Name: "template", Summary: "comparison with the drawings, without a network, for models of clip-art alone"},
		build: func(b *Builder, _ string, _ config.Judge) (JudgePlan, error) {
			own, err := b.env.Models.Find(b.config.Model)
			if err != nil {
				return JudgePlan{}, err
			}
			if own.OpenJudge == nil {
				return JudgePlan{}, b.config.Errorf("judges", "model %s is none of clip-art, and type template knows clip-art alone: use coco, owlv2+clip or vlm", own.Name)
			}
			return JudgePlan{ClipArt: true, Suits: own.knows, Open: func(context.Context, string) (*Judge, error) {
				return &Judge{Judge: geneval.ByRules(templateDetector{template.New()}), Known: own.knownScenes}, nil
			}}, nil
		},
	}
}

// templateDetector counts everything that is listed.
type templateDetector struct{ template.Detector }

// Thresholds implements [geneval.Calibrated].
func (templateDetector) Thresholds() geneval.Thresholds {
	least := math.Nextafter(template.MinLikeness, 0) // at the threshold itself an object is listed
	return geneval.Thresholds{Score: least, Counting: least}
}
