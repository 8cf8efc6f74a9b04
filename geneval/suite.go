package geneval

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"reflectionflow/chat"
)

// Suite is a benchmark whose prompts have questions instead of objects. Only a judge that
// asks can decide them.
type Suite string

// The suites, with their scores of an image from the probabilities p of the expected
// answers.
const (
	// GenEval2 is GenEval 2 (Kamath et al. 2025): the geometric mean of p is the score of a
	// prompt, the arithmetic mean that of its atoms.
	GenEval2 Suite = "geneval2"
	// DPG is DPG-Bench (ELLA, arXiv 2403.05135): the share of questions with p above 0.5; a
	// question counts only where those that it depends on do.
	DPG Suite = "dpg-bench"
	// CompBench is T2I-CompBench++ (arXiv 2307.06350): p of the whole prompt, by VQAScore's
	// question.
	CompBench Suite = "t2i-compbench"
)

// Question is a question of a suite about an image.
type Question struct {
	chat.Question
	Skill string `json:"skill,omitempty"` // what it tests
	// After lists questions by index that it depends on.
	After []int `json:"after,omitempty"`
}

// Bounds on the questions of a prompt.
const (
	maxQuestions     = 256
	maxQuestionBytes = 2000
	maxAnswerBytes   = 64
)

var tagForm = regexp.MustCompile(`^[a-z0-9]+([-_][a-z0-9]+)*$`)

// validateSuite reports a line of another benchmark that cannot be judged.
func (m Metadata) validateSuite() error {
	switch {
	case !slices.Contains([]Suite{GenEval2, DPG, CompBench}, m.Suite):
		return invalid("unknown suite %.40q: use %s, %s or %s", m.Suite, GenEval2, DPG, CompBench)
	case !tagForm.MatchString(m.Tag) || len(m.Tag) > 40:
		return invalid("tag %.40q: use at most 40 lower-case letters, digits and hyphens", m.Tag)
	case len(m.Include)+len(m.Exclude) > 0:
		return invalid("a prompt of %s has questions, no include and exclude clauses", m.Suite)
	case len(m.Questions) == 0 || len(m.Questions) > maxQuestions:
		return invalid("%d questions: must be from 1 to %d", len(m.Questions), maxQuestions)
	}
	for i, q := range m.Questions {
		if err := q.validate(len(m.Questions)); err != nil {
			return fmt.Errorf("question %d: %w", i+1, err)
		}
	}
	return nil
}

func (q Question) validate(n int) error {
	switch {
	case strings.TrimSpace(q.Text) == "" || len(q.Text) > maxQuestionBytes:
		return invalid("it has %d bytes: must be from 1 to %d", len(q.Text), maxQuestionBytes)
	case strings.TrimSpace(q.Answer) == "" || len(q.Answer) > maxAnswerBytes:
		return invalid("the answer has %d bytes: must be from 1 to %d", len(q.Answer), maxAnswerBytes)
	case len(q.Skill) > maxAnswerBytes:
		return invalid("the skill has %d bytes: at most %d are allowed", len(q.Skill), maxAnswerBytes)
	}
	for _, parent := range q.After {
		if parent < 0 || parent >= n {
			return invalid("it depends on question %d of %d", parent+1, n)
		}
	}
	return nil
}

// Value is the score in [0, 1] of an image with these probabilities, one per question.
func (m Metadata) Value(p []float64) float64 {
	switch m.Suite {
	case GenEval2:
		return GeometricMean(p)
	case DPG:
		return ArithmeticMean(m.dependent(p))
	}
	return ArithmeticMean(p)
}

// valueOf is the score of an answer: that of the suite, or 1 where it is right.
func (m Metadata) valueOf(r Record) float64 {
	switch {
	case m.Suite != "" && len(r.Probabilities) == len(m.Questions):
		return m.Value(r.Probabilities)
	case m.Suite == "" && r.Correct:
		return 1
	}
	return 0
}

// dependent is 1 for each question that is answered as expected, and 0 where one that it
// depends on is not, in the order of the questions, as DPG-Bench's script has it.
func (m Metadata) dependent(p []float64) []float64 {
	held := make([]float64, len(p))
	for i := range p {
		if p[i] > 0.5 {
			held[i] = 1
		}
	}
	for i, q := range m.Questions {
		if slices.ContainsFunc(q.After, func(parent int) bool { return held[parent] == 0 }) {
			held[i] = 0
		}
	}
	return held
}

// tagsIn lists the different tags: those of GenEval in their order, then the others in
// alphabetical order.
func tagsIn(tags []string) []string {
	known := allTags()
	place := func(tag string) int {
		if i := slices.Index(known, tag); i >= 0 {
			return i
		}
		return len(known)
	}
	list := slices.Clone(tags)
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return slices.Compact(list)
}
