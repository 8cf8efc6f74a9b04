package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/progress"
	"reflectionflow/internal/run"
)

// summary is what --json prints for a prompt.
type summary struct {
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
	Cost         reflectionflow.Cost       `json:"cost"`
	Seconds      float64                   `json:"seconds"`
}

// checked is one requirement as found in the best picture.
type checked struct {
	Requirement string                 `json:"requirement"`
	Verdict     reflectionflow.Verdict `json:"verdict"`
	Confidence  float64                `json:"confidence"`
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
		Seconds:      f.Spent().Seconds(),
	}
	for id := range f.Len() {
		if c, _, ok := f.Recall(id); ok && c.Error == "" {
			s.FirstScore = c.Score.Value
			break
		}
	}
	for _, r := range o.Score.Requirements {
		s.Requirements = append(s.Requirements, checked{run.Words(r.Requirement), r.Verdict, r.Confidence})
	}
	return s
}

// sumUp prints what came out of each run.
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

func (s summary) text() string {
	var b strings.Builder
	line := func(name, value string) { _, _ = fmt.Fprintf(&b, "  %-8s %s\n", name, value) }
	b.WriteString(s.Prompt + "\n")
	line("best", fmt.Sprintf("image %d, score %.3f (the first picture: %.3f)", s.Best, s.Score, s.FirstScore))
	for _, v := range []struct {
		verdict reflectionflow.Verdict
		name    string
	}{{reflectionflow.Met, "met"}, {reflectionflow.NotMet, "not met"}, {reflectionflow.Unsure, "unsure"}} {
		var found []string
		for _, r := range s.Requirements {
			if r.Verdict == v.verdict {
				found = append(found, fmt.Sprintf("%s (%.0f%%)", r.Requirement, r.Confidence*100))
			}
		}
		if len(found) > 0 {
			line(v.name, strings.Join(found, ", "))
		}
	}
	line("cost", fmt.Sprintf("%s, %.1f s", progress.Cost(s.Cost), s.Seconds))
	if !s.Reproducible {
		line("note", "this run cannot be reproduced: the generator did not take its seeds")
	}
	line("picture", s.Image)
	line("report", s.Report)
	return b.String()
}
