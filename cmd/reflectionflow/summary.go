package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/progress"
	"reflectionflow/internal/run"
	"reflectionflow/internal/terminal"
	"reflectionflow/requirements"
)

// summary is what --json prints for a prompt.
type summary struct {
	best         reflectionflow.Score
	Prompt       string                    `json:"prompt"`
	Folder       string                    `json:"folder"`
	Image        string                    `json:"image"`
	Report       string                    `json:"report"`
	Best         int                       `json:"best"`
	Score        float64                   `json:"score"`
	FirstScore   float64                   `json:"first_score"`
	Right        bool                      `json:"right"`
	Requirements []checked                 `json:"requirements"`
	Stopped      reflectionflow.StopReason `json:"stopped"`
	Reproducible bool                      `json:"reproducible"`
	Images       int                       `json:"images"` // tried
	Failed       int                       `json:"failed"`
	Failure      string                    `json:"failure,omitempty"`    // of the first failed image
	Unanswered   int                       `json:"unanswered,omitempty"` // images that the verifier did not judge
	Unjudged     string                    `json:"unjudged,omitempty"`   // why it did not judge the first of them
	Compared     int                       `json:"compared,omitempty"`   // pairs of images with the same score
	Warnings     []string                  `json:"warnings"`
	Notes        []string                  `json:"notes,omitempty"`  // about the prompt
	Unread       []string                  `json:"unread,omitempty"` // parts of the prompt
	Cost         reflectionflow.Cost       `json:"cost"`
	Seconds      float64                   `json:"seconds"`

	chosen string // how the best of equal images was chosen
}

// checked is one requirement as found in the best image.
type checked struct {
	Requirement string                 `json:"requirement"`
	Verdict     reflectionflow.Verdict `json:"verdict"`
	Confidence  float64                `json:"confidence"`
	Unjudged    bool                   `json:"unjudged,omitempty"`
	unread      bool                   // has a line of its own
}

func summarize(f *run.Folder, o run.Outcome) summary {
	s := summary{
		Prompt:       f.Manifest().Prompt.Text,
		Folder:       f.Path(),
		Image:        filepath.Join(f.Path(), "best.png"),
		Report:       filepath.Join(f.Path(), "report.html"),
		Best:         o.Best,
		Score:        o.Score.Value,
		FirstScore:   o.Score.Value,
		Right:        o.Score.Right(),
		Requirements: []checked{},
		Stopped:      o.Stopped,
		Reproducible: !f.Manifest().NotReproducible,
		Cost:         o.Cost,
		best:         o.Score,
		Seconds:      f.Spent().Seconds(),
		Images:       f.Len(),
		Warnings:     []string{},
		Notes:        f.Manifest().Prompt.Notes,
		Unread:       requirements.Unread(f.Manifest().Prompt),
	}
	duels := f.Duels()
	s.Compared, s.chosen = len(duels), run.Chosen(o.Best, duels)
	first := true
	for _, c := range f.Candidates() {
		switch {
		case c.Error != "":
			s.Failed++
			s.Failure = cmp.Or(s.Failure, c.Error)
		case c.Score.Unanswered != "":
			s.Unanswered++
			s.Unjudged = cmp.Or(s.Unjudged, c.Score.Unanswered)
		case first:
			s.FirstScore, first = c.Score.Value, false
		}
		for _, text := range c.Warnings {
			s.Warnings = append(s.Warnings, progress.Warning(c.ID, text))
		}
	}
	for _, r := range o.Score.Requirements {
		s.Requirements = append(s.Requirements, checked{run.Words(r.Requirement), r.Verdict, r.Confidence, r.Unjudged, r.Requirement.Kind == reflectionflow.Free})
	}
	return s
}

// sumUp prints the result of each finished run.
func (s *session) sumUp() error {
	for i, f := range s.folders {
		o, finished := f.Outcome()
		if !finished || (s.quiet && !s.json) {
			continue
		}
		sum := summarize(f, o)
		text := sum.text()
		if i > 0 {
			text = "\n" + text
		}
		if s.json {
			data, err := json.Marshal(sum)
			if err != nil {
				return fmt.Errorf("encode result: %w", err)
			}
			text = string(data) + "\n"
		}
		if err := printTo(s.program.stdout, text); err != nil {
			return err
		}
	}
	return nil
}

