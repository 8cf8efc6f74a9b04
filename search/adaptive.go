package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// history is all that the adaptive strategy looks at when it decides on a
// candidate: its policy and the candidates verified by then, from 0 on. Decisions
// are functions of it, so that a record determines them.
type history struct {
	policy *Policy
	axes   Axes
	steps  int // of an image
	// timed says that only time is bounded: an action's price is its seconds, not
	// the image it takes.
	timed      bool
	candidates []reflectionflow.Candidate
}

// choice is what a candidate is to be made of.
type choice struct {
	action reflectionflow.Action
	parent int // -1 for none
	reason string
	index  float64 // expected gain for its price
}

// situation is what the best picture so far is like.
type situation struct {
	global bool // it lacks more than a correction can be expected to mend
	stuck  bool // the prompt may be misread: every picture lacks the same
}

// promisingParents is how many pictures may be corrected: the best by value.
const promisingParents = 3

// stuckFrom is how many pictures must lack the same requirement.
const stuckFrom = 3

// choose takes the action of the highest expected gain for its price: fresh noise, a
// refined prompt, or a correction of one of the best pictures. The price is what the
// budget counts: an image each, or seconds where it bounds nothing else. It is a bandit
// that begins with fitted gains μ0 and learns from the prompt's own pictures: after n of
// an action with gains g,
//
//	μ = (w·μ0 + Σg) / (w + n)
//
// with the policy's weight w; for a correction the same once more over the
// children of its parent, times the parent's mean confidence over the best one's.
// So an action that fails loses ground to the others, and a parent whose
// corrections fail to the next one.
func (h history) choose() choice {
	best := h.best(len(h.candidates))
	if best < 0 {
		return choice{action: reflectionflow.Explore, parent: -1, reason: "nothing is verified yet"}
	}
	s := h.situation(best)
	arms := []choice{{action: reflectionflow.Explore, parent: -1, index: h.expected(reflectionflow.Explore, s)}}
	if h.axes.Prompt {
		arms = append(arms, choice{action: reflectionflow.Rewrite, parent: best, index: h.expected(reflectionflow.Rewrite, s)})
	}
	if h.axes.Reflection {
		var corrections []choice
		for _, parent := range h.promising(len(h.candidates)) {
			if c := h.candidates[parent]; !c.Score.Right() { // nothing is known to be wrong with it
				corrections = append(corrections, choice{action: reflectionflow.Reflect, parent: parent, index: h.correction(parent, best, s)})
			}
		}
		if len(corrections) > 0 {
			arms = append(arms, slices.MaxFunc(corrections, byIndex))
		}
	}
	if h.timed {
		for i := range arms {
			arms[i].index /= h.policy.Seconds.cost(arms[i].action, h.steps)
		}
	}
	chosen := slices.MaxFunc(arms, byIndex)
	chosen.reason = h.reason(best, s, arms)
	return chosen
}

func byIndex(a, b choice) int { return cmp.Compare(a.index, b.index) }

// best is the best picture among the first n candidates, -1 for none.
func (h history) best(n int) int {
	best := -1
	for i, c := range h.candidates[:n] {
		if c.Error == "" && (best < 0 || c.Score.Value > h.candidates[best].Score.Value) {
			best = i
		}
	}
	return best
}

// promising are the best pictures among the first n candidates, the best first. A
// picture that is not among them never will be again.
func (h history) promising(n int) []int {
	var ids []int
	for i, c := range h.candidates[:n] {
		if c.Error == "" {
			ids = append(ids, i)
		}
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		return cmp.Compare(h.candidates[b].Score.Value, h.candidates[a].Score.Value)
	})
	return ids[:min(len(ids), promisingParents)]
}

// situation is that of the best picture and of all before.
func (h history) situation(best int) situation {
	return situation{global: failsAsAWhole(h.candidates[best].Score), stuck: h.lackedByAll() >= 0}
}

// failsAsAWhole reports whether most requirements are not met and some of what
// they are about is not in the picture. With everything there, or with most of it
// right, the rest can be mended.
func failsAsAWhole(s reflectionflow.Score) bool {
	var unmet []reflectionflow.Requirement
	for _, f := range s.Requirements {
		if f.Verdict != reflectionflow.Met {
			unmet = append(unmet, f.Requirement)
		}
	}
	if len(s.Requirements) > 0 && 2*len(unmet) <= len(s.Requirements) {
		return false
	}
	seen := map[string]bool{"": true} // most requirements have no target
	for _, o := range s.Objects {
		seen[o.Class] = true
	}
	for _, f := range s.Requirements {
		for _, o := range f.Evidence {
			seen[o.Class] = true
		}
	}
	return len(unmet) == 0 || slices.ContainsFunc(unmet, func(r reflectionflow.Requirement) bool {
		return r.Kind != reflectionflow.Absent && (!seen[r.Object] || !seen[r.Target])
	})
}

