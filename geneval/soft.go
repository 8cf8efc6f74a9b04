package geneval

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
)

// ArithmeticMean is the mean of probabilities, 0 for none.
func ArithmeticMean(p []float64) float64 {
	if len(p) == 0 {
		return 0
	}
	return average(p)
}

// GeometricMean is the geometric mean of probabilities, 0 for none and where one is 0.
func GeometricMean(p []float64) float64 {
	if len(p) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range p {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(p)))
}

// Soft are the scores of a row by the probabilities of the expected answers, with 95%
// bootstrap intervals over prompts.
type Soft struct {
	Row        int      `json:"row"` // index of rows
	Arithmetic Estimate `json:"arithmetic"`
	Geometric  Estimate `json:"geometric"`
	// Skills are the means of the probabilities of all questions of a skill together.
	Skills map[string]Estimate `json:"skills"`
	// Groups are the geometric means of the prompts with a tag: of GenEval 2, with so many
	// atoms.
	Groups    map[string]Estimate `json:"groups"`
	Questions int                 `json:"questions"`
	// Floored counts the expected answers that were not among the tokens of a reply. They
	// count as [chat.LeastProbability], to which the geometric mean is sensitive.
	Floored int `json:"floored"`
}

// soft sums up the row of a strategy at a budget; false where the judge did not ask.
func (r Results) soft(row int, strategy string, budget int) (Soft, bool) {
	s := Soft{Row: row, Skills: make(map[string]Estimate), Groups: make(map[string]Estimate)}
	var arithmetic, geometric []float64
	groups, skills := make(map[string][]float64), make(map[string][][]float64)
	for _, rec := range r.Records {
		if rec.Strategy != strategy || rec.Budget != budget || rec.Pending {
			continue
		}
		m := r.Prompts[rec.Index]
		questions, err := m.Asked()
		if err != nil || len(rec.Probabilities) > 0 && len(rec.Probabilities) != len(questions) {
			return Soft{}, false
		}
		p := rec.Probabilities
		if len(p) == 0 && rec.Candidate >= 0 {
			return Soft{}, false // a judge that detects
		}
		if len(p) == 0 {
			p = make([]float64, len(questions)) // no image: nothing is there
		}
		s.Questions += len(p)
		s.Floored += rec.Floored
		arithmetic, geometric = append(arithmetic, ArithmeticMean(p)), append(geometric, GeometricMean(p))
		groups[m.Tag] = append(groups[m.Tag], GeometricMean(p))
		for skill, values := range bySkill(questions, p) {
			skills[skill] = append(skills[skill], values)
		}
	}
	if len(arithmetic) == 0 {
		return Soft{}, false
	}
	s.Arithmetic, s.Geometric = bootstrap([][]float64{arithmetic}), bootstrap([][]float64{geometric})
	for tag, values := range groups {
		s.Groups[tag] = bootstrap([][]float64{values})
	}
	for skill, prompts := range skills {
		s.Skills[skill] = pooled(prompts)
	}
	return s, true
}

// bySkill groups the probabilities of a prompt.
func bySkill(questions []Question, p []float64) map[string][]float64 {
	groups := make(map[string][]float64)
	for i, q := range questions {
		groups[q.Skill] = append(groups[q.Skill], p[i])
	}
	return groups
}

// pooled is the mean over all questions of the prompts, with an interval over prompts, as
// the questions of one prompt are not independent.
func pooled(prompts [][]float64) Estimate {
	mean := func(sample [][][]float64) float64 {
		sum, n := 0.0, 0
		for _, p := range sample[0] {
			for _, v := range p {
				sum, n = sum+v, n+1
			}
		}
		return sum / float64(n)
	}
	strata := [][][]float64{prompts}
	means := resampled(strata, mean)
	slices.Sort(means)
	return Estimate{Mean: mean(strata), Low: quantile(means, 0.025), High: quantile(means, 0.975)}
}

