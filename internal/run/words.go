package run

import (
	"fmt"
	"math"
	"strings"

	"reflectionflow"
)

// This file says things in the report's words.

// Words says a requirement so that it reads well for any number and any noun, for
// example "clock: exactly 2", "red cup: at least 1" or "red cup left of blue bowl".
func Words(r reflectionflow.Requirement) string {
	object := strings.TrimSpace(r.Color + " " + r.Object)
	switch r.Kind {
	case reflectionflow.AtLeast:
		return fmt.Sprintf("%s: at least %d", object, r.Count)
	case reflectionflow.Exactly:
		return fmt.Sprintf("%s: exactly %d", object, r.Count)
	case reflectionflow.Absent:
		return object + ": none"
	}
	return r.String()
}

func headline(first, best reflectionflow.Score) string {
	asked := len(best.Requirements)
	if asked == 0 {
		return fmt.Sprintf("The score rose from %.3f to %.3f.", first.Value, best.Value)
	}
	was, is := met(first), met(best)
	switch {
	case is == asked && was == asked:
		return "The first picture already has everything that was asked for."
	case is == asked:
		return fmt.Sprintf("The first picture met %d of %d requirements; the best one meets all of them.", was, asked)
	case is == was:
		return fmt.Sprintf("%d of %d requirements are met, as in the first picture.", is, asked)
	}
	return fmt.Sprintf("The first picture met %d of %d requirements, the best one meets %d.", was, asked, is)
}

func scoreText(e entry) string {
	if !e.drawn() {
		return "no picture"
	}
	return fmt.Sprintf("%.3f", e.Score.Value)
}

func met(s reflectionflow.Score) int {
	n := 0
	for _, f := range s.Requirements {
		if f.Verdict == reflectionflow.Met {
			n++
		}
	}
	return n
}

func stopped(reason reflectionflow.StopReason) string {
	switch reason {
	case reflectionflow.StoppedRight:
		return "The search stopped because every requirement was found met."
	case reflectionflow.StoppedBudget:
		return "The search stopped because its budget was spent."
	}
	return "The search stopped: " + string(reason) + "."
}

func action(a reflectionflow.Action) string {
	switch a {
	case reflectionflow.Explore:
		return "fresh noise"
	case reflectionflow.Rewrite:
		return "rewritten prompt"
	case reflectionflow.Reflect:
		return "corrected"
	}
	return string(a)
}

// abandoned says how many noises were given up, and after how many steps.
func abandoned(list []reflectionflow.Abandoned) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("one noise given up after %d steps", list[0].Steps)
	}
	return fmt.Sprintf("%d noises given up after %d steps each", len(list), list[0].Steps)
}

func markOf(f reflectionflow.Finding) mark {
	m := mark{Verdict: string(f.Verdict), Percent: int(math.Round(f.Confidence * 100))}
	switch f.Verdict {
	case reflectionflow.Met:
		m.Sign, m.Words = "✓", "met"
	case reflectionflow.NotMet:
		m.Sign, m.Words = "✗", "not met"
	default:
		m.Sign, m.Words = "?", "unsure"
	}
	return m
}

func rows(first, best reflectionflow.Score) []row {
	var list []row
	for i, f := range best.Requirements {
		r := row{Text: Words(f.Requirement), Best: markOf(f)}
		if i < len(first.Requirements) {
			r.First = markOf(first.Requirements[i])
		}
		list = append(list, r)
	}
	return list
}

func costs(c reflectionflow.Cost) []figure {
	list := []figure{{"pictures drawn", fmt.Sprint(c.Images)}}
	if c.DenoiseSteps > 0 {
		list = append(list, figure{"denoising steps", fmt.Sprint(c.DenoiseSteps)})
	}
	if c.VerifierCalls > 0 {
		list = append(list, figure{"pictures verified", fmt.Sprint(c.VerifierCalls)})
	}
	if c.TokensIn+c.TokensOut > 0 {
		list = append(list, figure{"tokens read / written", fmt.Sprintf("%d / %d", c.TokensIn, c.TokensOut)})
	}
	if c.Money > 0 {
		list = append(list, figure{"money", fmt.Sprintf("%.4f", c.Money)})
	}
	return list
}
