package assemble

import (
	"context"
	"errors"

	"reflectionflow/geneval"
	"reflectionflow/geneval/openvocab"
	"reflectionflow/internal/config"
	"reflectionflow/vision/clip"
	"reflectionflow/vision/owlv2"
)

// openJudge names the judge by OWLv2 and CLIP.
const openJudge = "owlv2+clip"

func owlv2Judge() partType[config.Judge, JudgePlan] {
	return partType[config.Judge, JudgePlan]{
		Type: config.Type{
			Kind: config.Judges, Name: openJudge, Keys: []string{"owlv2", "clip"},
			Summary: "boxes of OWLv2 by GenEval's rules, colors by CLIP on the boxes",
		},
		build: func(b *Builder, name string, j config.Judge) (JudgePlan, error) {
			if j.OWLv2 == "" || j.CLIP == "" {
				return JudgePlan{}, b.config.Errorf("judges", "the judge %s needs two networks: write judges: {mine: {type: %s, owlv2: FOLDER, clip: FOLDER}} into a configuration", openJudge, openJudge)
			}
			return JudgePlan{
				Networks: []string{config.OWLv2, config.CLIP}, Suits: geneval.Detectable,
				Open: func(ctx context.Context, backend string) (*Judge, error) {
					judge, err := openOWLv2Judge(ctx, backend, j)
					if err != nil {
						return nil, b.notLoaded("judges."+name, err)
					}
					return judge, nil
				},
			}, nil
		},
	}
}

func openOWLv2Judge(ctx context.Context, backend string, j config.Judge) (*Judge, error) {
	boxes, err := owlv2.Open(ctx, j.OWLv2, owlv2.Options{Backend: backend, Threshold: openvocab.Thresholds().Score})
	if err != nil {
		return nil, err
	}
	texts, err := clip.Open(ctx, j.CLIP, clip.Options{Backend: backend, Family: clip.CLIP})
	if err != nil {
		return nil, errors.Join(err, boxes.Close())
	}
	return &Judge{
		Judge: geneval.BySearch(openvocab.Searcher{Boxes: boxes, Texts: texts}, openvocab.Thresholds()),
		Known: knownPhotographs, Closer: closers{boxes, texts},
	}, nil
}
