package geneval

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
)

// search names one search of an evaluation.
type search struct {
	strategy      string
	budget        int // the largest that it answers for
	sample, index int
}

// sitting is one call of Run. During a search the judge's goroutine owns the results.
type sitting struct {
	*Evaluation
	folder  *folder
	results Results
	done    map[search]bool // scored
	spent   int             // images that these were allowed
	failed  map[search]bool // in this sitting, for a transient reason
}

// adopt reads the records of earlier calls: whole groups of this evaluation. It drops
// what was cut off.
func (s *sitting) adopt() error {
	records, ends, err := s.folder.results.read()
	if err != nil {
		return err
	}
	groups, whole, err := s.results.Manifest.group(records, s.Prompts)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if s.done[g] {
			return invalid("results.jsonl repeats a search: %s for prompt %d", g.strategy, g.index+1)
		}
		s.done[g] = true
		s.spent += g.budget
	}
	s.results.Records = records[:whole]
	if err := s.folder.results.cut(ends, whole); err != nil {
		return err
	}
	if s.results.Probes, ends, err = s.folder.probes.read(); err != nil {
		return err
	}
	if err := s.folder.probes.cut(ends, len(ends)); err != nil {
		return err
	}
	if s.results.Usage, ends, err = s.folder.usage.read(); err != nil {
		return err
	}
	if err := s.folder.usage.cut(ends, len(ends)); err != nil {
		return err
	}
	if s.results.Unscored, ends, err = s.folder.unscored.read(); err != nil {
		return err
	}
	return s.folder.unscored.cut(ends, len(ends))
}

// group groups records by search and counts the records of whole searches. A record
// of another evaluation is an error.
func (m Manifest) group(records []Record, prompts []Metadata) (groups []search, whole int, err error) {
	for whole < len(records) {
		first := records[whole]
		at := slices.IndexFunc(m.Strategies, func(a Arm) bool { return a.Name == first.Strategy })
		if at < 0 || first.Sample < 0 || first.Sample >= m.Samples || first.Index < 0 || first.Index >= len(prompts) {
			return nil, 0, invalid("results.jsonl, line %d is not of this evaluation", whole+1)
		}
		budgets := m.Strategies[at].answering(m.Budgets, first.Budget)
		if budgets == nil {
			return nil, 0, invalid("results.jsonl, line %d is not of this evaluation", whole+1)
		}
		for i, b := range budgets[:min(len(budgets), len(records)-whole)] {
			r := records[whole+i]
			if r.Strategy != first.Strategy || r.Budget != b || r.Sample != first.Sample || r.Index != first.Index ||
				r.Prompt != prompts[r.Index].Prompt || r.Tag != prompts[r.Index].Tag ||
				r.Filename != "" && r.Filename != answerPath(r.Strategy, r.Budget, r.Index, r.Sample) {
				return nil, 0, invalid("results.jsonl, line %d is not of this evaluation", whole+i+1)
			}
		}
		if len(records)-whole < len(budgets) {
			break
		}
		groups = append(groups, search{first.Strategy, budgets[len(budgets)-1], first.Sample, first.Index})
		whole += len(budgets)
	}
	return groups, whole, nil
}

func (s *sitting) notify(records []Record) {
	if s.Notify == nil {
		return
	}
	p := Progress{Done: len(s.done), Records: records, Images: -s.spent}
	for _, strategy := range s.Strategies {
		for _, budgets := range strategy.searches(s.Budgets) {
			p.Total += len(s.Prompts) * s.Samples
			p.Images += len(s.Prompts) * s.Samples * budgets[len(budgets)-1]
		}
	}
	if s.Probe != nil {
		p.Images += (len(s.Prompts) - len(s.results.Probes)) * s.ProbeImages
	}
	s.Notify(p)
}

// run searches for the prompts of one strategy and sample that are not done.
func (s *sitting) run(ctx context.Context, strategy Strategy, sample int, tasks []Task) error {
	for _, budgets := range strategy.searches(s.Budgets) {
		job := Job{Budget: budgets[len(budgets)-1], Sample: sample}
		var keys []search
		earlier := make(map[search]bool) // taken in an earlier call
		for i, task := range tasks {
			key := search{strategy.Name, job.Budget, sample, i}
			earlier[key] = s.done[key]
			if !s.done[key] || strategy.Pooled {
				job.Tasks, keys = append(job.Tasks, task), append(keys, key)
			}
		}
		undone := 0
		for _, key := range keys {
			if !earlier[key] {
				undone++
			}
		}
		if undone == 0 {
			continue
		}
		before := len(s.done) + len(s.failed)
		err := s.search(ctx, strategy, job, func(ctx context.Context, task int, t Trajectory) error {
			if earlier[keys[task]] {
				return nil
			}
			if reason := t.failure(); reason != "" {
				return s.skip(keys[task], reason)
			}
			return s.take(ctx, keys[task], s.answered(strategy.Arm, budgets, t), t)
		})
		switch left := undone - (len(s.done) + len(s.failed) - before); {
		case left == 0: // an error is about prompts without an image: they are recorded
		case err == nil:
			return fmt.Errorf("strategy %s did not answer %d prompts", strategy.Name, left)
		default:
			return err
		}
	}
	return nil
}

