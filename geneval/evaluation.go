package geneval

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"regexp"
	"slices"

	"reflectionflow"
)

// Evaluation runs strategies over prompts and keeps what the judge says.
type Evaluation struct {
	Prompts    []Metadata
	Strategies []Strategy // with different names of lower-case letters, digits and hyphens
	Budgets    []int      // in images, rising; every search runs to the last
	Samples    int        // searches for each strategy and prompt, from other seeds each
	Seed       uint64     // every seed derives from it
	Judge      Detector
	Thresholds Thresholds
	// Settings is whatever else determines the results, such as the model's
	// checksum, as JSON. A folder is only gone on with under the same.
	Settings json.RawMessage
	Dir      string
	Remark   string         // goes above the tables of report.md
	Notify   func(Progress) // from the goroutine that called Run; nil is told nothing
}

// Progress says that a search is judged and recorded.
type Progress struct {
	Done, Total int // searches
	// Records of the search, one a budget; empty for the first call, which says
	// how many were recorded in earlier sittings.
	Records []Record
}

// Bounds on an evaluation, against mistakes.
const (
	maxBudget  = 4096
	maxSamples = 1000
)

var strategyName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Validate reports an evaluation that cannot be run, as an error wrapping
// [reflectionflow.ErrInvalid].
func (e *Evaluation) Validate() error {
	switch {
	case len(e.Prompts) == 0:
		return invalid("there are no prompts")
	case len(e.Strategies) == 0:
		return invalid("there are no strategies")
	case len(e.Budgets) == 0:
		return invalid("there are no budgets")
	case e.Samples < 1 || e.Samples > maxSamples:
		return invalid("%d seeds: must be from 1 to %d", e.Samples, maxSamples)
	}
	for i, budget := range e.Budgets {
		if budget < 1 || budget > maxBudget {
			return invalid("budget of %d images: must be from 1 to %d", budget, maxBudget)
		}
		if i > 0 && budget <= e.Budgets[i-1] {
			return invalid("budgets must rise: %d comes after %d", budget, e.Budgets[i-1])
		}
	}
	names := make(map[string]bool)
	for _, s := range e.Strategies {
		if !strategyName.MatchString(s.Name) || names[s.Name] {
			return invalid("strategy %.40q: each needs a name of its own, of lower-case letters, digits and hyphens", s.Name)
		}
		names[s.Name] = true
	}
	prompts := make(map[string]bool)
	for i, m := range e.Prompts {
		if err := m.Validate(); err != nil {
			return fmt.Errorf("prompt %d: %w", i+1, err)
		}
		if prompts[m.Prompt] {
			return invalid("prompt %d: %.80q is there twice", i+1, m.Prompt)
		}
		prompts[m.Prompt] = true
	}
	return nil
}

// Run evaluates, or goes on where an earlier call was stopped: what is in
// results.jsonl is neither searched for nor judged again. Nothing is scored unless
// [CheckRules] passes. A picture that could not be drawn counts as wrong. When ctx
// ends, what was judged before is kept and ctx.Err() is returned. Bad input, and a
// folder that holds something else, wrap [reflectionflow.ErrInvalid].
func (e *Evaluation) Run(ctx context.Context) (summary Summary, err error) {
	if err := e.Validate(); err != nil {
		return Summary{}, err
	}
	if err := CheckRules(); err != nil {
		return Summary{}, err
	}
	tasks, err := e.tasks()
	if err != nil {
		return Summary{}, err
	}
	manifest, prompts, err := e.manifest()
	if err != nil {
		return Summary{}, err
	}
	f, records, err := openFolder(e.Dir, manifest, prompts, len(e.Budgets))
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	s := &sitting{Evaluation: e, folder: f, records: records, done: make(map[search]bool)}
	if err := s.adopt(); err != nil {
		return Summary{}, fmt.Errorf("%s: %w", e.Dir, err)
	}
	s.notify(nil)
	for sample := range e.Samples {
		for _, strategy := range e.Strategies {
			if err := s.run(ctx, strategy, sample, tasks[sample]); err != nil {
				return Summary{}, err
			}
		}
	}
	return s.sumUp()
}

