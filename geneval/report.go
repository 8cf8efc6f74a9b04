package geneval

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image/jpeg"
	"image/png"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow/internal/terminal"
)

//go:embed report.html.tmpl
var reportTemplate string

//go:embed report.css
var reportStyle string

//go:embed report.js
var reportScript string

// maxEmbedded is how many bytes of images a report holds itself. The images of larger
// evaluations are taken from the evaluation's folder.
const maxEmbedded = 48 << 20

// reportQuality is the JPEG quality of the images inside a report.
const reportQuality = 90

// reportPage is the data of the report's template.
type reportPage struct {
	Style       template.CSS
	Script      template.JS
	Headline    string
	Facts       []string
	Tags        []string
	Rows        []reportRow
	Measure     string
	Soft        [][][]string // tables by probabilities, each with its header first
	Figures     []reportFigure
	Differences []reportDifference
	Levels      []Level
	Tasks       []reportTask
	Unread      []string // images that could not be read
	Priced      bool     // something had a cost in USD
}

type reportRow struct {
	Strategy                      string
	Budget                        int
	First                         bool // of its strategy
	Overall                       reportCell
	Tags                          []reportCell
	Levels                        []reportCell
	Images, Steps, Calls, Seconds string
	USD                           string
}

// reportCell is a number with its interval and the tag and level of its images.
type reportCell struct {
	Text, Interval string
	Share          string // as CSS takes it
	Tag            string
	Level          Level
	Missing        bool
}

type reportFigure struct {
	Title, Name string
	Source      template.URL
}

type reportDifference struct {
	Name, Points, Interval, Verdict, Class string
}

type reportTask struct {
	Tag     string
	Prompts []reportPrompt
}

type reportPrompt struct {
	Number     int
	Text       string
	Level      Level
	Base       string // how often the base was right
	Strategies []reportStrategy
}

type reportStrategy struct {
	Name    string
	Answers []reportAnswer
}

// reportAnswer is an image that is the answer at one or several budgets.
type reportAnswer struct {
	Source  template.URL
	Alt     string
	Correct bool
	Budgets string // joined by spaces
	Words   string
	Reason  string
	Failed  bool
}

// report renders report.html.
func (r Results) report(s Summary, figures []figure) ([]byte, error) {
	p := reportPage{
		Style: template.CSS(reportStyle), Script: template.JS(reportScript), //nolint:gosec // embedded in the program
		Headline: headline(s), Facts: s.facts(),
	}
	p.Tags, p.Priced = s.tags(), s.priced()
	p.Measure, p.Soft = s.measure(), s.softTables()
	for _, level := range Levels() {
		if s.Levels[level] > 0 {
			p.Levels = append(p.Levels, level)
		}
	}
	for i, row := range s.Rows {
		p.Rows = append(p.Rows, reportRowOf(row, i == 0 || s.Rows[i-1].Strategy != row.Strategy, p))
	}
	for _, f := range figures {
		source := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(f.SVG)
		p.Figures = append(p.Figures, reportFigure{f.Title, f.Name, template.URL(source)}) //nolint:gosec // our own SVG
	}
	for _, d := range s.Differences {
		if s.Rows[d.Row].Budget == s.largest() {
			verdict := s.corrected(d)
			p.Differences = append(p.Differences, reportDifference{
				s.Rows[d.Row].name() + " minus " + s.Rows[d.Than].name(), signedPercent(d.Mean),
				signedPercent(d.Low) + " to " + signedPercent(d.High), verdict, strings.ReplaceAll(verdict, " ", "-"),
			})
		}
	}
	p.Tasks, p.Unread = r.reportTasks(p.Tags)
	t, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	// Control characters of prompts and of servers' texts are escaped as on a terminal.
	if err := t.Execute(terminal.NewWriter(&b), p); err != nil {
		return nil, fmt.Errorf("render report.html: %w", err)
	}
	return b.Bytes(), nil
}

// measure says what the scores are.
func (s Summary) measure() string {
	switch s.Suite {
	case GenEval2:
		return "Geometric means of the probabilities of the expected answers (Soft-TIFA), times 100"
	case DPG:
		return "Percent of the questions that are answered as expected, as are those that they depend on"
	case CompBench:
		return "Probability that the image shows the prompt (VQAScore), times 100"
	}
	return "Percent of prompts that are right"
}

// headline states the outcome in a sentence. It compares strategies only where the
// evaluation has enough prompts, and says where the paired difference is not significant.
func headline(s Summary) string {
	if len(s.Rows) == 0 {
		return "Nothing was evaluated."
	}
	best, base := 0, s.Rows[0]
	for i, r := range s.Rows {
		if r.Overall > s.Rows[best].Overall {
			best = i
		}
	}
	gets := func(r Row) string {
		if s.Suite != "" {
			return "scores " + percent(r.Overall)
		}
		return "gets " + percent(r.Overall) + "% of prompts right"
	}
	if s.fewest() < enough {
		n := 0
		for _, of := range s.Prompts {
			n += of
		}
		return fmt.Sprintf("%d prompts are too few for a conclusion. In this sample, %s %s.", n, base.described(), gets(base))
	}
	if best == 0 {
		return fmt.Sprintf("No strategy scores higher than %s, which %s.", base.described(), gets(base))
	}
	against := percent(base.Overall)
	if s.Suite == "" {
		against += "%"
	}
	text := fmt.Sprintf("The best result is %s: it %s, against %s for %s.", s.Rows[best].described(), gets(s.Rows[best]), against, base.described())
	for _, d := range s.Differences {
		if d.Row == best && d.Than == 0 && s.corrected(d) == "better" {
			return text
		}
	}
	return text + " The difference is not significant."
}

