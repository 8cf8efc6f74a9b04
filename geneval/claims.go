package geneval

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// claim is a statement of the paper or of this project with the evaluation's result.
type claim struct {
	Text, Paper, Ours, Verdict string
	p                          float64 // of the difference that the verdict is about; 0 for none
}

// The verdicts on claims.
const (
	agrees     = "agrees"
	undecided  = "not significant"
	disagrees  = "does not agree"
	unmeasured = "not measured"
	tooFew     = "too few prompts"
)

// claims lists the claims with the results of the evaluation.
func (r Results) claims(t table) []claim {
	largest := t.largest()
	list := []claim{
		r.above(t, "Rewritten prompts help beyond noise", "87 against 85 at 32", key{"noise-prompt", largest}, key{"noise", largest}),
		r.above(t, "Reflection helps beyond both", "91 against 87 at 32", key{"reflection", largest}, key{"noise-prompt", largest}),
		r.reaching(t, fmt.Sprintf("Reflection at 2 images reaches noise at %d", largest), "84.7 against 84.8 at 32", key{"reflection", 2}, key{"noise", largest}),
		r.closes(t),
		r.noTaskFalls(t),
		r.deeper(t),
		r.above(t, "The verifier is the bottleneck: the oracle does better", "98.4 against 91.4 at 32", key{"reflection+oracle", largest}, key{"reflection", largest}),
		r.hardest(t),
	}
	list = append(list, r.adaptive(t)...)
	correctClaims(list)
	for i := range list {
		if list[i].Verdict != unmeasured && t.sum.fewest() < enough {
			list[i].Verdict = tooFew
		}
	}
	return list
}

// correctClaims leaves the verdicts on differences that are significant among all of them.
func correctClaims(list []claim) {
	var of []int
	var p []float64
	for i, c := range list {
		if c.p > 0 {
			of, p = append(of, i), append(p, c.p)
		}
	}
	for k, significant := range holm(p) {
		if !significant {
			list[of[k]].Verdict = undecided
		}
	}
}

// key names a row.
type key struct {
	strategy string
	budget   int
}

func (k key) String() string { return fmt.Sprintf("%s at %d", k.strategy, k.budget) }

// difference is that of two rows, paired by prompt; false where one is missing.
func (r Results) difference(t table, a, b key) (Estimate, bool) {
	_, there := t.row(a.strategy, a.budget)
	_, than := t.row(b.strategy, b.budget)
	if !there || !than || a == b {
		return Estimate{}, false
	}
	left, _, _ := r.collect(a.strategy, a.budget)
	right, _, _ := r.collect(b.strategy, b.budget)
	return Difference(r.tags(), left, right), true
}

// above states whether one row is above another.
func (r Results) above(t table, text, paper string, a, b key) claim {
	c := claim{Text: text, Paper: paper, Ours: "–", Verdict: unmeasured}
	d, ok := r.difference(t, a, b)
	if !ok {
		return c
	}
	first, _ := t.row(a.strategy, a.budget)
	second, _ := t.row(b.strategy, b.budget)
	c.Ours = fmt.Sprintf("%s against %s: %s (%s to %s)", percent(first.Overall), percent(second.Overall), signedPercent(d.Mean), signedPercent(d.Low), signedPercent(d.High))
	c.Verdict, c.p = judgment(d), d.P
	return c
}

// reachMargin is how far one row may be below another that it reaches: a point and a half.
const reachMargin = 0.015

// reaching states whether one row is below another by no more than reachMargin.
func (r Results) reaching(t table, text, paper string, a, b key) claim {
	c := r.above(t, text, paper, a, b)
	if d, ok := r.difference(t, a, b); ok && d.Low >= -reachMargin {
		c.Verdict, c.p = agrees, 0
	}
	return c
}

// judgment is whether a difference is above 0.
func judgment(d Estimate) string {
	switch {
	case d.Low > 0:
		return agrees
	case d.High < 0:
		return disagrees
	}
	return undecided
}

// closes states the share of the base's error that reflection avoids, by [ClosedError].
func (r Results) closes(t table) claim {
	c := claim{Text: fmt.Sprintf("Reflection at %d closes most of the base's error", t.largest()), Paper: "73% at 32", Ours: "–", Verdict: unmeasured}
	base := t.sum.Rows[0]
	row, ok := t.row("reflection", t.largest())
	if !ok {
		return c
	}
	from, _, _ := r.collect(base.Strategy, base.Budget)
	to, _, _ := r.collect(row.Strategy, row.Budget)
	share, ok := ClosedError(r.tags(), from, to)
	if !ok {
		return c
	}
	c.Ours = fmt.Sprintf("%.0f%% (%.0f to %.0f), from %s to %s", 100*share.Mean, 100*share.Low, 100*share.High, percent(base.Overall), percent(row.Overall))
	switch {
	case share.Low >= 0.5:
		c.Verdict = agrees
	case share.High < 0.5:
		c.Verdict = disagrees
	default:
		c.Verdict = undecided
	}
	return c
}

