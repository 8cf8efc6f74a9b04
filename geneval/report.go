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
)

//go:embed report.html.tmpl
var reportTemplate string

//go:embed report.css
var reportStyle string

//go:embed report.js
var reportScript string

// maxEmbedded is how many bytes of pictures a report carries inside itself. Those
// of larger evaluations are taken from the folder beside it.
const maxEmbedded = 48 << 20

// reportQuality is that of the pictures inside a report, as JPEG.
const reportQuality = 90

// reportPage is what the report's template shows.
type reportPage struct {
	Style       template.CSS
	Script      template.JS
	Headline    string
	Facts       []string
	Tags        []string
	Rows        []reportRow
	Figures     []reportFigure
	Differences []reportDifference
	Levels      []Level
	Tasks       []reportTask
	Unread      []string // pictures that could not be read
}

type reportRow struct {
	Strategy                      string
	Budget                        int
	First                         bool // of its strategy
	Overall                       reportCell
	Tags                          []reportCell
	Levels                        []reportCell
	Images, Steps, Calls, Seconds string
}

// reportCell is a number with its interval and the tag and level of its pictures.
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

// reportAnswer is a picture that is the answer at one or several budgets.
type reportAnswer struct {
	Source   template.URL
	Alt      string
	Correct  bool
	Budgets  string // joined by spaces
	Words    string
	Reason   string
	NotDrawn bool
}

// report renders report.html.
func (r Results) report(s Summary, figures []figure) ([]byte, error) {
	p := reportPage{
		Style: template.CSS(reportStyle), Script: template.JS(reportScript), //nolint:gosec // embedded in the program
		Headline: headline(s), Facts: s.facts(),
	}
	p.Tags = s.tags()
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
			verdict := s.verdict(d.Estimate)
			p.Differences = append(p.Differences, reportDifference{
				s.Rows[d.Row].name() + " less " + s.Rows[d.Than].name(), signedPercent(d.Mean),
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
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("render report.html: %w", err)
	}
	return b.Bytes(), nil
}

// headline says in one sentence what came out.
func headline(s Summary) string {
	if len(s.Rows) == 0 {
		return "Nothing was evaluated."
	}
	best := slices.MaxFunc(s.Rows, func(a, b Row) int { return cmp.Compare(a.Overall, b.Overall) })
	base := s.Rows[0]
	text := fmt.Sprintf("%s%% of the pictures are right at %d image (%s)", percent(base.Overall), base.Budget, base.Strategy)
	if base.Budget > 1 {
		text = strings.Replace(text, " image (", " images (", 1)
	}
	if best.Overall <= base.Overall {
		return text + "; no strategy does better."
	}
	return text + fmt.Sprintf(", %s%% with %s.", percent(best.Overall), best.name())
}

func reportRowOf(r Row, first bool, p reportPage) reportRow {
	row := reportRow{
		Strategy: r.Strategy, Budget: r.Budget, First: first,
		Overall: cell(Estimate{r.Overall, r.CILow, r.CIHigh}, "", ""),
		Images:  fmt.Sprintf("%.1f", r.Cost.Images), Steps: fmt.Sprintf("%.0f", r.Cost.DenoiseSteps),
		Calls: fmt.Sprintf("%.1f", r.Cost.VerifierCalls), Seconds: fmt.Sprintf("%.1f", r.Cost.Seconds),
	}
	for _, tag := range p.Tags {
		row.Tags = append(row.Tags, cell(r.TagIntervals[tag], tag, ""))
	}
	for _, level := range p.Levels {
		row.Levels = append(row.Levels, cell(r.Levels[level], "", level))
	}
	return row
}

func cell(e Estimate, tag string, level Level) reportCell {
	return reportCell{
		Text: percent(e.Mean), Interval: fmt.Sprintf("%.0f–%.0f", 100*e.Low, 100*e.High),
		Share: fmt.Sprintf("%.3f", e.Mean), Tag: tag, Level: level,
	}
}

// reportTasks lists all answers with their pictures, and the pictures that could
// not be read.
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

// album takes pictures into a report.
type album struct {
	dir    string
	bytes  int
	unread []string
}

// answers are those of one strategy to one prompt, each picture once.
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
	var last []byte // the picture before
	for i, r := range mine {
		var picture []byte
		if r.Filename != "" {
			var err error
			if picture, err = readBounded(filepath.Join(a.dir, filepath.FromSlash(r.Filename)), maxPictureBytes); err != nil {
				a.unread = append(a.unread, r.Filename)
			}
		}
		same := i > 0 && mine[i-1].Sample == r.Sample && mine[i-1].Correct == r.Correct && (mine[i-1].Filename == "") == (r.Filename == "") && bytes.Equal(picture, last)
		last = picture
		if same {
			answer := &list[len(list)-1]
			answer.Budgets += fmt.Sprintf(" %d", r.Budget)
			answer.Words = strings.ReplaceAll(answer.Budgets, " ", ", ")
			continue
		}
		answer := reportAnswer{
			Correct: r.Correct, Budgets: fmt.Sprint(r.Budget), Words: fmt.Sprint(r.Budget), Reason: strings.ReplaceAll(r.Reason, "\n", "; "),
			Alt: "The answer of " + strategy, NotDrawn: r.Filename == "",
		}
		if !answer.NotDrawn {
			answer.Source = a.source(r.Filename, picture)
		}
		list = append(list, answer)
	}
	return list
}

// source is the picture itself while there is room for it, and then its path.
func (a *album) source(name string, picture []byte) template.URL {
	path := template.URL(name) //nolint:gosec // answerPath of a known strategy, see Manifest.group
	if picture == nil {
		return path // it could not be read
	}
	img, err := png.Decode(bytes.NewReader(picture))
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

// maxPictureBytes bounds a picture that is read back.
const maxPictureBytes = 64 << 20
