package geneval

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Markdown is the summary as tables for people: scores, then paired differences at
// the largest budget. All scores are in percent.
func (s Summary) Markdown() string {
	var b strings.Builder
	for _, fact := range s.facts() {
		b.WriteString(fact + "\n")
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	s.writeScores(&b)
	s.writeSoft(&b)
	table := [][]string{{"difference", "points", "95% interval", ""}}
	for _, d := range s.Differences {
		if s.Rows[d.Row].Budget != s.largest() {
			continue
		}
		table = append(table, []string{
			s.Rows[d.Row].name() + " minus " + s.Rows[d.Than].name(),
			signedPercent(d.Mean), signedPercent(d.Low) + " to " + signedPercent(d.High), s.corrected(d),
		})
	}
	if len(table) > 1 {
		b.WriteByte('\n')
		writeTable(&b, table)
	}
	if len(s.Levels) > 0 {
		b.WriteByte('\n')
		s.writeLevels(&b)
	}
	return b.String()
}

// largest is the largest budget of a row.
func (s Summary) largest() int {
	largest := 0
	for _, r := range s.Rows {
		largest = max(largest, r.Budget)
	}
	return largest
}

// enough is the number of prompts per task that a comparison needs. The bootstrap of
// one prompt has no spread, and any difference would be significant.
const enough = 5

// fewest is the smallest number of prompts of a task that has prompts.
func (s Summary) fewest() int {
	least := math.MaxInt
	for _, n := range s.Prompts {
		least = min(least, n)
	}
	return least
}

// facts describe the evaluation, one sentence per line.
func (s Summary) facts() []string {
	total := 0
	var kinds []string
	for _, tag := range s.tags() {
		total += s.Prompts[tag]
		kinds = append(kinds, fmt.Sprintf("%d %s", s.Prompts[tag], tag))
	}
	searches := "1 search"
	if s.Samples > 1 {
		searches = fmt.Sprintf("%d searches", s.Samples)
	}
	noun := "prompts"
	if total == 1 {
		noun = "prompt"
	}
	facts := []string{fmt.Sprintf("%d %s (%s), %s each.", total, noun, strings.Join(kinds, ", "), searches)}
	if few := s.fewest(); few < enough {
		facts = append(facts, fmt.Sprintf("Some tasks have fewer than %d prompts, too few to compare strategies.", enough))
	}
	for _, text := range []string{s.By.fact(), s.By.warning()} {
		if text != "" {
			facts = append(facts, text)
		}
	}
	if s.Judge != nil {
		facts = append(facts, "Self-test: "+s.Judge.String()+".")
	}
	if text := s.softFact(); text != "" {
		facts = append(facts, text)
	}
	if s.Verify != nil && s.Verify.Pairs > 0 {
		facts = append(facts, fmt.Sprintf("The verifier ranks the right image first in %.0f%% of %d pairs of a right and a wrong image that the base generated.", 100*s.Verify.Rate, s.Verify.Pairs))
	}
	if s.Engine != nil {
		facts = append(facts, fmt.Sprintf("The generator was busy %.1f%% of the time.", 100*s.Engine.Share))
	}
	if n := len(s.Skipped); n > 0 {
		facts = append(facts, fmt.Sprintf("%d images could not be judged: %s.", n, strings.Join(s.Skipped, ", ")))
	}
	if s.Refused > 0 {
		facts = append(facts, s.refusals())
	}
	if n := len(s.Missing); n > 0 {
		var each []string
		for _, u := range s.Missing[:min(n, 10)] {
			each = append(each, fmt.Sprintf("%s for prompt %d", u.Strategy, u.Index+1))
		}
		if n > 10 {
			each = append(each, fmt.Sprintf("and %d more", n-10))
		}
		facts = append(facts, fmt.Sprintf("Missing: %d searches failed and are not in the scores (%s).", n, strings.Join(each, ", ")))
	}
	return facts
}

// refusals states how many prompts the generator refused, and at which rows.
func (s Summary) refusals() string {
	var each []string
	for _, r := range s.Rows {
		if r.Refused > 0 {
			each = append(each, fmt.Sprintf("%s: %d", r.name(), r.Refused))
		}
	}
	prompts := "1 prompt"
	if s.Refused > 1 {
		prompts = fmt.Sprintf("%d prompts", s.Refused)
	}
	return fmt.Sprintf("Refused: the generator refused every image of some searches for %s, which count as wrong (%s).", prompts, strings.Join(each, ", "))
}

// priced reports whether searches had a cost in USD.
func (s Summary) priced() bool {
	return slices.ContainsFunc(s.Rows, func(r Row) bool { return r.Cost.Money > 0 })
}

// tags are the tags that have prompts, GenEval's first.
func (s Summary) tags() []string {
	return tagsIn(slices.Collect(maps.Keys(s.Prompts)))
}

func (s Summary) writeScores(b *strings.Builder) {
	header := append([]string{"strategy", "images per prompt", "overall", "95% interval"}, s.tags()...)
	header = append(header, "images used", "at most", "verified", "seconds")
	if s.priced() {
		header = append(header, "USD")
	}
	table := [][]string{header}
	for _, r := range s.Rows {
		line := []string{r.Strategy, fmt.Sprint(r.Budget), percent(r.Overall), percent(r.CILow) + " to " + percent(r.CIHigh)}
		for _, tag := range s.tags() {
			cell := "–"
			if share, ok := r.Tags[tag]; ok {
				cell = percent(share)
			}
			line = append(line, cell)
		}
		line = append(line, fmt.Sprintf("%.1f", r.Cost.Images), fmt.Sprintf("%.0f", r.MostImages), fmt.Sprintf("%.1f", r.Cost.VerifierCalls), fmt.Sprintf("%.1f", r.Cost.Seconds))
		if s.priced() {
			line = append(line, fmt.Sprintf("%.4f", r.Cost.Money))
		}
		table = append(table, line)
	}
	writeTable(b, table)
}

func (s Summary) writeLevels(b *strings.Builder) {
	header := []string{"by difficulty", "images per prompt"}
	for _, level := range Levels() {
		header = append(header, fmt.Sprintf("%s (%d)", level, s.Levels[level]))
	}
	table := [][]string{header}
	for _, r := range s.Rows {
		line := []string{r.Strategy, fmt.Sprint(r.Budget)}
		for _, level := range Levels() {
			cell := "–"
			if e, ok := r.Levels[level]; ok {
				cell = percent(e.Mean)
			}
			line = append(line, cell)
		}
		table = append(table, line)
	}
	writeTable(b, table)
}

func (r Row) name() string { return fmt.Sprintf("%s at %d", r.Strategy, r.Budget) }

// corrected says whether a difference is significant among those of its budget.
func (s Summary) corrected(d RowDifference) string {
	if verdict := s.verdict(d.Estimate); !d.Chance || verdict == tooFew {
		return verdict
	}
	return undecided
}

// verdict says whether a difference is significant.
func (s Summary) verdict(e Estimate) string {
	switch {
	case s.fewest() < enough:
		return tooFew
	case e.Low > 0:
		return "better"
	case e.High < 0:
		return "worse"
	}
	return undecided
}

func percent(share float64) string       { return fmt.Sprintf("%.1f", 100*share) }
func signedPercent(share float64) string { return fmt.Sprintf("%+.1f", 100*share) }

// writeTable writes a Markdown table with aligned columns; the first line is the
// header and the first column is text.
func writeTable(b *strings.Builder, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	for n, line := range table {
		for i, cell := range line {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString("| " + cell + space + " |")
				continue
			}
			b.WriteString(" " + space + cell + " |")
		}
		b.WriteByte('\n')
		if n > 0 {
			continue
		}
		for i, w := range widths {
			if i == 0 {
				b.WriteString("| " + strings.Repeat("-", w) + " |")
				continue
			}
			b.WriteString(" " + strings.Repeat("-", w-1) + ": |")
		}
		b.WriteByte('\n')
	}
}
