package geneval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Summary is what summary.json holds: a row for each strategy and budget.
type Summary struct {
	Rows []Row `json:"rows"`
	// Differences between rows, prompt by prompt; they are in the report only.
	Differences []RowDifference `json:"-"`
	// Prompts counts the prompts of each tag.
	Prompts map[string]int `json:"-"`
}

// Row is the score of a strategy at a budget.
type Row struct {
	Strategy string             `json:"strategy"`
	Budget   int                `json:"budget"`  // images
	Overall  float64            `json:"overall"` // unweighted mean of the tags
	CILow    float64            `json:"ci_low"`  // 95% bootstrap interval by prompt
	CIHigh   float64            `json:"ci_high"`
	Tags     map[string]float64 `json:"tags"` // share of correct pictures
	Cost     Spent              `json:"cost"` // mean of a search
}

// RowDifference is the score of one row less that of another.
type RowDifference struct {
	Row, Than int // indices of rows
	Estimate
}

// sumUp writes summary.json and report.md over all records.
func (s *sitting) sumUp() (Summary, error) {
	summary := s.summarize()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(summary); err != nil {
		return Summary{}, fmt.Errorf("encode summary.json: %w", err)
	}
	report := fmt.Sprintf("# Evaluation\n\n%d prompts, %d searches each. %s\n\n%s", len(s.Prompts), s.Samples, s.Remark, summary.Markdown())
	if err := s.folder.write(reportFile, []byte(report)); err != nil {
		return Summary{}, err
	}
	return summary, s.folder.write(summaryFile, b.Bytes())
}

func (s *sitting) summarize() Summary {
	summary := Summary{Prompts: make(map[string]int)}
	tags := make([]string, len(s.Prompts))
	for i, m := range s.Prompts {
		tags[i] = m.Tag
		summary.Prompts[m.Tag]++
	}
	var scores [][]float64 // of each row, by prompt: the mean over the samples
	for _, strategy := range s.Strategies {
		for _, budget := range s.Budgets {
			values, cost := s.collect(strategy.Name, budget)
			overall := Overall(tags, values)
			scores = append(scores, values)
			summary.Rows = append(summary.Rows, Row{
				Strategy: strategy.Name, Budget: budget,
				Overall: overall.Mean, CILow: overall.Low, CIHigh: overall.High,
				Tags: ByTag(tags, values), Cost: cost,
			})
		}
	}
	for i := range summary.Rows {
		for _, than := range s.rivals(i) {
			summary.Differences = append(summary.Differences, RowDifference{i, than, Difference(tags, scores[i], scores[than])})
		}
	}
	return summary
}

// rivals are the rows that row i is compared with: the first row, which is the
// base, and the earlier strategies at the same budget.
func (s *sitting) rivals(i int) []int {
	var rows []int
	n := len(s.Budgets)
	if i > 0 {
		rows = append(rows, 0)
	}
	for than := i % n; than < i; than += n {
		if than > 0 {
			rows = append(rows, than)
		}
	}
	return rows
}

// collect is the share of correct answers by prompt, and the mean cost.
func (s *sitting) collect(strategy string, budget int) (values []float64, cost Spent) {
	var total Spent
	values = make([]float64, len(s.Prompts))
	for _, r := range s.records {
		if r.Strategy != strategy || r.Budget != budget {
			continue
		}
		if r.Correct {
			values[r.Index] += 1 / float64(s.Samples)
		}
		total = total.plus(r.Cost)
	}
	return values, total.over(float64(len(s.Prompts) * s.Samples))
}

// Markdown is the summary as tables for people: scores, then paired differences.
// All scores are in percent.
func (s Summary) Markdown() string {
	var b strings.Builder
	header := []string{"strategy", "images", "overall", "95% interval"}
	for _, tag := range Tags() {
		if s.Prompts[tag] > 0 {
			header = append(header, tag)
		}
	}
	header = append(header, "mean images", "mean seconds")
	table := [][]string{header}
	for _, r := range s.Rows {
		line := []string{r.Strategy, fmt.Sprint(r.Budget), percent(r.Overall), percent(r.CILow) + " to " + percent(r.CIHigh)}
		for _, tag := range Tags() {
			if s.Prompts[tag] > 0 {
				line = append(line, percent(r.Tags[tag]))
			}
		}
		table = append(table, append(line, fmt.Sprintf("%.1f", r.Cost.Images), fmt.Sprintf("%.1f", r.Cost.Seconds)))
	}
	writeTable(&b, table)
	if len(s.Differences) == 0 {
		return b.String()
	}
	_, _ = fmt.Fprint(&b, "\n")
	table = [][]string{{"difference", "points", "95% interval"}}
	for _, d := range s.Differences {
		table = append(table, []string{
			s.Rows[d.Row].name() + " less " + s.Rows[d.Than].name(),
			signedPercent(d.Mean), signedPercent(d.Low) + " to " + signedPercent(d.High),
		})
	}
	writeTable(&b, table)
	return b.String()
}

func (r Row) name() string { return fmt.Sprintf("%s at %d", r.Strategy, r.Budget) }

func percent(share float64) string       { return fmt.Sprintf("%.1f", 100*share) }
func signedPercent(share float64) string { return fmt.Sprintf("%+.1f", 100*share) }

// writeTable writes a Markdown table with aligned columns; the first line is the
// header and the first column is text.
func writeTable(b *strings.Builder, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], len(cell), 3)
		}
	}
	for n, line := range table {
		for i, cell := range line {
			if i == 0 {
				_, _ = fmt.Fprintf(b, "| %-*s |", widths[i], cell)
				continue
			}
			_, _ = fmt.Fprintf(b, " %*s |", widths[i], cell)
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