// noTaskFalls states whether reflection loses to noise in some task, as it does in
// the paper.
func (r Results) noTaskFalls(t table) claim {
	c := claim{Text: "No task falls below plain noise", Paper: "two do: counting 90 against 91, color_attr 72 against 78", Ours: "–", Verdict: unmeasured}
	reflection, there := t.row("reflection", t.largest())
	noise, than := t.row("noise", t.largest())
	if !there || !than {
		return c
	}
	a, _, _ := r.collect(reflection.Strategy, reflection.Budget)
	b, _, _ := r.collect(noise.Strategy, noise.Budget)
	byTag := DifferenceByTag(r.tags(), differences(a, b))
	var fallen []string
	c.Verdict = agrees
	for _, tag := range tagsIn(slices.Collect(maps.Keys(byTag))) {
		d, ok := byTag[tag]
		if !ok || d.Mean >= 0 {
			continue
		}
		fallen = append(fallen, fmt.Sprintf("%s %s against %s (%s to %s)", tag, percent(reflection.Tags[tag]), percent(noise.Tags[tag]), signedPercent(d.Low), signedPercent(d.High)))
		if c.Verdict == agrees {
			c.Verdict = undecided
		}
		if d.High < 0 {
			c.Verdict = disagrees
		}
	}
	c.Ours = "none does"
	if len(fallen) > 0 {
		c.Ours = strings.Join(fallen, "; ")
	}
	return c
}

// deeper compares the narrowest with the widest search at equal images.
func (r Results) deeper(t table) claim {
	c := claim{Text: "Deeper beats wider at equal images", Paper: "yes; no figures published", Ours: "–", Verdict: unmeasured}
	arms := slices.DeleteFunc(slices.Clone(t.Strategies), func(a Arm) bool {
		return a.Kind != "reflection" || a.Verifier != "" || a.Errors != nil || a.Width == 0 || a.Width >= t.largest()
	})
	if len(arms) < 2 {
		return c
	}
	slices.SortStableFunc(arms, func(a, b Arm) int { return a.Width - b.Width })
	deep, wide := arms[0], arms[len(arms)-1]
	if deep.Width == wide.Width {
		return c
	}
	text := c.Text
	c = r.above(t, text, c.Paper, key{deep.Name, t.largest()}, key{wide.Name, t.largest()})
	c.Ours = fmt.Sprintf("width %d against width %d, %s", deep.Width, wide.Width, c.Ours)
	return c
}

// hardest states on which level of difficulty reflection gains most.
func (r Results) hardest(t table) claim {
	c := claim{Text: "Hard prompts gain most", Paper: "hard 10 → 81, medium 55 → 85, easy 95 → 97", Ours: "–", Verdict: unmeasured}
	row, ok := t.row("reflection", t.largest())
	if !ok || len(row.Levels) < 2 {
		return c
	}
	base, most, best := t.sum.Rows[0], Level(""), math.Inf(-1)
	var gains []string
	for _, level := range slices.Backward(Levels()) {
		e, ok := row.Levels[level]
		if !ok {
			continue
		}
		gains = append(gains, fmt.Sprintf("%s %s → %s", level, percent(base.Levels[level].Mean), percent(e.Mean)))
		if gain := e.Mean - base.Levels[level].Mean; gain > best {
			best, most = gain, level
		}
	}
	c.Ours, c.Verdict = strings.Join(gains, ", "), disagrees
	if most == Hard {
		c.Verdict = agrees
	}
	return c
}

// adaptive states the goals of this project's own strategy.
func (r Results) adaptive(t table) []claim {
	const text = "Ours: adaptive at a mean of at most 8 images reaches reflection at %d"
	c := claim{Text: fmt.Sprintf(text, t.largest()), Paper: "no such strategy", Ours: "–", Verdict: unmeasured}
	calls := claim{Text: "Ours: with at most half of its verifier calls", Paper: "no such strategy", Ours: "–", Verdict: unmeasured}
	var best Row
	for _, row := range t.rows("adaptive") {
		if row.Cost.Images <= 8 {
			best = row
		}
	}
	reflection, ok := t.row("reflection", t.largest())
	if best.Strategy == "" || !ok {
		return []claim{c, calls}
	}
	c = r.reaching(t, c.Text, c.Paper, key{"adaptive", best.Budget}, key{"reflection", t.largest()})
	c.Ours = fmt.Sprintf("%.1f images, %s", best.Cost.Images, c.Ours)
	calls.Ours = fmt.Sprintf("%.1f against %.1f", best.Cost.VerifierCalls, reflection.Cost.VerifierCalls)
	calls.Verdict = disagrees
	if 2*best.Cost.VerifierCalls <= reflection.Cost.VerifierCalls {
		calls.Verdict = agrees
	}
	return []claim{c, calls}
}
