package geneval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
)

// Summary is the content of summary.json: a row for each strategy and budget, and the
// facts behind them.
type Summary struct {
	Rows    []Row          `json:"rows"`
	Prompts map[string]int `json:"prompts"`          // of each tag
	Levels  map[Level]int  `json:"levels,omitempty"` // prompts of each difficulty
	Engine  *Busy          `json:"engine,omitempty"` // nil when it was not measured
	Judge   *Agreement     `json:"judge,omitempty"`  // of the judge's self-test
	By      JudgedBy       `json:"judged_by,omitzero"`
	Verify  *PairsRight    `json:"verify,omitempty"` // how often the verifier ranks the right image of the base first
	Suite   Suite          `json:"suite,omitempty"`
	Soft    []Soft         `json:"soft,omitempty"`    // of a judge that asks
	Samples int            `json:"samples"`           // searches for each row and prompt
	Skipped []string       `json:"skipped,omitempty"` // answers that could not be judged
	Missing []Unscored     `json:"missing,omitempty"` // searches that failed and are not in the scores
	// Refused is the number of prompts with a search without an image: the generator refused
	// all that the budget allowed, as a content filter does. Such a search counts as wrong.
	Refused int `json:"refused,omitempty"`
	// Differences between rows, prompt by prompt.
	Differences []RowDifference `json:"differences,omitempty"`
}

// Row is the score of a strategy at a budget.
type Row struct {
	Strategy string             `json:"strategy"`
	Budget   int                `json:"budget"`  // images
	Overall  float64            `json:"overall"` // unweighted mean of the tags
	CILow    float64            `json:"ci_low"`  // 95% interval: see Overall
	CIHigh   float64            `json:"ci_high"`
	Tags     map[string]float64 `json:"tags"` // share of correct images
	Cost     Spent              `json:"cost"` // mean of a search
	// MostImages is the largest number of images of a search.
	MostImages float64 `json:"most_images"`
	// Refused is the number of searches without an image, which count as wrong.
	Refused int `json:"refused,omitempty"`
	// Tag intervals and levels are means over prompts with 95% intervals.
	TagIntervals map[string]Estimate `json:"tag_intervals"`
	Levels       map[Level]Estimate  `json:"levels,omitempty"`
}

// RowDifference is the score of one row less that of another, overall, with all
// prompts counted alike instead of all tags, and of each tag.
type RowDifference struct {
	Row  int `json:"row"`  // index of rows
	Than int `json:"than"` // index of rows
	Estimate
	// Chance is set where the interval is without 0, and yet the difference is not significant
	// among all of its budget (Holm).
	Chance bool                `json:"chance,omitempty"`
	Alike  Estimate            `json:"prompts_alike"`
	Tags   map[string]Estimate `json:"tags"`
}

// Busy is the share of the searches' time in which the generator was busy.
type Busy struct {
	Share   float64 `json:"busy"`
	Seconds float64 `json:"seconds"`
	Images  int     `json:"images"` // generated in this time
}

// PairsRight is what [Discernment] finds.
type PairsRight struct {
	Rate  float64 `json:"rate"`
	Pairs int     `json:"pairs"`
}

// sumUp writes summary.json and report.md into the folder. Report.md lists all images on which
// other judges differ.
func (r Results) sumUp() (Summary, error) {
	f := &folder{path: r.Dir}
	summary := r.Summarize()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(summary); err != nil {
		return Summary{}, fmt.Errorf("encode summary.json: %w", err)
	}
	if err := f.write(summaryFile, b.Bytes()); err != nil {
		return Summary{}, err
	}
	var text strings.Builder
	text.WriteString("# Evaluation\n\n" + summary.Markdown())
	seconds, err := r.Seconds()
	if err != nil {
		return Summary{}, err
	}
	for _, s := range seconds {
		_, _ = fmt.Fprintf(&text, "\n## By another judge: %s\n\n%s", s.Judge, s.markdown(r, len(s.Disputed)))
	}
	return summary, f.write(tablesFile, []byte(text.String()))
}

// Publish sums up and writes summary.json, report.md, the figures, the judge's contact sheet and report.html
// into the folder.
func (r Results) Publish() (Summary, error) {
	summary, err := r.sumUp()
	if err != nil {
		return Summary{}, err
	}
	if len(summary.Rows) == 0 {
		return summary, r.errUnfinished()
	}
	figures, err := r.figures(summary)
	if err != nil {
		return Summary{}, err
	}
	if err := r.writeScoreLists(summary); err != nil {
		return Summary{}, err
	}
	f := &folder{path: r.Dir}
	if err := f.writeFigures(figures); err != nil {
		return Summary{}, err
	}
	sheet, err := r.judgeSheet()
	if err != nil {
		return Summary{}, err
	}
	if err := f.write(figuresFolder+"/"+judgeSheetName+".png", sheet); err != nil {
		return Summary{}, err
	}
	page, err := r.report(summary, figures)
	if err != nil {
		return Summary{}, err
	}
	return summary, f.write(reportFile, page)
}

