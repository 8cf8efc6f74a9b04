package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// history is all that the adaptive strategy looks at when it chooses: its policy and
// the candidates finished by then, from 0. Choices are deterministic functions of it,
// so that a journal determines them.
type history struct {
	policy *Policy
	axes   Axes
	steps  int // per image
	// timed is set when only time is bounded: gains count per second, not per image.
	timed      bool
	candidates []reflectionflow.Candidate
}

// situation describes the best image so far.
type situation struct {
	global bool // it misses more than a correction can be expected to fix
	stuck  bool // the prompt may be misread: every image misses the same requirement
}

// promisingParents is how many images may be corrected: the best by value.
const promisingParents = 3

// stuckFrom is how many images must miss the same requirement.
const stuckFrom = 3

// choose takes the action with the highest expected gain: new noise, a refined prompt,
// or a correction of one of the best images. Gains count per image, or per second where
// only time is bounded. It is a bandit that starts from fitted gains μ0 and learns from
// the prompt's own images: after n images of an action with gains g,
//
//	μ = (w·μ0 + Σg) / (w + n)
//
// with the policy's weight w. For a correction the same formula is applied again to the
// children of its parent, with the result as μ0, and multiplied by the parent's mean
// confidence over the best image's. So an action without success loses to the others,
// and a parent whose corrections fail to the next parent.
func (h history) choose() choice {
	best := h.best(len(h.candidates))
	if best < 0 {
		return h.first()
	}
	s := h.situation(best)
	arms := []choice{{action: reflectionflow.Explore, parent: -1, index: h.expected(reflectionflow.Explore, s)}}
	if h.axes.Prompt {
		arms = append(arms, choice{action: reflectionflow.Rewrite, parent: best, index: h.expected(reflectionflow.Rewrite, s)})
	}
	if h.axes.Reflection {
		var corrections []choice
		for _, parent := range h.promising(len(h.candidates)) {
			if c := h.candidates[parent]; !c.Score.NothingWrong() { // nothing is known to be wrong with it
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

// first is the choice while no image is usable. A prompt that the generator refused
// permanently is rewritten.
func (h history) first() choice {
	if n := len(h.candidates); n > 0 && h.candidates[n-1].Permanent && h.axes.Prompt {
		return choice{action: reflectionflow.Rewrite, parent: -1, reword: true, reason: fmt.Sprintf("#%d was refused", n-1)}
	}
	return choice{action: reflectionflow.Explore, parent: -1, reason: "no image is verified yet"}
}

func byIndex(a, b choice) int { return cmp.Compare(a.index, b.index) }

// best is the best usable candidate among the first n, -1 for none.
func (h history) best(n int) int {
	best := -1
	for i, c := range h.candidates[:n] {
		if usable(c) && (best < 0 || c.Score.Value > h.candidates[best].Score.Value) {
			best = i
		}
	}
	return best
}

// promising returns the best usable candidates among the first n, the best first. A
// candidate that is not among them never becomes one of them.
func (h history) promising(n int) []int {
	var ids []int
	for i, c := range h.candidates[:n] {
		if usable(c) {
			ids = append(ids, i)
		}
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		return cmp.Compare(h.candidates[b].Score.Value, h.candidates[a].Score.Value)
	})
	return ids[:min(len(ids), promisingParents)]
}

// situation describes the best image, given all images.
func (h history) situation(best int) situation {
	return situation{global: missesMost(h.candidates[best].Score), stuck: h.missedByAll() >= 0}
}

// missesMost reports whether most requirements are not met and one of them is about the
// image as a whole: its scene or style, or an object that is not in the image. Where all
// objects are there, or most requirements are met, the rest can be corrected.
// Requirements that the verifier cannot judge do not count.
func missesMost(s reflectionflow.Score) bool {
	judged := s.Judged()
	unmet := 0
	for _, f := range judged {
		if f.Verdict != reflectionflow.Met {
			unmet++
		}
	}
	if len(judged) > 0 && 2*unmet <= len(judged) {
		return false
	}
	return unmet == 0 || slices.ContainsFunc(judged, func(f reflectionflow.Finding) bool {
		switch f.Requirement.Kind {
		case reflectionflow.Scene, reflectionflow.Style, reflectionflow.Free:
			return f.Verdict != reflectionflow.Met
		}
		return false
	}) || slices.ContainsFunc(judged, lacking(s))
}

// lacking returns whether a finding is on a requirement that is not met because one of its
// objects is not in the image.
func lacking(s reflectionflow.Score) func(reflectionflow.Finding) bool {
	seen := map[string]bool{"": true} // most requirements have no target
	for _, o := range s.Objects {
		seen[o.Class] = true
	}
	for _, f := range s.Requirements {
		for _, o := range f.Evidence {
			seen[o.Class] = true
		}
		// A detector has other words for objects than the prompt, or none.
		if f.Requirement.Counts() && (f.Unjudged || f.Verdict == reflectionflow.Met || len(f.Evidence) > 0) {
			seen[f.Requirement.Object] = true
		}
	}
	return func(f reflectionflow.Finding) bool {
		r := f.Requirement
		if f.Verdict == reflectionflow.Met || r.Kind == reflectionflow.Absent || r.Kind == reflectionflow.AtMost {
			return false
		}
		return !seen[r.Object] || !seen[r.Target] || !seen[r.Second]
	}
}

// missedByAll is the index of a requirement that is judged and that no image meets, of at
// least stuckFrom images; -1 for none.
func (h history) missedByAll() int {
	images := 0
	var met []bool
	for _, c := range h.candidates {
		if !usable(c) || len(c.Score.Requirements) == 0 {
			continue
		}
		images++
		if met == nil {
			met = make([]bool, len(c.Score.Requirements))
		}
		for i, f := range c.Score.Requirements {
			if i < len(met) && (f.Verdict == reflectionflow.Met || f.Unjudged) {
				met[i] = true
			}
		}
	}
	if images < stuckFrom {
		return -1
	}
	return slices.Index(met, false)
}

// gain is what candidate i added to those before it, in [0, 1].
func (h history) gain(i int) float64 {
	c := h.candidates[i]
	if !usable(c) {
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
	if len(c.Score.Judged()) > 0 {
		return max(0, confidence(c.Score)-confidence(before))
	}
	if c.Score.Value > before.Value { // the verifier gives no more than that
		return plainGain
	}
	return 0
}

// plainGain is the gain of a better value where a verifier judges no requirement.
const plainGain = 0.1

// confidence is the mean confidence over the requirements that were judged, 0 without any.
func confidence(s reflectionflow.Score) float64 {
	sum, judged := 0.0, s.Judged()
	for _, f := range judged {
		sum += f.Confidence
	}
	return sum / float64(max(1, len(judged)))
}

// expected is the expected gain of an action in a situation.
func (h history) expected(a reflectionflow.Action, s situation) float64 {
	return h.posterior(*h.policy.gains(a).in(s), func(c reflectionflow.Candidate) bool { return c.Action == a })
}

// correction is the expected gain of correcting a parent.
func (h history) correction(parent, best int, s situation) float64 {
	of := situation{global: missesMost(h.candidates[parent].Score), stuck: s.stuck}
	mean := h.posterior(h.expected(reflectionflow.Reflect, of), func(c reflectionflow.Candidate) bool {
		return c.Action == reflectionflow.Reflect && c.Parent == parent
	})
	if least := confidence(h.candidates[best].Score); least > 0 {
		mean *= min(1, confidence(h.candidates[parent].Score)/least)
	}
	return mean
}

// posterior is the mean gain given a prior mean and the candidates that count. The
// first candidate has no gain: there is none before it.
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

// reason says in a phrase what the best image lacks, and the expected gain of each action.
func (h history) reason(best int, s situation, arms []choice) string {
	score := h.candidates[best].Score
	found := score.Judged()
	unmet := 0
	for _, f := range found {
		if f.Verdict != reflectionflow.Met {
			unmet++
		}
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "best is #%d", best)
	switch {
	case len(found) == 0:
	case unmet == 0:
		b.WriteString(": every requirement met, with low confidence")
	case s.stuck:
		_, _ = fmt.Fprintf(&b, ": %d of %d requirements not met, no image meets %q", unmet, len(found), score.Requirements[min(h.missedByAll(), len(score.Requirements)-1)].Requirement)
	case s.global:
		what := "an object is missing"
		if !slices.ContainsFunc(found, lacking(score)) {
			what = "scene or style among them"
		}
		_, _ = fmt.Fprintf(&b, ": %d of %d requirements not met, %s", unmet, len(found), what)
	default:
		_, _ = fmt.Fprintf(&b, ": %d of %d requirements not met", unmet, len(found))
	}
	if n := len(score.Requirements) - len(found); n > 0 {
		_, _ = fmt.Fprintf(&b, ", %d not judged", n)
	}
	unit := "image"
	if h.timed {
		unit = "second"
	}
	_, _ = fmt.Fprintf(&b, "; expected gain per %s:", unit)
	for i, a := range arms {
		if i > 0 {
			b.WriteByte(',')
		}
		name := map[reflectionflow.Action]string{
			reflectionflow.Explore: "new seed", reflectionflow.Rewrite: "rewritten prompt",
			reflectionflow.Reflect: fmt.Sprintf("correction of #%d", a.parent),
		}[a.action]
		_, _ = fmt.Fprintf(&b, " %s %.2f", name, a.index)
	}
	return b.String()
}

// survey picks a uniformly random action, once there is an image to start from.
func (h history) survey(random uint64) choice {
	best := h.best(len(h.candidates))
	if best < 0 {
		return choice{action: reflectionflow.Explore, parent: -1}
	}
	choices := []choice{
		{action: reflectionflow.Explore, parent: -1},
		{action: reflectionflow.Rewrite, parent: best},
		{action: reflectionflow.Reflect, parent: best},
	}
	return choices[random%uint64(len(choices))]
}
