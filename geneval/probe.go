package geneval

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Probe is a line of difficulty.jsonl: the images of the base for a prompt, from seeds
// that no strategy is scored on. Images that the generator refused are left out.
type Probe struct {
	Index   int       `json:"index"` // of the prompt, from 0
	Tag     string    `json:"tag"`
	Prompt  string    `json:"prompt"`
	Correct []bool    `json:"correct"` // by the judge, of each image
	Scores  []float64 `json:"scores"`  // by the search's verifier, of each image
}

func (p Probe) check() error {
	if p.Index < 0 || len(p.Correct) != len(p.Scores) || len(p.Correct) > maxBudget {
		return fmt.Errorf("prompt %d with %d verdicts and %d scores", p.Index, len(p.Correct), len(p.Scores))
	}
	if slices.ContainsFunc(p.Scores, math.IsNaN) {
		return fmt.Errorf("a score is not a number")
	}
	return nil
}

// Rate is the share of the images that are right, 0 without images.
func (p Probe) Rate() float64 {
	right := 0
	for _, c := range p.Correct {
		if c {
			right++
		}
	}
	return share(right, len(p.Correct))
}

// Level is how difficult a prompt is for the base.
type Level string

// The levels, in thirds of the base's pass rate.
const (
	Easy   Level = "easy"   // right in more than two of three images
	Medium Level = "medium" // in between
	Hard   Level = "hard"   // right in less than one of three images
)

// Levels lists the levels from easy to hard.
func Levels() []Level { return []Level{Easy, Medium, Hard} }

// Level is that of the pass rate.
func (p Probe) Level() Level {
	switch rate := p.Rate(); {
	case rate < 1.0/3:
		return Hard
	case rate > 2.0/3:
		return Easy
	}
	return Medium
}

// Discernment is the share of pairs of a right and a wrong image of the same prompt, by
// the base, in which the verifier scores the right one higher; equal scores count half.
// Best-of-n selection depends on it. The second result is the number of pairs.
func Discernment(probes []Probe) (rate float64, pairs int) {
	won := 0.0
	for _, p := range probes {
		for i, right := range p.Correct {
			for k, alsoRight := range p.Correct {
				if !right || alsoRight {
					continue
				}
				pairs++
				switch {
				case p.Scores[i] > p.Scores[k]:
					won++
				case p.Scores[i] == p.Scores[k]:
					won += 0.5
				}
			}
		}
	}
	if pairs == 0 {
		return 0, 0
	}
	return won / float64(pairs), pairs
}

// probeFolder holds the images of the probes, in GenEval's layout.
const probeFolder = "difficulty"

// probe measures the difficulty of the prompts that are not measured yet.
func (s *sitting) probe(ctx context.Context) error {
	if s.Probe == nil {
		return nil
	}
	tasks, err := s.tasks(ctx, probeSample)
	if err != nil {
		return err
	}
	done := make(map[int]bool)
	for _, p := range s.results.Probes {
		if p.Index >= len(s.Prompts) || p.Prompt != s.Prompts[p.Index].Prompt || done[p.Index] {
			return invalid("%s: difficulty.jsonl does not belong there: prompt %d", s.Dir, p.Index+1)
		}
		done[p.Index] = true
	}
	job := Job{Budget: s.ProbeImages, Sample: probeSample}
	var indices []int
	for i, task := range tasks {
		if !done[i] {
			job.Tasks, indices = append(job.Tasks, task), append(indices, i)
		}
	}
	err = s.search(ctx, *s.Probe, job, func(ctx context.Context, task int, t Trajectory) error {
		if reason := t.failure(); reason != "" {
			return s.skip(search{s.Probe.Name, 0, probeSample, indices[task]}, reason)
		}
		return s.takeProbe(ctx, indices[task], t)
	})
	if len(s.results.Probes)+len(s.failed) == len(s.Prompts) { // an error is about prompts without an image
		return nil
	}
	return err
}

// takeProbe judges and records all images of a prompt.
func (s *sitting) takeProbe(ctx context.Context, index int, t Trajectory) error {
	var ids []int
	for id, c := range t.Candidates {
		if c.Error == "" && t.Images[id] != nil {
			ids = append(ids, id)
		}
	}
	m := s.Prompts[index]
	judged, err := s.judge(ctx, m, t, ids)
	if err != nil {
		return fmt.Errorf("judge the difficulty of prompt %d: %w", index+1, err)
	}
	text, err := m.Text()
	if err != nil {
		return err
	}
	p := Probe{Index: index, Tag: m.Tag, Prompt: m.Prompt, Correct: []bool{}, Scores: []float64{}}
	for i, id := range ids {
		j := judged[id]
		p.Correct = append(p.Correct, j.Correct)
		p.Scores = append(p.Scores, t.Candidates[id].Score.Value)
		dir := fmt.Sprintf("%s/%05d", probeFolder, index)
		if err := s.folder.writeImage(dir, i, text, j.image); err != nil {
			return err
		}
	}
	if err := s.folder.probes.append(p); err != nil {
		return err
	}
	s.results.Probes = append(s.results.Probes, p)
	s.notify(nil)
	return nil
}