// described names the strategy and its budget in words.
func (r Row) described() string {
	if r.Budget == 1 {
		return r.Strategy + " with 1 image per prompt"
	}
	return fmt.Sprintf("%s with %d images per prompt", r.Strategy, r.Budget)
}

func reportRowOf(r Row, first bool, p reportPage) reportRow {
	row := reportRow{
		Strategy: r.Strategy, Budget: r.Budget, First: first,
		Overall: cell(Estimate{Mean: r.Overall, Low: r.CILow, High: r.CIHigh}, "", ""),
		Images:  fmt.Sprintf("%.1f", r.Cost.Images), Steps: fmt.Sprintf("%.0f", r.Cost.DenoiseSteps),
		Calls: fmt.Sprintf("%.1f", r.Cost.VerifierCalls), Seconds: fmt.Sprintf("%.1f", r.Cost.Seconds),
		USD: fmt.Sprintf("%.4f", r.Cost.Money),
	}
	for _, tag := range p.Tags {
		e, ok := r.TagIntervals[tag]
		row.Tags = append(row.Tags, cell(e, tag, "").orMissing(!ok))
	}
	for _, level := range p.Levels {
		e, ok := r.Levels[level]
		row.Levels = append(row.Levels, cell(e, "", level).orMissing(!ok))
	}
	return row
}

func cell(e Estimate, tag string, level Level) reportCell {
	return reportCell{
		Text: percent(e.Mean), Interval: fmt.Sprintf("%.0f–%.0f", 100*e.Low, 100*e.High),
		Share: fmt.Sprintf("%.3f", e.Mean), Tag: tag, Level: level,
	}
}

// orMissing is the cell, or one without a number.
func (c reportCell) orMissing(missing bool) reportCell {
	if missing {
		c.Text, c.Interval, c.Share, c.Missing = "–", "", "0", true
	}
	return c
}

// reportTasks lists all answers with their images, and the images that could not be
// read.
func (r Results) reportTasks(tags []string) (tasks []reportTask, unread []string) {
	byPrompt := make(map[int][]Record)
	for _, rec := range r.Records {
		byPrompt[rec.Index] = append(byPrompt[rec.Index], rec)
	}
	probes := make(map[int]Probe)
	for _, p := range r.Probes {
		probes[p.Index] = p
	}
	a := &album{dir: r.Dir}
	for _, tag := range tags {
		task := reportTask{Tag: tag}
		for i, m := range r.Prompts {
			if m.Tag != tag {
				continue
			}
			prompt := reportPrompt{Number: i, Text: m.Prompt}
			if p, ok := probes[i]; ok {
				prompt.Level = p.Level()
				prompt.Base = fmt.Sprintf("base right in %.0f of %d", p.Rate()*float64(len(p.Correct)), len(p.Correct))
			}
			for _, arm := range r.Manifest.Strategies {
				if answers := a.answers(byPrompt[i], arm.Name); len(answers) > 0 {
					prompt.Strategies = append(prompt.Strategies, reportStrategy{arm.Name, answers})
				}
			}
			task.Prompts = append(task.Prompts, prompt)
		}
		tasks = append(tasks, task)
	}
	return tasks, a.unread
}

// album embeds images in a report.
type album struct {
	dir    string
	bytes  int
	unread []string
}

// answers lists the answers of one strategy to one prompt, each image once.
func (a *album) answers(records []Record, strategy string) []reportAnswer {
	var mine []Record
	for _, r := range records {
		if r.Strategy == strategy {
			mine = append(mine, r)
		}
	}
	slices.SortFunc(mine, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Sample, b.Sample), cmp.Compare(a.Budget, b.Budget))
	})
	var list []reportAnswer
	var last []byte // the image before
	for i, r := range mine {
		var img []byte
		if r.Filename != "" {
			var err error
			if img, err = readBounded(filepath.Join(a.dir, filepath.FromSlash(r.Filename)), maxImageBytes); err != nil {
				a.unread = append(a.unread, r.Filename)
			}
		}
		same := i > 0 && mine[i-1].Sample == r.Sample && mine[i-1].Correct == r.Correct && (mine[i-1].Filename == "") == (r.Filename == "") && bytes.Equal(img, last)
		last = img
		if same {
			answer := &list[len(list)-1]
			answer.Budgets += fmt.Sprintf(" %d", r.Budget)
			answer.Words = strings.ReplaceAll(answer.Budgets, " ", ", ")
			continue
		}
		answer := reportAnswer{
			Correct: r.Correct, Budgets: fmt.Sprint(r.Budget), Words: fmt.Sprint(r.Budget), Reason: strings.ReplaceAll(r.Reason, "\n", "; "),
			Alt: "The answer of " + strategy, Failed: r.Filename == "",
		}
		if !answer.Failed {
			answer.Source = a.source(r.Filename, img)
		}
		list = append(list, answer)
	}
	return list
}

// source is the image itself, or its path where the report has no more room.
func (a *album) source(name string, data []byte) template.URL {
	path := template.URL(name) //nolint:gosec // answerPath of a known strategy, see Manifest.group
	if data == nil {
		return path // it could not be read
	}
	img, err := png.Decode(bytes.NewReader(data))
	var b bytes.Buffer
	if err == nil {
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: reportQuality})
	}
	if err != nil {
		a.unread = append(a.unread, name)
		return path
	}
	if a.bytes+b.Len() > maxEmbedded {
		return path
	}
	a.bytes += b.Len()
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b.Bytes())) //nolint:gosec // our own JPEG
}

// maxImageBytes bounds an image that is read back.
const maxImageBytes = 64 << 20