// tasks are the prompts with their seeds, for each sample.
func (e *Evaluation) tasks() ([][]Task, error) {
	tasks := make([][]Task, e.Samples)
	for i, m := range e.Prompts {
		prompt, err := m.AsPrompt()
		if err != nil {
			return nil, fmt.Errorf("prompt %d: %w", i+1, err)
		}
		for sample := range tasks {
			tasks[sample] = append(tasks[sample], Task{Prompt: prompt, Seed: e.seedOf(sample, m.Prompt)})
		}
	}
	return tasks, nil
}

// seedOf gives each prompt noise of its own, so that prompts are independent
// samples; all strategies start from the same. It does not depend on what other
// prompts there are. 53 bits are what every JSON reader holds exactly.
func (e *Evaluation) seedOf(sample int, prompt string) uint64 {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d/%d/%s", e.Seed, sample, prompt) // a hash never fails to write
	return binary.LittleEndian.Uint64(h.Sum(nil)) >> 11
}

// folderFormat is the version of the folder, in the manifest.
const folderFormat = 1

// manifest states what the results depend on, and the prompts file.
func (e *Evaluation) manifest() (manifest, prompts []byte, err error) {
	var file bytes.Buffer
	if err := WriteMetadata(&file, e.Prompts); err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(file.Bytes())
	var names []string
	for _, s := range e.Strategies {
		names = append(names, s.Name)
	}
	settings := e.Settings
	if len(settings) == 0 {
		settings = json.RawMessage("{}")
	}
	data, err := json.MarshalIndent(struct {
		Format     int             `json:"format"`
		Prompts    string          `json:"prompts"` // SHA-256 of the prompts file
		Strategies []string        `json:"strategies"`
		Budgets    []int           `json:"budgets"`
		Samples    int             `json:"samples"`
		Seed       uint64          `json:"seed"`
		Thresholds Thresholds      `json:"thresholds"`
		Settings   json.RawMessage `json:"settings"`
	}{folderFormat, hex.EncodeToString(sum[:]), names, e.Budgets, e.Samples, e.Seed, e.Thresholds, settings}, "", "  ")
	if err != nil {
		return nil, nil, fmt.Errorf("encode evaluation.json: %w", err)
	}
	return append(data, '\n'), file.Bytes(), nil
}

// search names one search of an evaluation.
type search struct {
	strategy      string
	sample, index int
}

// sitting is one call of Run.
type sitting struct {
	*Evaluation
	folder  *folder
	records []Record
	done    map[search]bool
}

// adopt checks the records of earlier sittings: whole groups of this evaluation.
func (s *sitting) adopt() error {
	group := len(s.Budgets)
	for i, r := range s.records {
		key := search{r.Strategy, r.Sample, r.Index}
		known := slices.ContainsFunc(s.Strategies, func(t Strategy) bool { return t.Name == r.Strategy })
		first := s.records[i/group*group]
		switch {
		case !known || r.Sample < 0 || r.Sample >= s.Samples || r.Index < 0 || r.Index >= len(s.Prompts),
			r.Prompt != s.Prompts[r.Index].Prompt || r.Tag != s.Prompts[r.Index].Tag,
			r.Budget != s.Budgets[i%group] || key != (search{first.Strategy, first.Sample, first.Index}):
			return invalid("results.jsonl, line %d does not belong there", i+1)
		case i%group == 0 && s.done[key]:
			return invalid("results.jsonl, line %d repeats an earlier one", i+1)
		}
		s.done[key] = true
	}
	return nil
}

func (s *sitting) notify(records []Record) {
	if s.Notify != nil {
		s.Notify(Progress{Done: len(s.done), Total: len(s.Prompts) * len(s.Strategies) * s.Samples, Records: records})
	}
}