// writeSoft writes the tables of the scores by probabilities.
func (s Summary) writeSoft(b *strings.Builder) {
	for _, table := range s.softTables() {
		b.WriteByte('\n')
		writeTable(b, table)
	}
}

// softTables are the tables of the scores by probabilities, each with its header first;
// nil where there are none.
func (s Summary) softTables() [][][]string {
	if len(s.Soft) == 0 {
		return nil
	}
	head := func(first string, names []string) []string {
		return append([]string{first, "images per prompt"}, names...)
	}
	cell := func(e Estimate) string {
		return fmt.Sprintf("%.1f (%.1f–%.1f)", 100*e.Mean, 100*e.Low, 100*e.High)
	}
	skills := slices.Sorted(maps.Keys(s.Soft[0].Skills))
	groups := tagsIn(slices.Collect(maps.Keys(s.Soft[0].Groups)))
	means := [][]string{head("Soft-TIFA", []string{"arithmetic mean", "geometric mean"})}
	bySkill, byGroup := [][]string{head("arithmetic mean by skill", skills)}, [][]string{head("geometric mean by group", groups)}
	for _, soft := range s.Soft {
		row := s.Rows[soft.Row]
		name := []string{row.Strategy, fmt.Sprint(row.Budget)}
		means = append(means, append(slices.Clone(name), cell(soft.Arithmetic), cell(soft.Geometric)))
		skillLine, groupLine := slices.Clone(name), slices.Clone(name)
		for _, skill := range skills {
			skillLine = append(skillLine, cell(soft.Skills[skill]))
		}
		for _, group := range groups {
			groupLine = append(groupLine, cell(soft.Groups[group]))
		}
		bySkill, byGroup = append(bySkill, skillLine), append(byGroup, groupLine)
	}
	return [][][]string{means, bySkill, byGroup}
}

// softFact says how many answers had no probability; empty for none.
func (s Summary) softFact() string {
	floored, questions := 0, 0
	for _, soft := range s.Soft {
		floored, questions = floored+soft.Floored, questions+soft.Questions
	}
	if floored == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d expected answers were not among the 20 most likely tokens and count as 0.000001; the geometric mean is sensitive to them.", floored, questions)
}

// The files of GenEval 2's scripts, in the folder of a strategy and budget.
const (
	scoreListsFile = "score_lists.json" // output of evaluation.py: lists of probabilities in the order of the prompts
	imagePathsFile = "image_paths.json" // input of evaluation.py: prompt to path
)

// writeScoreLists writes the files that GenEval 2's evaluation.py and soft_tifa_analysis.py
// read, for each row of the first sample that has an image of every prompt.
func (r Results) writeScoreLists(s Summary) error {
	f := &folder{path: r.Dir}
	for _, row := range s.Rows {
		lists := make([][]float64, len(r.Prompts))
		paths := make(map[string]string)
		for _, rec := range r.Records {
			if rec.Strategy == row.Strategy && rec.Budget == row.Budget && rec.Sample == 0 && rec.Filename != "" {
				lists[rec.Index] = rec.Probabilities
				path, err := filepath.Abs(f.in(rec.Filename))
				if err != nil {
					return fmt.Errorf("find %s: %w", rec.Filename, err)
				}
				paths[rec.Prompt] = path
			}
		}
		if len(paths) < len(r.Prompts) || slices.ContainsFunc(lists, func(p []float64) bool { return len(p) == 0 }) {
			continue // the scripts refuse a missing image
		}
		dir := fmt.Sprintf("%s-%d/", row.Strategy, row.Budget)
		for name, content := range map[string]any{scoreListsFile: lists, imagePathsFile: paths} {
			data, err := json.Marshal(content)
			if err != nil {
				return fmt.Errorf("encode %s: %w", name, err)
			}
			if err := f.write(dir+name, append(data, '\n')); err != nil {
				return err
			}
		}
	}
	return nil
}