// answered pairs the budgets that a search answers for with the number of its
// candidates that each allows.
func (*sitting) answered(a Arm, budgets []int, t Trajectory) []allowance {
	list := make([]allowance, len(budgets))
	for i, budget := range budgets {
		list[i] = allowance{budget, budget}
		if !a.Nested { // the search itself kept to its budget
			list[i].candidates = len(t.Candidates)
		}
	}
	return list
}

// allowance is how many candidates a budget of images allows.
type allowance struct{ budget, candidates int }

// search runs one job and passes its answers to take in another goroutine, so that
// generating continues meanwhile. An answer in progress is taken even when ctx ends:
// its images are paid for. The error of take takes precedence over that of the search.
func (s *sitting) search(ctx context.Context, strategy Strategy, job Job, take func(ctx context.Context, task int, t Trajectory) error) error {
	if len(job.Tasks) == 0 {
		return nil
	}
	type answer struct {
		task int
		t    Trajectory
	}
	answers, stopped := make(chan answer), make(chan struct{})
	var failure error // written before stopped is closed
	go func() {
		defer close(stopped)
		for a := range answers {
			if failure = take(context.WithoutCancel(ctx), a.task, a.t); failure != nil {
				return
			}
		}
	}()
	job.Done = func(task int, t Trajectory) error {
		if len(t.Candidates) != len(t.Images) {
			return fmt.Errorf("strategy %s returned %d images for %d candidates", strategy.Name, len(t.Images), len(t.Candidates))
		}
		select {
		case answers <- answer{task, t}:
			return nil
		case <-stopped:
			return failure
		}
	}
	measured := s.Meter.start()
	err := strategy.Search(ctx, job)
	close(answers)
	used := measured.stop(strategy.Name)
	<-stopped
	if s.Meter != nil {
		s.results.Usage = append(s.results.Usage, used)
		err = errors.Join(err, s.folder.usage.append(used))
	}
	if failure != nil {
		return failure
	}
	return err
}

// judged is an image with the judge's verdict.
type judged struct {
	image image.Image
	Judgment
}

// take judges the answers of a search at every budget and records them. The
// images are on disk before the lines that name them.
func (s *sitting) take(ctx context.Context, key search, budgets []allowance, t Trajectory) error {
	if s.done[key] {
		return fmt.Errorf("strategy %s answered prompt %d twice", key.strategy, key.index+1)
	}
	var ids []int
	for _, b := range budgets {
		if id := t.Best(b.candidates); id >= 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	m := s.Prompts[key.index]
	answers, err := s.judge(ctx, m, t, ids)
	if err != nil {
		return fmt.Errorf("judge the answers of %s to prompt %d: %w", key.strategy, key.index+1, err)
	}
	records := make([]Record, len(budgets))
	for i, b := range budgets {
		r := Record{
			Tag: m.Tag, Prompt: m.Prompt, Strategy: key.strategy, Budget: b.budget, Sample: key.sample, Index: key.index,
			Candidate: t.Best(b.candidates), Cost: spent(t.Cost(b.candidates)),
		}
		if r.Metadata, err = m.Text(); err != nil {
			return err
		}
		fill(&r, t, answers)
		if err := s.folder.writeAnswer(r, answers[r.Candidate].image); err != nil {
			return err
		}
		records[i] = r
	}
	if err := s.folder.results.append(records...); err != nil {
		return err
	}
	s.results.Records = append(s.results.Records, records...)
	s.done[key] = true
	s.spent += key.budget
	s.notify(records)
	return nil
}

// judge runs the judge on some candidates of a search for a prompt, each once.
func (s *sitting) judge(ctx context.Context, m Metadata, t Trajectory, ids []int) (map[int]judged, error) {
	answers := make(map[int]judged)
	if len(ids) == 0 {
		return answers, nil
	}
	cases := make([]Case, len(ids))
	for i, id := range ids {
		cases[i] = Case{m, t.Images[id]}
	}
	judgments, err := judgeAll(ctx, s.Judge, cases)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		answers[id] = judged{cases[i].Image, judgments[i]}
	}
	return answers, nil
}

// fill enters the verdict in the record.
func fill(r *Record, t Trajectory, answers map[int]judged) {
	r.Details = "{}"
	if r.Candidate < 0 {
		r.Reason = "no image was generated"
		if len(t.Candidates) > 0 {
			r.Reason += ": " + t.Candidates[0].Error
		}
		return
	}
	j := answers[r.Candidate]
	r.Correct, r.Reason, r.Pending = j.Correct, j.Reason, j.Pending
	r.Probabilities, r.Floored = j.Probabilities, j.Floored
	r.Score = t.Candidates[r.Candidate].Score.Value
	r.Filename = answerPath(r.Strategy, r.Budget, r.Index, r.Sample)
	if j.Details != "" {
		r.Details = j.Details
	}
}

// sumUp writes summary.json and report.md over all that is recorded.
func (s *sitting) sumUp() (Summary, error) {
	s.results.Judged = s.Judged
	return s.results.sumUp()
}
