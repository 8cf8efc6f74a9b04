package geneval

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// Evaluation runs strategies over prompts and keeps what the judge says.
type Evaluation struct {
	Prompts    []Metadata
	Strategies []Strategy // with different names
	Budgets    []int      // in images, rising
	Samples    int        // searches for each strategy and prompt, from other seeds each
	Seed       uint64     // every seed derives from it
	Judge      Detector
	Thresholds Thresholds
	// Probe draws ProbePictures of each prompt as it is, from seeds that are not
	// scored, to tell easy prompts from hard ones; nil does not.
	Probe         *Strategy
	ProbePictures int
	// Settings is whatever else determines the results of every strategy, such as the
	// model's checksum, as JSON. A folder is only gone on with under the same.
	Settings json.RawMessage
	Dir      string
	Judged   *Agreement // what [CheckJudge] found, for the summary; may be nil
	// Meter is the engine's; nil leaves out of the summary how busy it was.
	Meter *Meter
	// Begin is called when the folder is accepted, before anything is searched for; its
	// error ends the run. Nil is not called.
	Begin func() error
	// Notify is told what happens, one call at a time but from several goroutines;
	// nil is told nothing.
	Notify func(Progress)
}

// Progress says that a search is judged and recorded.
type Progress struct {
	Done, Total int // searches
	// Images is how many the searches that are not done may draw at most.
	Images int
	// Records of the search, one a budget; empty for the first call, which says
	// how many were recorded in earlier sittings, and where difficulty was probed.
	Records []Record
}

// Bounds on an evaluation, against mistakes.
const (
	maxBudget  = 4096
	maxSamples = 1000
)

var strategyName = regexp.MustCompile(`^[a-z0-9]+([-+][a-z0-9]+)*$`)

// Validate reports an evaluation that cannot be run, as an error wrapping
// [reflectionflow.ErrInvalid].
func (e *Evaluation) Validate() error {
	if len(e.Prompts) == 0 {
		return invalid("there are no prompts")
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
	m, _, _, err := e.manifest()
	if err != nil {
		return err
	}
	if e.Probe != nil && e.ProbePictures < 1 {
		return invalid("%d pictures for the difficulty: must be 1 or more", e.ProbePictures)
	}
	return m.validate()
}

// Run evaluates, or resumes an evaluation: it neither searches for nor judges again
// what results.jsonl records. Strategies may be added after those that the folder has.
// Nothing is scored unless [CheckRules] passes. An image that the generator refuses to
// generate counts as wrong. A search that fails for a transient reason is not scored:
// Run finishes the others, writes the summary and returns an error with the number of
// missing searches, and the next call repeats them. Searches continue while the judge
// looks at earlier answers. When ctx ends, completed searches are judged and kept, and
// Run returns ctx.Err(). Errors about bad input, and about a folder that holds
// something else, wrap [reflectionflow.ErrInvalid].
func (e *Evaluation) Run(ctx context.Context) (summary Summary, err error) {
	if err := e.Validate(); err != nil {
		return Summary{}, err
	}
	if err := CheckRules(); err != nil {
		return Summary{}, err
	}
	tasks := make([][]Task, e.Samples)
	for sample := range tasks {
		if tasks[sample], err = e.tasks(sample); err != nil {
			return Summary{}, err
		}
	}
	manifest, data, prompts, err := e.manifest()
	if err != nil {
		return Summary{}, err
	}
	f, err := openFolder(e.Dir, data, prompts)
	if err != nil {
		return Summary{}, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	s := &sitting{Evaluation: e, folder: f, results: Results{Dir: e.Dir, Manifest: manifest, Prompts: e.Prompts}, done: make(map[search]bool), failed: make(map[search]bool)}
	if err := s.adopt(); err != nil {
		return Summary{}, fmt.Errorf("%s: %w", e.Dir, err)
	}
	if e.Begin != nil {
		if err := e.Begin(); err != nil {
			return Summary{}, err
		}
	}
	s.notify(nil)
	if err := s.probe(ctx); err != nil {
		return Summary{}, err
	}
	for sample := range e.Samples {
		for _, strategy := range e.Strategies {
			if err := s.run(ctx, strategy, sample, tasks[sample]); err != nil {
				return Summary{}, err
			}
		}
	}
	if summary, err = s.sumUp(); err != nil {
		return Summary{}, err
	}
	return summary, s.results.errMissing()
}

// tasks are the prompts with their seeds, for a sample.
func (e *Evaluation) tasks(sample int) ([]Task, error) {
	tasks := make([]Task, len(e.Prompts))
	for i, m := range e.Prompts {
		prompt, err := m.AsPrompt()
		if err != nil {
			return nil, fmt.Errorf("prompt %d: %w", i+1, err)
		}
		tasks[i] = Task{Prompt: prompt, Seed: e.seedOf(sample, m.Prompt)}
	}
	return tasks, nil
}

// probeSample is the sample whose seeds the difficulty is probed with.
const probeSample = -1

// seedOf gives each prompt noise of its own, so that prompts are independent
// samples; all strategies start from the same. It does not depend on what other
// prompts there are. 53 bits are what every JSON reader holds exactly.
func (e *Evaluation) seedOf(sample int, prompt string) uint64 {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d/%d/%s", e.Seed, sample, prompt) // a hash never fails to write
	return binary.LittleEndian.Uint64(h.Sum(nil)) >> 11
}
