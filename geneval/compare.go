package geneval

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Comparison compares two rows of an evaluation, at any two budgets, paired by prompt.
type Comparison struct {
	Row  Row `json:"row"`
	Than Row `json:"than"`
	// Difference is the overall score of Row minus that of Than, Tags that of each tag.
	Difference Estimate            `json:"difference"`
	Tags       map[string]Estimate `json:"tags"`
	// Fixed counts the prompts of each tag that are right in every sample of Row but not
	// of Than, Broken the reverse.
	Fixed  map[string]int `json:"mended"`
	Broken map[string]int `json:"spoilt"`
	// Closed is the share of Than's error that Row avoids, by [ClosedError]; nil where
	// that is not defined.
	Closed *Estimate `json:"closed,omitempty"`

	verdict string
}

// Compare compares two rows, each named STRATEGY@BUDGET as in "reflection@2". A row
// that is not finished is an error wrapping [reflectionflow.ErrInvalid].
func (r Results) Compare(row, than string) (Comparison, error) {
	left, a, err := r.named(row)
	if err != nil {
		return Comparison{}, err
	}
	right, b, err := r.named(than)
	if err != nil {
		return Comparison{}, err
	}
	tags := r.tags()
	c := Comparison{
		Row: left, Than: right, Difference: Difference(tags, a, b), Tags: DifferenceByTag(tags, differences(a, b)),
		Fixed: only(tags, a, b), Broken: only(tags, b, a),
	}
	if closed, ok := ClosedError(tags, b, a); ok {
		c.Closed = &closed
	}
	prompts := make(map[string]int)
	for _, tag := range tags {
		prompts[tag]++
	}
	c.verdict = Summary{Prompts: prompts}.verdict(c.Difference)
	return c, nil
}

// named is the row of a name with the scores behind it.
func (r Results) named(name string) (Row, []float64, error) {
	k, err := parseKey(name)
	if err != nil {
		return Row{}, nil, err
	}
	row, values, ok := r.row(k.strategy, k.budget)
	if !ok {
		var arms []string
		for _, a := range r.Manifest.Strategies {
			arms = append(arms, a.Name)
		}
		return Row{}, nil, invalid("%s has no finished row %s: it is about %s at %v images", r.Dir, name, strings.Join(arms, ", "), r.Manifest.Budgets)
	}
	return row, values, nil
}

// parseKey reads STRATEGY@BUDGET.
func parseKey(name string) (key, error) {
	strategy, budget, ok := strings.Cut(name, "@")
	n, err := strconv.Atoi(budget)
	if !ok || err != nil || strategy == "" || n < 1 {
		return key{}, invalid("%q names no row: want STRATEGY@BUDGET, such as reflection@2", name)
	}
	return key{strategy, n}, nil
}

// only counts by tag the prompts that a has wholly right and b has not.
func only(tags []string, a, b []float64) map[string]int {
	counts := make(map[string]int)
	for i, tag := range tags {
		if a[i] > 1-1e-9 && b[i] < 1-1e-9 {
			counts[tag]++
		}
	}
	return counts
}

// Markdown is the comparison as a table for people, overall and by task, in percent.
func (c Comparison) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s minus %s: %s against %s\n\n", c.Row.name(), c.Than.name(), percent(c.Row.Overall), percent(c.Than.Overall))
	total := func(counts map[string]int) string {
		n := 0
		for _, k := range counts {
			n += k
		}
		return fmt.Sprint(n)
	}
	cells := []string{signedPercent(c.Difference.Mean), signedPercent(c.Difference.Low) + " to " + signedPercent(c.Difference.High)}
	lines := [][]string{{"task", "points", "95% interval", "fixed", "broken"}, append(append([]string{"overall"}, cells...), total(c.Fixed), total(c.Broken))}
	for _, tag := range tagsIn(slices.Collect(maps.Keys(c.Tags))) {
		if d, ok := c.Tags[tag]; ok {
			lines = append(lines, []string{
				tag, signedPercent(d.Mean), signedPercent(d.Low) + " to " + signedPercent(d.High), fmt.Sprint(c.Fixed[tag]), fmt.Sprint(c.Broken[tag]),
			})
		}
	}
	writeTable(&b, lines)
	if c.Closed != nil && c.Closed.Mean > 0 {
		fmt.Fprintf(&b, "\nError closed: %.0f%% (%.0f to %.0f).\n", 100*c.Closed.Mean, 100*c.Closed.Low, 100*c.Closed.High)
	}
	fmt.Fprintf(&b, "\nVerdict: %s.\n", c.verdict)
	return b.String()
}