// Summarize states the rows with their intervals. A row that is not finished is left
// out: see [Results.Finished]. Failed searches count as finished and are listed in
// Missing.
func (r Results) Summarize() Summary {
	s := Summary{Prompts: make(map[string]int), Samples: r.Manifest.Samples, Judge: r.Judged, By: r.Manifest.Judge, Missing: r.missing()}
	tags, levels := r.tags(), r.levels()
	for i, tag := range tags {
		s.Prompts[tag]++
		s.Suite = r.Prompts[i].Suite
	}
	if len(r.Probes) > 0 {
		s.Levels = make(map[Level]int)
		for _, p := range r.Probes {
			s.Levels[p.Level()]++
		}
		rate, pairs := Discernment(r.Probes)
		s.Verify = &PairsRight{rate, pairs}
	}
	s.Engine = r.busy()
	refused := make(map[int]bool) // prompts
	var scores [][]float64        // of each row, by prompt: the mean over the samples
	for _, a := range r.Manifest.Strategies {
		for _, budget := range r.Manifest.Budgets {
			row, values, whole := r.row(a.Name, budget)
			if !whole {
				continue
			}
			if len(r.Probes) > 0 {
				row.Levels = ByLevel(levels, values)
			}
			row.Refused = r.countRefused(a.Name, budget, refused)
			s.Rows, scores = append(s.Rows, row), append(scores, values)
		}
	}
	s.Refused = len(refused)
	for i, row := range s.Rows {
		if soft, ok := r.soft(i, row.Strategy, row.Budget); ok {
			s.Soft = append(s.Soft, soft)
		}
	}
	for i := range s.Rows {
		for _, than := range r.rivals(s.Rows, i) {
			s.Differences = append(s.Differences, differenceOf(tags, i, than, scores))
		}
	}
	s.correct()
	return s
}

// correct marks the differences that may be by chance, given how many there are at a budget.
func (s *Summary) correct() {
	families := make(map[int][]int)
	for i, d := range s.Differences {
		budget := s.Rows[d.Row].Budget
		families[budget] = append(families[budget], i)
	}
	for _, family := range families {
		p := make([]float64, len(family))
		for k, i := range family {
			p[k] = s.Differences[i].P
		}
		for k, significant := range holm(p) {
			d := &s.Differences[family[k]]
			d.Chance = !significant && (d.Low > 0 || d.High < 0)
		}
	}
}

// countRefused counts the searches of a row without an image and adds their prompts.
func (r Results) countRefused(strategy string, budget int, prompts map[int]bool) int {
	n := 0
	for _, rec := range r.Records {
		if rec.Strategy == strategy && rec.Budget == budget && rec.Candidate < 0 {
			prompts[rec.Index] = true
			n++
		}
	}
	return n
}

// row is that of a strategy at a budget, without levels, and the scores behind it, by
// prompt; false where searches are missing.
func (r Results) row(strategy string, budget int) (Row, []float64, bool) {
	values, cost, whole := r.collect(strategy, budget)
	if !whole {
		return Row{}, nil, false
	}
	overall, tags := Overall(r.tags(), values), ByTag(r.tags(), values)
	row := Row{
		Strategy: strategy, Budget: budget, Overall: overall.Mean, CILow: overall.Low, CIHigh: overall.High,
		Tags: make(map[string]float64), TagIntervals: tags, Cost: cost,
	}
	for tag, e := range tags {
		row.Tags[tag] = e.Mean
	}
	for _, rec := range r.Records {
		if rec.Strategy == strategy && rec.Budget == budget {
			row.MostImages = max(row.MostImages, rec.Cost.Images)
		}
	}
	return row, values, true
}

func differenceOf(tags []string, row, than int, scores [][]float64) RowDifference {
	d := differences(scores[row], scores[than])
	_, known := scored(tags, d, func(v float64) bool { return !math.IsNaN(v) })
	return RowDifference{Row: row, Than: than, Estimate: overallDifference(tags, d), Alike: difference(known), Tags: DifferenceByTag(tags, d)}
}

// rivals are the rows that row i is compared with: the first row, which is the
// base; and at the same budget the first strategy, and for a plain strategy those
// before it, for a variant what it is a variant of.
func (r Results) rivals(rows []Row, i int) []int {
	mine, _ := r.Manifest.arm(rows[i].Strategy)
	before := true
	var list []int
	for k, row := range rows {
		before = before && row.Strategy != rows[i].Strategy
		arm, _ := r.Manifest.arm(row.Strategy)
		near := row.Strategy == rows[0].Strategy || mine.plain() && arm.plain() && before || !mine.plain() && arm.Name == mine.Kind
		if k != i && (k == 0 || row.Budget == rows[i].Budget && near) {
			list = append(list, k)
		}
	}
	return list
}

// busy adds up what the engine did; nil when it was not measured.
func (r Results) busy() *Busy {
	var b Busy
	busy := 0.0
	for _, u := range r.Usage {
		busy += u.Busy
		b.Seconds += u.Seconds
		b.Images += u.Images
	}
	if b.Seconds == 0 {
		return nil
	}
	b.Share = busy / b.Seconds
	return &b
}

// readJudged reads the self-test out of an earlier summary, if there is one.
func readJudged(path string) (*Agreement, error) {
	data, err := readBounded(path, maxJournalBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s struct {
		Judge *Agreement `json:"judge"`
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, invalid("%s is damaged: %v", filepath.Base(path), err)
	}
	return s.Judge, nil
}
