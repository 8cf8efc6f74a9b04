package geneval

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"reflectionflow"
)

// Evaluation runs strategies over prompts and records the judge's verdicts.
type Evaluation struct {
	Prompts    []Metadata
	Strategies []Strategy // with different names
	Budgets    []int      // in images, rising
	Samples    int        // searches for each strategy and prompt, from other seeds each
	Seed       uint64     // every seed derives from it
	Judge      Judge
	// By says which judge it is, for the records and the report.
	By         JudgedBy
	Thresholds Thresholds // of a judge that detects
	// Probe generates ProbeImages images of each prompt, from seeds that are not scored,
	// to measure how difficult the prompt is; nil for no such measurement.
	Probe       *Strategy
	ProbeImages int
	// Settings holds whatever else determines the results of every strategy, such as the
	// model's checksum, as JSON. A folder is resumed only with equal settings.
	Settings json.RawMessage
	Dir      string
	Judged   *Agreement // what [CheckJudge] found, for the summary; may be nil
	// Meter measures how busy the generator is; nil leaves that out of the summary.
	Meter *Meter
	// Parse reads the prompts of a suite for the search; nil gives them no requirements.
	// Those of GenEval have the requirements of their metadata.
	Parse func(ctx context.Context, text string) (reflectionflow.Prompt, error)
	// Begin, unless nil, is called when the folder is accepted, before the first search.
	// Its error ends the evaluation.
	Begin func() error
	// Notify, unless nil, is called with the progress, one call at a time but from
	// several goroutines.
	Notify func(Progress)
}

// Progress reports a search that is judged and recorded.
type Progress struct {
	Done, Total int // searches
	// Images is the largest number of images that the remaining searches may generate.
	Images int
	// Records are those of the search, one per budget. They are empty in the first
	// call, which reports the searches of earlier processes, and for probes of difficulty.
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
			return invalid("prompt %d: %.80q appears twice", i+1, m.Prompt)
		}
		prompts[m.Prompt] = true
	}
	m, _, _, err := e.manifest()
	if err != nil {
		return err
	}
	if e.Probe != nil && e.ProbeImages < 1 {
		return invalid("%d images per prompt for the difficulty: must be 1 or more", e.ProbeImages)
	}
	return m.validate()
}

// Run evaluates, or resumes an evaluation: it neither searches for nor judges again
// what results.jsonl records. Strategies may be added after those that the folder has, and
// samples.
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
		if tasks[sample], err = e.tasks(ctx, sample); err != nil {
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
func (e *Evaluation) tasks(ctx context.Context, sample int) ([]Task, error) {
	tasks := make([]Task, len(e.Prompts))
	for i, m := range e.Prompts {
		prompt, err := m.AsPrompt()
		if err == nil && m.Suite != "" && e.Parse != nil {
			prompt, err = e.Parse(ctx, m.Prompt)
		}
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
