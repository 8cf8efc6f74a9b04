package geneval

import (
	"context"
	"fmt"
	"image"
	"sync"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Oracle is the judge as a verifier. It shows how far a search could get if its
// verifier never erred, and is no fair competitor of other verifiers (arXiv 2504.16080 calls it so too).
type Oracle struct {
	judge      Detector
	thresholds Thresholds
	prompts    map[string]Metadata // by text
}

var _ reflectionflow.Verifier = (*Oracle)(nil)

// NewOracle knows the prompts of an evaluation. It may run while the judge, if
// wrapped by [OneAtATime], runs on other images.
func NewOracle(judge Detector, t Thresholds, prompts []Metadata) *Oracle {
	o := &Oracle{judge: judge, thresholds: t, prompts: make(map[string]Metadata)}
	for _, m := range prompts {
		o.prompts[m.Prompt] = m
	}
	return o
}

// Verify implements [reflectionflow.Verifier]: the value is the share of the
// requirements that are met, and 1 more for an image that the judge calls right.
// A prompt that is not one of the evaluation's is an error.
func (o *Oracle) Verify(ctx context.Context, requests []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	start := time.Now()
	images := make([]image.Image, len(requests))
	for i, p := range requests {
		if _, known := o.prompts[p.Prompt.Text]; !known {
			return nil, fmt.Errorf("the oracle does not know the prompt %.80q", p.Prompt.Text)
		}
		images[i] = p.Image
	}
	found, err := o.judge.Detect(ctx, images)
	if err != nil {
		return nil, err
	}
	if len(found) != len(requests) {
		return nil, fmt.Errorf("the judge returned %d lists of objects for %d images", len(found), len(requests))
	}
	scores := make([]reflectionflow.Score, len(requests))
	for i, p := range requests {
		scores[i] = o.score(p, found[i])
		scores[i].Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds() / float64(len(requests))}
	}
	return scores, nil
}

func (o *Oracle) score(p reflectionflow.PromptedImage, objects []reflectionflow.Object) reflectionflow.Score {
	m := o.prompts[p.Prompt.Text]
	var kept []reflectionflow.Object
	for _, class := range clipart.Classes() {
		kept = append(kept, o.thresholds.Keep(m.Tag, objects)[class]...)
	}
	result := Evaluate(m, o.thresholds, p.Image.Bounds().Size(), objects)
	score := reflectionflow.Score{Objects: kept, Detail: result.Reason}
	met := 0
	for _, r := range p.Prompt.Requirements {
		f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet}
		var ok bool
		if ok, f.Evidence = clipart.Check(r, kept); ok || result.Correct {
			f.Verdict, f.Confidence = reflectionflow.Met, 1
			met++
		}
		score.Requirements = append(score.Requirements, f)
	}
	score.Value = share(met, len(p.Prompt.Requirements))
	if result.Correct {
		score.Value++
	}
	return score
}

// OneAtATime lets several goroutines share a judge.
func OneAtATime(judge Detector) Detector { return &queued{judge: judge} }

type queued struct {
	mu    sync.Mutex
	judge Detector
}

func (q *queued) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.judge.Detect(ctx, images)
}
