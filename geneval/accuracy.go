package geneval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"reflectionflow/internal/plot"
)

// An evaluation may have strategies whose verifier is made to err, at several rates. Their rows
// show how the paper's claims depend on the accuracy of the verifier.

// rates are the percentages of wrong verdicts that noise was measured with, rising; 0 is the
// verifier as it is. It is empty where no verifier was made to err.
func (t table) rates(systematic bool) []int {
	var list []int
	for _, a := range t.Strategies {
		if a.Errors != nil && a.Errors.Systematic == systematic && len(t.rows(a.Name)) > 0 {
			list = append(list, a.Errors.Percent)
		}
	}
	if len(list) > 0 {
		list = append(list, 0)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// erring finds a strategy by the rate at which its verifier is made to err.
func (t table) erring(kind string, percent int, systematic bool) (Arm, bool) {
	var plain Arm
	found := false
	for _, a := range t.Strategies {
		switch {
		case a.Kind != kind || a.Verifier != "" || len(t.rows(a.Name)) == 0:
		case a.Errors != nil && a.Errors.Percent == percent && (a.Errors.Systematic == systematic || percent == 0):
			return a, true
		case percent == 0 && a.plain():
			plain, found = a, true
		}
	}
	return plain, found
}

// kinds are the strategies without their variants, in order.
func (t table) kinds() []string {
	var list []string
	for _, a := range t.Strategies {
		if !slices.Contains(list, a.Kind) {
			list = append(list, a.Kind)
		}
	}
	return list
}

// accuracies draws the score against images, one panel for each rate of errors; nil where no
// verifier was made to err.
func (t table) accuracies() renderer {
	rates := t.rates(false)
	if len(rates) < 2 {
		return nil
	}
	var panels plot.Panels
	for _, percent := range rates {
		l := plot.Lines{Title: fmt.Sprintf("%d%% wrong", percent), XLabel: "images per prompt", YLabel: yLabel, Ticks: t.ticks()}
		if percent == 0 {
			l.Title = "verifier as it is"
		}
		measured := 0
		for _, kind := range t.kinds() {
			s := plot.Series{Name: kind}
			if a, ok := t.erring(kind, percent, false); ok {
				measured++
				s = curve(kind, t.rows(a.Name), func(r Row) float64 { return float64(r.Budget) })
			}
			l.Series = append(l.Series, s)
		}
		if measured > 1 || percent == 0 { // one curve compares nothing
			panels = append(panels, l)
		}
	}
	return panels
}

// need is how many images noise needs for the score of reflection at two images.
type need struct {
	percent           int
	images, low, high float64 // +Inf: more than were measured
}

// needs computes it for each rate of errors, with 95% intervals of the Bayesian bootstrap over
// prompts, which takes the same prompts for all scores. Noise's scores are smoothed so
// that they do not fall with more images, and are linear in their logarithm between budgets.
func (r Results) needs(t table, systematic bool) []need {
	var list []need
	for _, percent := range t.rates(systematic) {
		noise, there := t.erring("noise", percent, systematic)
		reflection, than := t.erring("reflection", percent, systematic)
		goal, whole, ok := r.row(reflection.Name, 2)
		if !there || !than || !ok || goal.Budget != 2 {
			continue
		}
		var budgets []float64
		columns := [][]float64{whole}
		for _, row := range t.rows(noise.Name) {
			values, _, _ := r.collect(noise.Name, row.Budget)
			budgets, columns = append(budgets, float64(row.Budget)), append(columns, values)
		}
		samples := weighted(r.tags(), columns, func(scores []float64) float64 { return crossing(budgets, scores[1:], scores[0]) })
		list = append(list, need{percent, samples[0], quantile(samples[1:], 0.025), quantile(samples[1:], 0.975)})
	}
	return list
}

// crossing is where a curve reaches a goal: at least the first budget, +Inf where it does not.
// Where the curve falls, it is replaced by its closest one that does not.
func crossing(budgets, scores []float64, goal float64) float64 {
	scores = rising(scores)
	before, below := 0.0, 0.0 // the budget before, and its score
	for i, s := range scores {
		if s < goal-1e-12 {
			before, below = budgets[i], s
			continue
		}
		if before == 0 || s == below {
			return budgets[i]
		}
		return before * math.Pow(budgets[i]/before, (goal-below)/(s-below))
	}
	return math.Inf(1)
}

// rising is the least-squares fit of values that do not fall (isotonic regression by pooling
// adjacent violators).
func rising(values []float64) []float64 {
	var pools []group
	for _, v := range values {
		pools = append(pools, group{v, 1})
		for n := len(pools); n > 1 && pools[n-2].value > pools[n-1].value; n-- {
			a, b := pools[n-2], pools[n-1]
			pools = append(pools[:n-2], group{(a.value*a.n + b.value*b.n) / (a.n + b.n), a.n + b.n})
		}
	}
	var fit []float64
	for _, p := range pools {
		fit = append(fit, slices.Repeat([]float64{p.value}, int(p.n))...)
	}
	return fit
}

// weighted is a statistic of the overall scores of several columns, by prompt: first as they
// are, then of sorted samples of the Bayesian bootstrap over prompts. Prompts without a value
// are left out.
func weighted(tags []string, columns [][]float64, statistic func(scores []float64) float64) []float64 {
	strata := stratify(tagsIn(tags), tags, rowsOf(columns))
	rng := rand.New(rand.NewPCG(bootstrapSeed, 2)) //nolint:gosec // reproducible on purpose
	overall := func(weight func() float64) []float64 {
		scores := make([]float64, len(columns))
		for _, s := range strata {
			sums, total := make([]float64, len(columns)), 0.0
			for _, values := range s {
				w := weight()
				total += w
				for k, v := range values {
					sums[k] += w * v
				}
			}
			for k := range scores {
				scores[k] += sums[k] / total / float64(len(strata))
			}
		}
		return scores
	}
	const samples = 2000
	list := make([]float64, samples)
	for i := range list {
		list[i] = statistic(overall(rng.ExpFloat64))
	}
	slices.Sort(list)
	return slices.Insert(list, 0, statistic(overall(func() float64 { return 1 })))
}

// rowsOf turns columns into one row per prompt; nil for a prompt without all values.
func rowsOf(columns [][]float64) [][]float64 {
	rows := make([][]float64, len(columns[0]))
	for i := range rows {
		for _, c := range columns {
			if math.IsNaN(c[i]) {
				rows[i] = nil
				break
			}
			rows[i] = append(rows[i], c[i])
		}
	}
	return rows
}

// needed draws how many images noise needs; nil where that was not measured.
func (r Results) needed(t table) renderer {
	f := plot.Needed{XLabel: "wrong verdicts, % of requirements", YLabel: "images that noise needs", Ticks: t.ticks()}
	for _, systematic := range []bool{false, true} {
		list := r.needs(t, systematic)
		if len(list) < 2 {
			continue
		}
		s := plot.Series{Name: "independent errors"}
		if systematic {
			s.Name = "systematic errors"
		}
		for _, n := range list {
			s.X, s.Y = append(s.X, float64(n.percent)), append(s.Y, n.images)
			s.Low, s.High = append(s.Low, n.low), append(s.High, n.high)
		}
		f.Series = append(f.Series, s)
	}
	if len(f.Series) == 0 {
		return nil
	}
	return f
}

// shortPage picks the figures of a page about the accuracy of verifiers, where there are some.
func shortPage(figures []figure) (picked []figure, short bool) {
	short = slices.ContainsFunc(figures, func(f figure) bool { return f.Name == "accuracy" })
	if !short {
		return figures, false
	}
	return slices.DeleteFunc(figures, func(f figure) bool { return f.Name != "accuracy" && f.Name != "needed" }), true
}

// writeAccuracy writes the page of an evaluation in which a verifier was made to err: short, with
// what was measured alone.
func (w *pageWriter) writeAccuracy(command string) {
	w.line("# Results: the accuracy of the verifier decides")
	w.line("The paper finds that reflection at 2 images reaches noise at 32 (84.7 against 84.8), with verifiers that err: its best reaches 91.4 at 32, the judge itself as verifier 98.4. How does that depend on the verifier? Ours is the embedded model on held-out prompts %s, scored by a judge that no search uses. Scores are percentages of right prompts, means over the tasks, with 95%% intervals: Bayesian bootstraps over prompts, melded over tasks. Comparisons are paired by prompt, and verdicts within a table are corrected for their number (Holm).", w.ofTasks("of GenEval's tasks", "that compound GenEval's tasks"))
	w.line("`%s` writes this page; only the notes at its end are written by hand.", command)
	w.points(append(w.table.sum.facts(), w.judges()...))
	if done, total := w.results.Finished(); done < total {
		w.line("**The evaluation is not finished: %d of %d searches. Incomplete rows are left out.**", done, total)
	}
	w.accuracy()
	w.baseline()
	w.line("## Notes")
}

// accuracy shows scores and comparisons at each rate of wrong verdicts.
func (w *pageWriter) accuracy() {
	t := w.table
	w.line("## Score against images, by the share of wrong verdicts")
	w.line("Here a share of the verifier's verdicts on requirements is wrong, at random in each image (systematic: the same on all images of a prompt). Its values rank images by these verdicts alone, and reflections are worded from them. The judge is not touched. The first panel is the verifier as it is.")
	w.figure("accuracy", "Score against images by the accuracy of the verifier")
	rows, claims := w.twoReaches()
	w.grid(rows)
	w.points(claims)
	w.figure("needed", "Images that noise needs for the score of reflection at 2")
	header := w.budgetHeader("strategy, wrong verdicts")
	table := [][]string{header}
	for _, systematic := range []bool{false, true} {
		for _, percent := range t.rates(systematic) {
			if systematic && percent == 0 {
				continue
			}
			for _, kind := range t.kinds() {
				if a, ok := t.erring(kind, percent, systematic); ok {
					table = append(table, w.budgetRow(fmt.Sprintf("%s, %s", kind, errorsIn(percent, systematic)), a.Name))
				}
			}
		}
	}
	w.grid(table)
	w.points(w.adaptiveUnderErrors())
}

func errorsIn(percent int, systematic bool) string {
	switch {
	case percent == 0:
		return "as it is"
	case systematic:
		return fmt.Sprintf("%d%% systematic", percent)
	}
	return fmt.Sprintf("%d%%", percent)
}

// images words a number of images.
func images(n float64, most int) string {
	if math.IsInf(n, 1) {
		return fmt.Sprintf("> %d", most)
	}
	return fmt.Sprintf("%.1f", n)
}

func spanned(d Estimate) string {
	return fmt.Sprintf("%s (%s to %s)", signedPercent(d.Mean), signedPercent(d.Low), signedPercent(d.High))
}

// adaptiveUnderErrors compares the adaptive strategies with reflection at equal budgets and
// verifiers that err, as one family: what is compared, and the differences.
func (r Results) adaptiveUnderErrors(t table) (names, texts []string) {
	var p []float64
	for _, a := range t.Strategies {
		if !strings.HasPrefix(a.Kind, "adaptive") || a.Errors == nil || a.Errors.Percent == 0 {
			continue
		}
		reflection, ok := t.erring("reflection", a.Errors.Percent, a.Errors.Systematic)
		for _, row := range t.rows(a.Name) {
			d, both := r.difference(t, key{a.Name, row.Budget}, key{reflection.Name, row.Budget})
			if !ok || !both || row.Budget == 1 {
				continue
			}
			names = append(names, fmt.Sprintf("%s at %d images (%s wrong) minus reflection", a.Kind, row.Budget, errorsIn(a.Errors.Percent, a.Errors.Systematic)))
			texts, p = append(texts, spanned(d)+", %s."), append(p, d.P)
			if d.Mean < 0 {
				p[len(p)-1] *= -1
			}
		}
	}
	return names, judgedAll(texts, p)
}

// judgedAll fills in whether each difference of a family is significant: p is negative for a
// difference below 0.
func judgedAll(texts []string, p []float64) []string {
	sizes := make([]float64, len(p))
	for i := range p {
		sizes[i] = math.Abs(p[i])
	}
	significant := holm(sizes)
	for i := range texts {
		verdict := undecided
		switch {
		case significant[i] && p[i] < 0:
			verdict = "worse"
		case significant[i]:
			verdict = "better"
		}
		texts[i] = strings.Replace(texts[i], "%s.", verdict+".", 1)
	}
	return texts
}
