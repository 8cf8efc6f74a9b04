package run

import (
	"fmt"
	"math"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/terminal"
)

// This file holds the words of the report.

// Words describes a requirement in a form that reads well for any number and noun,
// for example "clock: exactly 2", "red cup: at least 1" or "red cup left of blue bowl".
func Words(r reflectionflow.Requirement) string {
	if r.Weight == reflectionflow.Should {
		return kindWords(r) + " (optional)"
	}
	return kindWords(r)
}

func kindWords(r reflectionflow.Requirement) string {
	object := strings.TrimSpace(r.Color + " " + r.Object)
	switch r.Kind {
	case reflectionflow.AtLeast:
		return fmt.Sprintf("%s: at least %d", object, r.Count)
	case reflectionflow.Exactly:
		return fmt.Sprintf("%s: exactly %d", object, r.Count)
	case reflectionflow.AtMost:
		return fmt.Sprintf("%s: at most %d", object, r.Count)
	case reflectionflow.Absent:
		return object + ": none"
	case reflectionflow.Color:
		return share(r.Object, r.Color, r.Count)
	case reflectionflow.Attribute:
		return share(object, r.Value, r.Count)
	case reflectionflow.Scene:
		return "scene: " + r.Value
	case reflectionflow.Style:
		return "style: " + r.Value
	case reflectionflow.Free:
		return fmt.Sprintf("not read: “%s”", r.Value)
	}
	return r.String()
}

// share describes a property that count objects have, or all for 0.
func share(object, property string, count int) string {
	if count == 0 {
		return object + ": " + property
	}
	return fmt.Sprintf("%s: at least %d %s", object, count, property)
}

func headline(first, best reflectionflow.Score) string {
	asked := len(best.Requirements)
	if asked == 0 {
		return fmt.Sprintf("The score rose from %.3f to %.3f.", first.Value, best.Value)
	}
	was, is := met(first), met(best)
	if unjudged := asked - len(best.Judged()); unjudged > 0 {
		return partly(first, best)
	}
	switch {
	case is == asked && was == asked:
		return "The first image already meets every requirement."
	case is == asked:
		return fmt.Sprintf("The first image met %d of %d requirements; the best one meets all of them.", was, asked)
	case is == was:
		return fmt.Sprintf("%d of %d requirements are met, as many as in the first image.", is, asked)
	}
	return fmt.Sprintf("The first image met %d of %d requirements; the best one meets %d.", was, asked, is)
}

// partly is the headline where the verifier cannot judge every requirement.
func partly(first, best reflectionflow.Score) string {
	judged := len(best.Judged())
	rest := fmt.Sprintf("%d could not be judged.", len(best.Requirements)-judged)
	was, is := met(first), met(best)
	switch {
	case judged == 0:
		if n := len(best.Requirements); n > 1 {
			return fmt.Sprintf("None of the %d requirements could be judged.", n)
		}
		return "The only requirement could not be judged."
	case is == was:
		return fmt.Sprintf("%d of %d requirements that could be judged are met, as many as in the first image; %s", is, judged, rest)
	}
	return fmt.Sprintf("The first image met %d of %d requirements that could be judged; the best one meets %d. %s", was, judged, is, strings.ToUpper(rest[:1])+rest[1:])
}

func scoreText(e entry) string {
	if !e.hasImage() {
		return "no image"
	}
	if e.Score.Unanswered != "" {
		return "not judged"
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

// stopped says why a search stopped with a best image of this score.
func stopped(reason reflectionflow.StopReason, best reflectionflow.Score) string {
	switch reason {
	case reflectionflow.StoppedRight:
		return "The search stopped early: the verifier found every requirement met."
	case reflectionflow.StoppedJudged:
		if len(best.Judged()) == 0 {
			return "The search stopped early: the verifier can judge none of the requirements and saw something of what is asked for. Whether the image is right was not judged."
		}
		return "The search stopped early: the verifier found everything met that it can judge."
	case reflectionflow.StoppedBudget:
		if best.NothingWrong() && !best.Enough() {
			return "The search used its whole budget: the verifier found nothing wrong, but it can judge too little of the prompt to stop early."
		}
		return "The search used its whole budget."
	case reflectionflow.StoppedFailed:
		return "The search stopped because no image was usable, or too many failed in a row."
	}
	return "The search stopped: " + string(reason) + "."
}

func action(a reflectionflow.Action) string {
	switch a {
	case reflectionflow.Explore:
		return "new noise"
	case reflectionflow.Rewrite:
		return "new noise, rewritten prompt"
	case reflectionflow.Reflect:
		return "correction"
	}
	return string(a)
}

// abandoned describes the noises that were abandoned before the candidate.
func abandoned(list []reflectionflow.Abandoned) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("one noise abandoned after %d steps", list[0].Steps)
	}
	return fmt.Sprintf("%d noises abandoned after %d steps each", len(list), list[0].Steps)
}

func markOf(f reflectionflow.Finding) mark {
	m := mark{Verdict: string(f.Verdict)}
	switch f.Verdict {
	case reflectionflow.Met:
		m.Sign, m.Words, m.Sure = "✓", "met", sure(f.Confidence, f.Confidence)
	case reflectionflow.NotMet:
		m.Sign, m.Words, m.Sure = "✗", "not met", sure(1-f.Confidence, f.Confidence)
	default:
		m.Sign, m.Words, m.Sure = "?", "unsure", likely(f.Confidence)
		if f.Unjudged {
			m.Verdict, m.Sign, m.Words, m.Sure = "unjudged", "–", "not judged", ""
		}
	}
	return m
}

// Sureness says how sure the verifier is of a verdict, given the probability in [0, 1]
// that the requirement is met.
func Sureness(v reflectionflow.Verdict, met float64) string {
	return markOf(reflectionflow.Finding{Verdict: v, Confidence: met}).Sure
}

// sure says how sure the verifier is of a verdict whose probability is p. A verdict
// that the verifier itself thinks improbable follows from a threshold above or below
// one half: there the probability that the requirement is met says more.
func sure(p, met float64) string {
	switch percent := math.Round(100 * p); {
	case p < 0.5:
		return likely(met)
	case percent >= 100:
		return "over 99% sure"
	default:
		return fmt.Sprintf("%.0f%% sure", percent)
	}
}

func likely(met float64) string {
	return fmt.Sprintf("%.0f%% likely met", min(max(math.Round(100*met), 1), 99))
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
	list := []figure{{"images generated", fmt.Sprint(c.Images)}}
	if c.DenoiseSteps > 0 {
		list = append(list, figure{"denoising steps", fmt.Sprint(c.DenoiseSteps)})
	}
	if c.VerifierCalls > 0 {
		list = append(list, figure{"images verified", fmt.Sprint(c.VerifierCalls)})
	}
	if c.TokensIn+c.TokensOut > 0 {
		list = append(list, figure{"tokens in / out", fmt.Sprintf("%d / %d", c.TokensIn, c.TokensOut)})
	}
	if c.USD > 0 {
		list = append(list, figure{"cost", terminal.USD(c.USD)})
	}
	return list
}
