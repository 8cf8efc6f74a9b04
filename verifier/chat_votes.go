package verifier

import (
	"fmt"
	"strings"

	"reflectionflow"
)

// maxVotes bounds the votes of a [Chat] verifier.
const maxVotes = 15

// voted combines the votes of one model on an image: the value is the mean of those that
// answer, a confidence the mean of theirs, and a verdict that of more than half of them,
// otherwise unsure. The detail begins with their agreement: the mean share of the votes that
// have the most common verdict.
func voted(p reflectionflow.Prompt, votes []reflectionflow.Score) reflectionflow.Score {
	if len(votes) == 1 {
		return votes[0]
	}
	var score reflectionflow.Score
	var answered []reflectionflow.Score
	for _, v := range votes {
		score.Cost = score.Cost.Add(v.Cost)
		if v.Unanswered == "" {
			answered = append(answered, v)
		}
	}
	if len(answered) == 0 {
		cost := score.Cost
		score = votes[0]
		score.Cost = cost
		return score
	}
	for _, v := range answered {
		score.Value += v.Value / float64(len(answered))
	}
	agreement := 0.0
	for i := range p.Requirements {
		f, share := votedFinding(i, answered)
		agreement += share / float64(len(p.Requirements))
		score.Requirements = append(score.Requirements, f)
	}
	detail := fmt.Sprintf("%d of %d votes answered", len(answered), len(votes))
	if len(p.Requirements) > 0 {
		detail += fmt.Sprintf("; they agree on %.0f%% of the verdicts", 100*agreement)
	}
	score.Detail = strings.TrimSpace(detail + "\n" + answered[0].Detail)
	return score
}

// votedFinding combines the findings for requirement i, with the share of the most common
// verdict.
func votedFinding(i int, votes []reflectionflow.Score) (reflectionflow.Finding, float64) {
	f := votes[0].Requirements[i]
	f.Verdict, f.Confidence, f.Evidence = reflectionflow.Unsure, 0, nil
	most := 0
	for _, verdict := range []reflectionflow.Verdict{reflectionflow.Met, reflectionflow.NotMet, reflectionflow.Unsure} {
		n := 0
		var evidence []reflectionflow.Object
		for _, v := range votes {
			if v.Requirements[i].Verdict == verdict {
				n++
				if evidence == nil {
					evidence = v.Requirements[i].Evidence
				}
			}
		}
		most = max(most, n)
		if 2*n > len(votes) {
			f.Verdict, f.Evidence = verdict, evidence
		}
	}
	for _, v := range votes {
		f.Confidence += v.Requirements[i].Confidence / float64(len(votes))
	}
	return f, float64(most) / float64(len(votes))
}
