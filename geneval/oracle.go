package geneval

import (
	"context"
	"fmt"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Oracle is the judge as a verifier. It shows how far a search could get if its
// verifier never erred, and is no fair competitor of other verifiers (arXiv 2504.16080 calls it so too).
type Oracle struct {
	judge   Judge
	prompts map[string]Metadata // by text
}

var _ reflectionflow.Verifier = (*Oracle)(nil)

// NewOracle knows the prompts of an evaluation. It may run while the judge, if
// wrapped by [Shared], runs on other images.
func NewOracle(judge Judge, prompts []Metadata) *Oracle {
	o := &Oracle{judge: judge, prompts: make(map[string]Metadata)}
	for _, m := range prompts {
		o.prompts[m.Prompt] = m
	}
	return o
}

// Verify implements [reflectionflow.Verifier]: the value is the share of the
// requirements that are met, and 1 more for an image that the judge calls right; for a
// judge that asks, it is the geometric mean of the probabilities.
// A prompt that is not one of the evaluation's is an error.
func (o *Oracle) Verify(ctx context.Context, requests []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	start := time.Now()
	cases := make([]Case, len(requests))
	for i, p := range requests {
		m, known := o.prompts[p.Prompt.Text]
		if !known {
			return nil, fmt.Errorf("the oracle does not know the prompt %.80q", p.Prompt.Text)
		}
		cases[i] = Case{m, p.Image}
	}
	judgments, err := judgeAll(ctx, o.judge, cases)
	if err != nil {
		return nil, err
	}
	scores := make([]reflectionflow.Score, len(requests))
	for i, p := range requests {
		scores[i] = oracleScore(p, judgments[i])
		scores[i].Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds() / float64(len(requests))}
	}
	return scores, nil
}

func oracleScore(p reflectionflow.PromptedImage, j Judgment) reflectionflow.Score {
	score := reflectionflow.Score{Objects: j.Objects, Detail: j.Reason}
	if len(j.Probabilities) > 0 {
		score.Value = GeometricMean(j.Probabilities)
		return score
	}
	met := 0
	for _, r := range p.Prompt.Requirements {
		f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet}
		var ok bool
		if ok, f.Evidence = clipart.Check(r, j.Objects); ok || j.Correct {
			f.Verdict, f.Confidence = reflectionflow.Met, 1
			met++
		}
		score.Requirements = append(score.Requirements, f)
	}
	score.Value = share(met, len(p.Prompt.Requirements))
	if j.Correct {
		score.Value++
	}
	return score
}
