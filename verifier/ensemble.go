package verifier

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"

	"reflectionflow"
)

// Method is the way in which an [Ensemble] combines the values of its members.
type Method string

// Methods. Rank and Tournament compare an image with a fixed set of reference images and
// not with the other images of the call, so a score depends on its own image alone.
const (
	// Mean is the weighted mean of the values, which must have one scale: calibrate the
	// members first (see [Calibrated]).
	Mean Method = "mean"
	// Rank is the weighted mean of the image's ranks among each member's reference values,
	// in [0, 1]. The scales of the members do not matter; those of common reward models
	// differ 100-fold.
	Rank Method = "rank"
	// Tournament compares the image with every reference image. The image wins if the
	// members that prefer it have more weight than those that prefer the other. The value
	// is the share of wins, a draw counting half; the mean rank breaks ties.
	Tournament Method = "tournament"
	// Reliability combines the members' findings requirement by requirement, by how far
	// their calibrations trust them for the kind of the requirement: a detector for numbers,
	// a language model for styles. Members are given uncalibrated, with their calibrations.
	Reliability Method = "reliability"
)

// Member is one verifier of an [Ensemble].
type Member struct {
	Name     string // for the score's detail
	Verifier reflectionflow.Verifier
	Weight   float64 // 0 means 1
	// Reference holds the member's values for the reference images, in the same order for
	// all members; see [Calibration.Reference]. Mean needs none.
	Reference []float64
	// Calibration is the member's, for Reliability; nil for other methods.
	Calibration *Calibration
}

// Ensemble is a verifier that combines others. Confidences of a requirement are averaged
// by weight, over the members that can judge it; its verdict is the one with more than half of the weight, otherwise unsure.
// The cost is the sum of the members'.
//
// A member whose score has Unanswered set does not count. If no member answers, Unanswered
// is set. An error of a member is an error of the ensemble. Ensemble is safe for
// concurrent use if its members are.
type Ensemble struct {
	method  Method
	members []Member
	sorted  [][]float64 // per member, its reference values in order
}

// NewEnsemble returns an ensemble. Members that do not fit the method are errors wrapping
// [reflectionflow.ErrInvalid].
func NewEnsemble(method Method, members []Member) (*Ensemble, error) {
	e := &Ensemble{method: method, members: slices.Clone(members)}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: an ensemble needs members", reflectionflow.ErrInvalid)
	}
	switch method {
	case Mean, Rank, Tournament:
	case Reliability:
		if err := checkReliability(members); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: ensemble method %q: use %s, %s, %s or %s", reflectionflow.ErrInvalid, method, Mean, Rank, Tournament, Reliability)
	}
	for i := range e.members {
		m := &e.members[i]
		if m.Weight == 0 {
			m.Weight = 1
		}
		switch {
		case m.Verifier == nil:
			return nil, fmt.Errorf("%w: ensemble member %q has no verifier", reflectionflow.ErrInvalid, m.Name)
		case !(m.Weight > 0) || math.IsInf(m.Weight, 0):
			return nil, fmt.Errorf("%w: ensemble member %q has weight %v", reflectionflow.ErrInvalid, m.Name, m.Weight)
		case (method == Rank || method == Tournament) && len(m.Reference) < 2:
			return nil, fmt.Errorf("%w: ensemble member %q has no reference values: calibrate it first", reflectionflow.ErrInvalid, m.Name)
		case method == Tournament && len(m.Reference) != len(members[0].Reference):
			return nil, fmt.Errorf("%w: ensemble member %q has %d reference values and %q has %d: calibrate both on the same images", reflectionflow.ErrInvalid, m.Name, len(m.Reference), members[0].Name, len(members[0].Reference))
		case slices.ContainsFunc(m.Reference, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }):
			return nil, fmt.Errorf("%w: ensemble member %q has a reference value that is not finite", reflectionflow.ErrInvalid, m.Name)
		}
		e.sorted = append(e.sorted, slices.Sorted(slices.Values(m.Reference)))
	}
	return e, nil
}

// Abilities implements [reflectionflow.DeclaringVerifier]: the union of the members'
// abilities.
func (e *Ensemble) Abilities() reflectionflow.Abilities {
	var a reflectionflow.Abilities
	for _, m := range e.members {
		a = a.Union(reflectionflow.AbilitiesOf(m.Verifier))
	}
	return a
}

