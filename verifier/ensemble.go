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

// Method is how an [Ensemble] makes one value of several.
type Method string

// The methods. All but Mean compare with what the members said about the same set
// of reference images, and not with the images beside: a score depends on its
// own image alone.
const (
	// Mean is the weighted mean of the values. They must be of one scale: calibrate
	// the members first (see [Calibrated]).
	Mean Method = "mean"
	// Rank is the weighted mean of each member's rank for the image among its own
	// reference values, in [0, 1]. Scales do not matter, which differ 100-fold
	// between common reward models.
	Rank Method = "rank"
	// Tournament lets the image meet every reference image: it wins when the
	// members that prefer it have more weight than those that do not. The value is
	// the share of wins, a draw being half of one; the mean rank decides between equals.
	Tournament Method = "tournament"
)

// Member is one verifier of an [Ensemble].
type Member struct {
	Name     string // for the score's detail
	Verifier reflectionflow.Verifier
	Weight   float64 // 0 means 1
	// Reference holds the member's values for the reference images, in the order
	// of the images; see [Calibration.Reference]. Mean needs none.
	Reference []float64
}

// Ensemble is a verifier of verifiers. Findings are put together per requirement:
// the weighted mean confidence, and the verdict for which more than half of the
// weight votes, else unsure. Its cost is that of all. A member whose score is unanswered
// does not count; the score is unanswered where every member's is. An error of one
// member is an error of the whole. It may be used from several goroutines if its members
// may.
type Ensemble struct {
	method  Method
	members []Member
	sorted  [][]float64 // per member, its reference values in order
}

// NewEnsemble makes an ensemble; members that do not fit the method are an error
// wrapping [reflectionflow.ErrInvalid].
func NewEnsemble(method Method, members []Member) (*Ensemble, error) {
	e := &Ensemble{method: method, members: slices.Clone(members)}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: an ensemble needs members", reflectionflow.ErrInvalid)
	}
	if method != Mean && method != Rank && method != Tournament {
		return nil, fmt.Errorf("%w: ensemble method %q: use %s, %s or %s", reflectionflow.ErrInvalid, method, Mean, Rank, Tournament)
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
		case method != Mean && len(m.Reference) < 2:
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

// Abilities implements [reflectionflow.DeclaringVerifier]: the union of the members'.
func (e *Ensemble) Abilities() reflectionflow.Abilities {
	var a reflectionflow.Abilities
	for _, m := range e.members {
		a = a.Union(reflectionflow.AbilitiesOf(m.Verifier))
	}
	return a
}

// Verify implements [reflectionflow.Verifier]. The members work side by side.
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

// combine makes one score of the members' scores for an image.
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
	for i, r := range prompt.Requirements {
		if f, ok := e.finding(i, votes, weights); ok {
			f.Requirement = r
			score.Requirements = append(score.Requirements, f)
		}
	}
	if len(score.Requirements) != len(prompt.Requirements) {
		score.Requirements = nil // nobody can tell them apart
	}
	return score
}

// weights are those of the members, 0 for one that did not answer. The text says why
// those did not.
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

// finding puts together what the members found for requirement i; false when none
// has findings.
func (e *Ensemble) finding(i int, votes []reflectionflow.Score, weights []float64) (reflectionflow.Finding, bool) {
	f := reflectionflow.Finding{Verdict: reflectionflow.Unsure}
	voted, met, notMet := 0.0, 0.0, 0.0
	for m, vote := range votes {
		if i >= len(vote.Requirements) || weights[m] == 0 {
			continue
		}
		found, weight := vote.Requirements[i], weights[m]
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
		return f, false
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

// rank of a value among sorted reference values, in (0, 1) and strictly rising:
// linear between neighbours, and beyond both ends ever slower towards 0 and 1, so
// that better than all still has its degrees.
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
	low := sort.SearchFloat64s(sorted, value)                             // how many are less
	high := sort.Search(n, func(i int) bool { return sorted[i] > value }) // how many are not more
	if high > low {                                                       // among equals, their middle
		return (float64(low+high) + 1) / 2 / float64(n+1)
	}
	part := (value - sorted[low-1]) / (sorted[low] - sorted[low-1])
	from, to := rank(sorted, sorted[low-1]), rank(sorted, sorted[low])
	return from + part*(to-from)
}

// wins is the share of reference images that an image beats.
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
	// Half a win is the least difference; the tie-break stays below it.
	return (points + 0.49*e.meanRank(votes, weights)) / (float64(n) + 0.49)
}
