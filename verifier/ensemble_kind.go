package verifier

import (
	"fmt"

	"reflectionflow"
)

// byReliability combines the votes requirement by requirement: the probability is the mean
// of the members' calibrated probabilities, weighed by their reliability for the kind of the
// requirement. Members that are not calibrated for the kind count only where none is. The
// value is the mean of the probabilities, of which those of requirements with the weight
// Should count half; for a prompt without requirements it is the mean of the calibrated
// values.
func (e *Ensemble) byReliability(prompt reflectionflow.Prompt, votes []reflectionflow.Score, weights []float64) ([]reflectionflow.Finding, float64) {
	if len(prompt.Requirements) == 0 {
		return nil, e.calibratedMean(votes, weights)
	}
	found := make([]reflectionflow.Finding, len(prompt.Requirements))
	total, sum := 0.0, 0.0
	for i, r := range prompt.Requirements {
		found[i] = e.reliableFinding(r, i, votes, weights)
		w := 1.0
		if r.Weight == reflectionflow.Should {
			w = 0.5
		}
		total, sum = total+w, sum+w*found[i].Confidence
	}
	return found, sum / total
}

// reliableFinding combines the findings for requirement i.
func (e *Ensemble) reliableFinding(r reflectionflow.Requirement, i int, votes []reflectionflow.Score, weights []float64) reflectionflow.Finding {
	f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure, Confidence: unsureConfidence, Unjudged: true}
	var sum, weight, plainSum, plainWeight, best float64
	calibrated := false // a member is, for the kind
	for m, vote := range votes {
		if i >= len(vote.Requirements) || weights[m] == 0 {
			continue
		}
		said := vote.Requirements[i]
		f.Unjudged = f.Unjudged && said.Unjudged
		if abstains(said) {
			continue
		}
		w := 0.0
		if k, ok := e.members[m].kind(r.Kind); ok {
			calibrated = true
			if k.Weight >= LeastWeight {
				w = weights[m] * k.Weight
			}
			sum, weight = sum+w*k.Curve.Probability(said.Confidence), weight+w
		} else {
			plainSum, plainWeight = plainSum+weights[m]*said.Confidence, plainWeight+weights[m]
		}
		if share := max(w, 1e-9*weights[m]); share > best && len(said.Evidence) > 0 {
			best, f.Evidence = share, said.Evidence
		}
	}
	switch {
	case weight > 0:
		f.Confidence = sum / weight
		f.Verdict = verdictOf(f.Confidence)
	case !calibrated && plainWeight > 0:
		f.Confidence = plainSum / plainWeight
		f.Verdict = verdictOf(f.Confidence)
	case calibrated:
		f.Unjudged = true // no member can tell
	}
	return f
}

// abstains reports whether a member has nothing to say about a requirement.
func abstains(f reflectionflow.Finding) bool {
	return f.Unjudged || f.Verdict == reflectionflow.Unsure && f.Confidence == unsureConfidence
}

// kind is the calibration of a member for a kind.
func (m Member) kind(kind reflectionflow.Kind) (KindCalibration, bool) {
	if m.Calibration == nil {
		return KindCalibration{}, false
	}
	k, ok := m.Calibration.Kinds[kind]
	return k, ok
}

// calibratedMean is the mean of the members' calibrated values, weighed by how well they
// tell right from wrong images.
func (e *Ensemble) calibratedMean(votes []reflectionflow.Score, weights []float64) float64 {
	sum, total := 0.0, 0.0
	for m, vote := range votes {
		c := e.members[m].Calibration
		if weights[m] == 0 || c == nil {
			continue
		}
		w := weights[m] * max(2*c.AUC-1, 1e-3)
		sum, total = sum+w*c.Curve.Probability(vote.Value), total+w
	}
	if total == 0 {
		return 0
	}
	return sum / total
}

// checkReliability reports members that the method cannot combine.
func checkReliability(members []Member) error {
	for _, m := range members {
		if m.Calibration == nil {
			return fmt.Errorf("%w: ensemble member %q is not calibrated: calibrate it first (verifiers calibrate)", reflectionflow.ErrInvalid, m.Name)
		}
	}
	return nil
}