// lackedByAll is the index of a requirement that no picture meets, though there
// are several; -1 for none.
func (h history) lackedByAll() int {
	pictures := 0
	var met []bool
	for _, c := range h.candidates {
		if c.Error != "" || len(c.Score.Requirements) == 0 {
			continue
		}
		pictures++
		if met == nil {
			met = make([]bool, len(c.Score.Requirements))
		}
		for i, f := range c.Score.Requirements {
			if i < len(met) && f.Verdict == reflectionflow.Met {
				met[i] = true
			}
		}
	}
	if pictures < stuckFrom {
		return -1
	}
	return slices.Index(met, false)
}

// gain is what candidate i added to those before it, in [0, 1].
func (h history) gain(i int) float64 {
	c := h.candidates[i]
	if c.Error != "" {
		return 0
	}
	if h.policy.Stop.believes(c.Score) {
		return 1
	}
	best := h.best(i)
	if best < 0 {
		return 0
	}
	before := h.candidates[best].Score
	if len(c.Score.Requirements) > 0 {
		return max(0, confidence(c.Score)-confidence(before))
	}
	if c.Score.Value > before.Value { // all that such a verifier says
		return plainGain
	}
	return 0
}

// plainGain is the gain of a better value where nothing is found for requirements.
const plainGain = 0.1

// confidence is the mean over the requirements, 0 without any.
func confidence(s reflectionflow.Score) float64 {
	sum := 0.0
	for _, f := range s.Requirements {
		sum += f.Confidence
	}
	return sum / float64(max(1, len(s.Requirements)))
}

// expected is the expected gain of an action in a situation.
func (h history) expected(a reflectionflow.Action, s situation) float64 {
	return h.posterior(*h.policy.gains(a).in(s), func(c reflectionflow.Candidate) bool { return c.Action == a })
}

// correction is the expected gain of correcting a parent.
func (h history) correction(parent, best int, s situation) float64 {
	of := situation{global: failsAsAWhole(h.candidates[parent].Score), stuck: s.stuck}
	mean := h.posterior(h.expected(reflectionflow.Reflect, of), func(c reflectionflow.Candidate) bool {
		return c.Action == reflectionflow.Reflect && c.Parent == parent
	})
	if least := confidence(h.candidates[best].Score); least > 0 {
		mean *= min(1, confidence(h.candidates[parent].Score)/least)
	}
	return mean
}

// posterior is the mean gain given a prior mean and the candidates that count. The
// first picture has nothing to add to.
func (h history) posterior(prior float64, counts func(reflectionflow.Candidate) bool) float64 {
	sum, n := h.policy.Weight*prior, h.policy.Weight
	for i, c := range h.candidates {
		if i > 0 && counts(c) {
			sum += h.gain(i)
			n++
		}
	}
	return sum / n
}

// reason says the choice in a phrase: what is wrong, and what each action promises.
func (h history) reason(best int, s situation, arms []choice) string {
	found := h.candidates[best].Score.Requirements
	unmet := 0
	for _, f := range found {
		if f.Verdict != reflectionflow.Met {
			unmet++
		}
	}
	var b strings.Builder
	switch {
	case len(found) == 0:
		_, _ = fmt.Fprintf(&b, "#%d is the best", best)
	case unmet == 0:
		_, _ = fmt.Fprintf(&b, "#%d meets all, but not surely", best)
	case s.stuck:
		_, _ = fmt.Fprintf(&b, "no picture meets %q", found[min(h.lackedByAll(), len(found)-1)].Requirement)
	case s.global:
		_, _ = fmt.Fprintf(&b, "#%d fails as a whole (%d of %d not met)", best, unmet, len(found))
	default:
		_, _ = fmt.Fprintf(&b, "#%d can be mended (%d of %d not met)", best, unmet, len(found))
	}
	unit := "an image"
	if h.timed {
		unit = "a second"
	}
	_, _ = fmt.Fprintf(&b, "; gain %s:", unit)
	for i, a := range arms {
		if i > 0 {
			b.WriteByte(',')
		}
		name := map[reflectionflow.Action]string{
			reflectionflow.Explore: "fresh noise", reflectionflow.Rewrite: "other words",
			reflectionflow.Reflect: fmt.Sprintf("correcting #%d", a.parent),
		}[a.action]
		_, _ = fmt.Fprintf(&b, " %s %.2f", name, a.index)
	}
	return b.String()
}

// survey takes one of the actions by lot, each as likely, where there is a picture
// to begin with.
func (h history) survey(lot uint64) choice {
	best := h.best(len(h.candidates))
	if best < 0 {
		return choice{action: reflectionflow.Explore, parent: -1}
	}
	choices := []choice{
		{action: reflectionflow.Explore, parent: -1},
		{action: reflectionflow.Rewrite, parent: best},
		{action: reflectionflow.Reflect, parent: best},
	}
	return choices[lot%uint64(len(choices))]
}