// Verify implements [reflectionflow.Verifier]. The members run concurrently.
func (e *Ensemble) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	all, errs := make([][]reflectionflow.Score, len(e.members)), make([]error, len(e.members))
	var wg sync.WaitGroup
	for i, m := range e.members {
		wg.Go(func() {
			all[i], errs[i] = m.Verifier.Verify(ctx, images)
			if errs[i] == nil && len(all[i]) != len(images) {
				errs[i] = fmt.Errorf("verifier %s: %d scores for %d images", m.Name, len(all[i]), len(images))
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	scores := make([]reflectionflow.Score, len(images))
	for p := range images {
		votes := make([]reflectionflow.Score, len(e.members))
		for i := range e.members {
			votes[i] = all[i][p]
		}
		scores[p] = e.combine(images[p].Prompt, votes)
	}
	return scores, nil
}

// combine returns the score of an image from those of the members.
func (e *Ensemble) combine(prompt reflectionflow.Prompt, votes []reflectionflow.Score) reflectionflow.Score {
	var score reflectionflow.Score
	var detail []string
	weights, unanswered := e.weights(votes)
	answered := sum(weights) > 0
	if !answered {
		score.Unanswered = unanswered
	}
	for i, vote := range votes {
		score.Cost = score.Cost.Add(vote.Cost)
		if weights[i] == 0 {
			detail = append(detail, e.members[i].Name+" gave no answer")
			continue
		}
		detail = append(detail, fmt.Sprintf("%s %.4g", e.members[i].Name, vote.Value))
		if score.Objects == nil {
			score.Objects = vote.Objects
		}
	}
	score.Detail = strings.Join(detail, ", ")
	switch {
	case !answered:
	case e.method == Mean:
		for i, vote := range votes {
			score.Value += weights[i] / sum(weights) * vote.Value
		}
	case e.method == Rank:
		score.Value = e.meanRank(votes, weights)
	case e.method == Tournament:
		score.Value = e.wins(votes, weights)
	}
	if e.method == Reliability {
		if answered {
			score.Requirements, score.Value = e.byReliability(prompt, votes, weights)
		}
		return score
	}
	for i, r := range prompt.Requirements {
		if f, ok := e.finding(i, votes, weights); ok {
			f.Requirement = r
			score.Requirements = append(score.Requirements, f)
		}
	}
	if len(score.Requirements) != len(prompt.Requirements) {
		score.Requirements = nil // a requirement without a finding would shift the others
	}
	return score
}

// weights returns the members' weights, 0 for those without an answer, and the reasons of
// these.
func (e *Ensemble) weights(votes []reflectionflow.Score) ([]float64, string) {
	weights := make([]float64, len(votes))
	var unanswered []string
	for i, vote := range votes {
		if vote.Unanswered != "" {
			unanswered = append(unanswered, e.members[i].Name+": "+vote.Unanswered)
			continue
		}
		weights[i] = e.members[i].Weight
	}
	return weights, strings.Join(unanswered, "; ")
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

// finding combines the findings for requirement i. It returns false if no member has
// findings.
func (e *Ensemble) finding(i int, votes []reflectionflow.Score, weights []float64) (reflectionflow.Finding, bool) {
	f := reflectionflow.Finding{Verdict: reflectionflow.Unsure}
	voted, met, notMet, unjudged := 0.0, 0.0, 0.0, false
	for m, vote := range votes {
		if i >= len(vote.Requirements) || weights[m] == 0 {
			continue
		}
		found, weight := vote.Requirements[i], weights[m]
		if found.Unjudged {
			unjudged = true
			continue
		}
		voted += weight
		f.Confidence += weight * found.Confidence
		switch found.Verdict {
		case reflectionflow.Met:
			met += weight
		case reflectionflow.NotMet:
			notMet += weight
		}
		if f.Evidence == nil {
			f.Evidence = found.Evidence
		}
	}
	if voted == 0 {
		f.Confidence, f.Unjudged = unsureConfidence, true
		return f, unjudged
	}
	f.Confidence = min(max(f.Confidence/voted, 0), 1)
	switch {
	case met > voted/2:
		f.Verdict = reflectionflow.Met
	case notMet > voted/2:
		f.Verdict = reflectionflow.NotMet
	}
	return f, true
}

func (e *Ensemble) meanRank(votes []reflectionflow.Score, weights []float64) float64 {
	mean, total := 0.0, sum(weights)
	for i, vote := range votes {
		if weights[i] > 0 {
			mean += weights[i] / total * rank(e.sorted[i], vote.Value)
		}
	}
	return mean
}

// rank returns the rank of a value among sorted reference values, in (0, 1) and strictly
// increasing. It is linear between neighbors, and approaches 0 and 1 beyond the ends, so
// that values above all references still differ.
func rank(sorted []float64, value float64) float64 {
	n := len(sorted)
	first, last := sorted[0], sorted[n-1]
	spread := last - first
	if spread == 0 {
		spread = 1
	}
	switch {
	case value < first:
		d := (first - value) / spread
		return 1 / (1 + d) / float64(n+1)
	case value > last:
		d := (value - last) / spread
		return (float64(n) + d/(1+d)) / float64(n+1)
	}
	low := sort.SearchFloat64s(sorted, value)                             // number of smaller values
	high := sort.Search(n, func(i int) bool { return sorted[i] > value }) // number of values that are not larger
	if high > low {                                                       // the middle of equal values
		return (float64(low+high) + 1) / 2 / float64(n+1)
	}
	part := (value - sorted[low-1]) / (sorted[low] - sorted[low-1])
	from, to := rank(sorted, sorted[low-1]), rank(sorted, sorted[low])
	return from + part*(to-from)
}

// wins returns the share of reference images that an image beats.
func (e *Ensemble) wins(votes []reflectionflow.Score, weights []float64) float64 {
	n := len(e.members[0].Reference)
	points := 0.0
	for j := range n {
		balance := 0.0
		for i, vote := range votes {
			switch other := e.members[i].Reference[j]; {
			case vote.Value > other:
				balance += weights[i]
			case vote.Value < other:
				balance -= weights[i]
			}
		}
		switch {
		case balance > 0:
			points++
		case balance == 0:
			points += 0.5
		}
	}
	// The tie-break is smaller than the least difference, half a win.
	return (points + 0.49*e.meanRank(votes, weights)) / (float64(n) + 0.49)
}
