package geneval

import (
	"fmt"
	"strings"
)

// stopAndShare is the baseline of the adaptive strategy: the noise axis with early stopping and
// budget sharing, and nothing else.
const stopAndShare = "noise+stop+share"

// baseline shows what the axes gain over the noise axis that stops early and shares budgets.
func (w *pageWriter) baseline() {
	adaptive, there := w.table.arm("adaptive")
	alone, than := w.table.arm(stopAndShare)
	if !there || !than {
		return
	}
	rows := [][]string{append([]string{"at a mean of at most", stopAndShare, "images used (most)", "adaptive", "images used (most)", "difference"}, w.byOthers()...)}
	var names []string
	var texts []string
	var p []float64
	for _, budget := range w.table.Budgets {
		a, ok := w.table.row(adaptive.Name, budget)
		b, both := w.table.row(alone.Name, budget)
		d, paired := w.results.difference(w.table, key{adaptive.Name, budget}, key{alone.Name, budget})
		if !ok || !both || !paired || budget == 1 {
			continue
		}
		line := []string{
			fmt.Sprint(budget), interval(b) + w.also(alone.Name, budget), b.used(), interval(a) + w.also(adaptive.Name, budget), a.used(), spanned(d),
		}
		for _, o := range w.others {
			theirs := "–"
			if d, ok := o.Results.difference(o.table, key{adaptive.Name, budget}, key{alone.Name, budget}); ok {
				theirs = spanned(d)
			}
			line = append(line, theirs)
		}
		rows = append(rows, line)
		names, texts, p = append(names, fmt.Sprint(budget)), append(texts, "%s."), append(p, d.P)
		if d.Mean < 0 {
			p[len(p)-1] *= -1
		}
	}
	if len(names) == 0 {
		return
	}
	w.line("## What the axes gain over noise that stops and shares")
	w.line("`%s` generates new noise only, stops a prompt at its first image that looks right and gives what is left to the other prompts, as adaptive does. What adaptive gains beyond it comes from rewriting and reflection.", stopAndShare)
	w.grid(rows)
	where := make(map[string][]string)
	for i, verdict := range judgedAll(texts, p) {
		where[verdict] = append(where[verdict], names[i])
	}
	var facts []string
	for _, v := range []struct{ verdict, text string }{
		{"better.", "The axes gain something at"}, {undecided + ".", "All axes together gain nothing significant over it at"}, {"worse.", "They lose at"},
	} {
		if at := where[v.verdict]; len(at) > 0 {
			facts = append(facts, fmt.Sprintf("%s %s images.", v.text, strings.Join(at, ", ")))
		}
	}
	w.points(facts)
}

// interval is the score of a row.
func interval(r Row) string {
	return fmt.Sprintf("%s (%.0f–%.0f)", percent(r.Overall), 100*r.CILow, 100*r.CIHigh)
}

// used is the mean and the largest number of images of a search.
func (r Row) used() string { return fmt.Sprintf("%.1f (%.0f)", r.Cost.Images, r.MostImages) }
