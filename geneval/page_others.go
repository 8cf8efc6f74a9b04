package geneval

import (
	"fmt"
	"strings"
)

// otherJudge is another judge of the images with its table.
type otherJudge struct {
	Second
	table table
}

// others are the other judges whose verdicts the folder has.
func (r Results) others() ([]otherJudge, error) {
	seconds, err := r.Seconds()
	if err != nil {
		return nil, err
	}
	var list []otherJudge
	for _, s := range seconds {
		list = append(list, otherJudge{s, table{s.Results.Manifest, s.Results.Summarize()}})
	}
	return list, nil
}

// also is the score of a row by the other judges, each after a slash.
func (w *pageWriter) also(strategy string, budget int) string {
	var text strings.Builder
	for _, o := range w.others {
		score := "–"
		if row, ok := o.table.row(strategy, budget); ok {
			score = percent(row.Overall)
		}
		text.WriteString(" / " + score)
	}
	return text.String()
}

// judges says how the judges agree, and what stands after a slash.
func (w *pageWriter) judges() []string {
	var list []string
	for _, o := range w.others {
		list = append(list, fmt.Sprintf("Second judge: %s. After a slash are the scores by %[2]s; the evaluation's report.md lists the images on which they differ.", o.Second, o.Judge))
	}
	return list
}

// byOthers are the headers of the columns of the other judges.
func (w *pageWriter) byOthers() []string {
	var list []string
	for _, o := range w.others {
		list = append(list, "by "+o.Judge)
	}
	return list
}

// reached compares reflection at 2 images with noise at its most, at one rate of errors.
type reached struct {
	name    string
	need    need
	d       Estimate
	two     Row
	noise   Row
	verdict string
}

// reached compares them at all rates, as one family.
func (r Results) reached(t table) []reached {
	var list []reached
	for _, systematic := range []bool{false, true} {
		for _, n := range r.needs(t, systematic) {
			if systematic && n.percent == 0 {
				continue
			}
			noise, _ := t.erring("noise", n.percent, systematic)
			reflection, _ := t.erring("reflection", n.percent, systematic)
			all := t.rows(noise.Name)
			most := all[len(all)-1]
			if d, ok := r.difference(t, key{reflection.Name, 2}, key{noise.Name, most.Budget}); ok {
				two, _ := t.row(reflection.Name, 2)
				list = append(list, reached{name: errorsIn(n.percent, systematic), need: n, d: d, two: two, noise: most})
			}
		}
	}
	p := make([]float64, len(list))
	for i, c := range list {
		p[i] = c.d.P
	}
	for i, significant := range holm(p) {
		c := &list[i]
		switch {
		case significant && c.d.Mean < 0:
			c.verdict = reachesNot
		case c.d.Low >= -reachMargin:
			c.verdict = reaches
		default:
			c.verdict = reachesMaybe
		}
	}
	return list
}

// The verdicts on reflection at 2 images.
const (
	reaches      = "level or above"
	reachesNot   = "below"
	reachesMaybe = "not told apart"
)

// twoReaches is the table of these comparisons by all judges, and says by rule where the paper's
// claim holds.
func (w *pageWriter) twoReaches() (rows [][]string, claims []string) {
	rows = [][]string{append([]string{"wrong verdicts", "reflection at 2", "noise at its most", "difference", "reflection at 2 is", "images noise needs"}, w.byOthers()...)}
	where := make(map[string][]string)
	for i, c := range w.results.reached(w.table) {
		name, most := c.name, c.noise.Budget
		line := []string{
			c.name, percent(c.two.Overall) + w.also(c.two.Strategy, 2), c.noise.name() + ": " + percent(c.noise.Overall) + w.also(c.noise.Strategy, most),
			spanned(c.d), c.verdict, fmt.Sprintf("%s (%s to %s)", images(c.need.images, most), images(c.need.low, most), images(c.need.high, most)),
		}
		for _, o := range w.others {
			theirs := "–"
			if all := o.Results.reached(o.table); i < len(all) && all[i].name == c.name {
				theirs = spanned(all[i].d) + ", " + all[i].verdict
				if all[i].verdict != c.verdict {
					name += fmt.Sprintf(" (%s: %s)", o.Judge, all[i].verdict)
				}
			}
			line = append(line, theirs)
		}
		rows = append(rows, line)
		where[c.verdict] = append(where[c.verdict], name)
	}
	for _, v := range []struct{ verdict, text string }{
		{reaches, "The paper's claim holds (2 images by reflection reach what noise reaches at all)"},
		{reachesNot, "It does not hold"},
		{reachesMaybe, "These prompts do not decide it"},
	} {
		if at := where[v.verdict]; len(at) > 0 {
			claims = append(claims, v.text+": "+strings.Join(at, ", ")+".")
		}
	}
	return rows, claims
}

// adaptiveUnderErrors compares the adaptive strategies with reflection at equal budgets and
// verifiers that err, by all judges.
func (w *pageWriter) adaptiveUnderErrors() []string {
	names, texts := w.results.adaptiveUnderErrors(w.table)
	for i := range texts {
		texts[i] = names[i] + ": " + texts[i]
	}
	for _, o := range w.others {
		if theirs, also := o.Results.adaptiveUnderErrors(o.table); strings.Join(theirs, "\n") == strings.Join(names, "\n") {
			for i := range texts {
				texts[i] += fmt.Sprintf(" By %s %s", o.Judge, also[i])
			}
		}
	}
	return texts
}