// run searches for the prompts of one strategy and sample that are not done.
func (s *sitting) run(ctx context.Context, strategy Strategy, sample int, tasks []Task) error {
	var job Job
	var indices []int
	for i, task := range tasks {
		if !s.done[search{strategy.Name, sample, i}] {
			job.Tasks, indices = append(job.Tasks, task), append(indices, i)
		}
	}
	if len(indices) == 0 {
		return nil
	}
	left := len(indices)
	job.Budget = s.Budgets[len(s.Budgets)-1]
	job.Done = func(task int, t Trajectory) error {
		if err := s.take(ctx, search{strategy.Name, sample, indices[task]}, t); err != nil {
			return err
		}
		left--
		return nil
	}
	err := strategy.Search(ctx, job)
	switch {
	case left == 0: // an error is about prompts that nothing was drawn for: they are recorded
		return nil
	case err == nil:
		return fmt.Errorf("strategy %s left out %d prompts", strategy.Name, left)
	}
	return err
}

// judged is a picture and what the judge saw in it.
type judged struct {
	picture    image.Image
	size       image.Point
	objects    []reflectionflow.Object
	thresholds Thresholds
}

// take judges the answers of a search at every budget and records them. The
// pictures are on disk before the lines that name them.
func (s *sitting) take(ctx context.Context, key search, t Trajectory) error {
	if s.done[key] {
		return fmt.Errorf("strategy %s answered prompt %d twice", key.strategy, key.index+1)
	}
	if len(t.Candidates) != len(t.Images) {
		return fmt.Errorf("strategy %s handed back %d images for %d candidates", key.strategy, len(t.Images), len(t.Candidates))
	}
	answers, err := s.judge(ctx, t)
	if err != nil {
		return fmt.Errorf("judge the answers to prompt %d: %w", key.index+1, err)
	}
	m := s.Prompts[key.index]
	records := make([]Record, len(s.Budgets))
	for i, budget := range s.Budgets {
		r := Record{
			Tag: m.Tag, Prompt: m.Prompt, Strategy: key.strategy, Budget: budget, Sample: key.sample, Index: key.index,
			Candidate: t.Best(budget), Cost: spent(t.Cost(budget)),
		}
		if r.Metadata, err = m.Text(); err != nil {
			return err
		}
		if err := s.fill(&r, t, answers); err != nil {
			return err
		}
		if err := s.folder.writeAnswer(r, answers[r.Candidate].picture); err != nil {
			return err
		}
		records[i] = r
	}
	if err := s.folder.append(records); err != nil {
		return err
	}
	s.records = append(s.records, records...)
	s.done[key] = true
	s.notify(records)
	return nil
}

// judge shows the judge each answer once.
func (s *sitting) judge(ctx context.Context, t Trajectory) (map[int]judged, error) {
	var ids []int
	var pictures []image.Image
	for _, budget := range s.Budgets {
		if id := t.Best(budget); id >= 0 && !slices.Contains(ids, id) {
			ids, pictures = append(ids, id), append(pictures, t.Images[id])
		}
	}
	answers := make(map[int]judged)
	if len(ids) == 0 {
		return answers, nil
	}
	found, err := s.Judge.Detect(ctx, pictures)
	if err != nil {
		return nil, err
	}
	if len(found) != len(ids) {
		return nil, fmt.Errorf("the judge said %d things about %d pictures", len(found), len(ids))
	}
	for i, id := range ids {
		answers[id] = judged{pictures[i], pictures[i].Bounds().Size(), found[i], s.Thresholds}
	}
	return answers, nil
}

// fill enters the verdict on the answer.
func (s *sitting) fill(r *Record, t Trajectory, answers map[int]judged) (err error) {
	if r.Candidate < 0 {
		r.Details = "{}"
		r.Reason = "no picture was drawn"
		if len(t.Candidates) > 0 {
			r.Reason += ": " + t.Candidates[0].Error
		}
		return nil
	}
	m, j := s.Prompts[r.Index], answers[r.Candidate]
	result := Evaluate(m, s.Thresholds, j.size, j.objects)
	r.Correct, r.Reason = result.Correct, result.Reason
	r.Score = t.Candidates[r.Candidate].Score.Value
	r.Filename = answerPath(r.Strategy, r.Budget, r.Index, r.Sample)
	r.Details, err = details(m, j)
	return err
}