// maxWarnings is how many warnings the summary lists.
const maxWarnings = 3

// text is the summary for people.
func (s summary) text() string {
	var b strings.Builder
	line := func(name, value string) { _, _ = fmt.Fprintf(&b, "  %-8s %s\n", name, terminal.Line(value)) }
	b.WriteString(terminal.Line(s.Prompt) + "\n")
	line("result", s.result())
	line("best", fmt.Sprintf("image %d, score %s (higher is better; the first image: %s)", s.Best, progress.Score(s.Score), progress.Score(s.FirstScore)))
	if s.chosen != "" {
		line("chosen", s.chosen)
	}
	for _, f := range s.findings() {
		line(f.name, f.list)
	}
	if len(s.Unread) > 0 {
		line("not read", "“"+strings.Join(s.Unread, "”, “")+"”")
	}
	for _, text := range s.Notes {
		line("prompt", text)
	}
	if s.Failed > 0 {
		line("failed", fmt.Sprintf("%d of %s; the first: %s", s.Failed, progress.Plural(s.Images, "image"), s.Failure))
	}
	if s.Unanswered > 0 {
		line("unjudged", fmt.Sprintf("%d of %s; the first: %s", s.Unanswered, progress.Plural(s.Images, "image"), s.Unjudged))
	}
	for i, text := range s.Warnings {
		if i == maxWarnings {
			line("warning", fmt.Sprintf("and %d more: see the report", len(s.Warnings)-i))
			break
		}
		line("warning", text)
	}
	line("cost", progress.Cost(s.Cost))
	line("time", terminal.Elapsed(time.Duration(s.Seconds*float64(time.Second))))
	if !s.Reproducible {
		line("note", "this run cannot be reproduced: the generator ignored its seeds")
	}
	line("image", s.Image)
	line("report", s.Report)
	return b.String()
}

// findings lists the requirements by verdict.
func (s summary) findings() []struct{ name, list string } {
	var lines []struct{ name, list string }
	add := func(name string, has func(checked) bool, words func(checked) string) {
		var found []string
		for _, r := range s.Requirements {
			if has(r) {
				found = append(found, words(r))
			}
		}
		if len(found) > 0 {
			lines = append(lines, struct{ name, list string }{name, strings.Join(found, ", ")})
		}
	}
	for _, v := range []struct {
		verdict reflectionflow.Verdict
		name    string
	}{{reflectionflow.Met, "met"}, {reflectionflow.NotMet, "not met"}, {reflectionflow.Unsure, "unsure"}} {
		add(v.name, func(r checked) bool { return r.Verdict == v.verdict && !r.Unjudged }, func(r checked) string {
			return fmt.Sprintf("%s (%s)", r.Requirement, run.Sureness(r.Verdict, r.Confidence))
		})
	}
	add("unjudged", func(r checked) bool { return r.Unjudged && !r.unread }, func(r checked) string { return r.Requirement })
	return lines
}

// result says how much of the prompt the best image shows, and why the search stopped.
func (s summary) result() string {
	n := len(s.Requirements)
	met := 0
	for _, r := range s.Requirements {
		if r.Verdict == reflectionflow.Met {
			met++
		}
	}
	stopped := "stopped because " + progress.Stopped(s.Stopped, s.best)
	switch {
	case n > 0 && len(s.best.Judged()) == 0:
		return fmt.Sprintf("nothing was judged of %s; %s", progress.Plural(n, "requirement"), stopped)
	case n == 0:
		return stopped + "; no requirement was judged"
	case s.Stopped == reflectionflow.StoppedRight:
		return fmt.Sprintf("%d of %s met", met, progress.Plural(n, "requirement"))
	}
	return fmt.Sprintf("%d of %s met; %s", met, progress.Plural(n, "requirement"), stopped)
}
