package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"reflectionflow"
)

// Outcome is the result of a finished run.
type Outcome struct {
	Best    int                       `json:"best"` // ID of the best candidate, -1 when there is no image
	Stopped reflectionflow.StopReason `json:"stopped"`
	// Retryable is the number of failed images that resuming the run tries again.
	Retryable int                  `json:"retryable,omitempty"`
	Score     reflectionflow.Score `json:"score"` // of the best candidate
	Cost      reflectionflow.Cost  `json:"cost"`  // of the whole run, including parsing the prompt
}

// Finish writes best.png (when there is an image), report.html and then result.json,
// which marks the run as finished. It takes the ID of the best candidate, -1 for none,
// and why the search ended. When Finish is interrupted, a resumed search calls it
// again and it writes the same bytes. An error is a failure of the machine.
func (f *Folder) Finish(best int, stopped reflectionflow.StopReason) error {
	if best < -1 || best >= len(f.entries) {
		return fmt.Errorf("finish run: the best candidate %d is not among the %d recorded", best, len(f.entries))
	}
	outcome := Outcome{Best: best, Stopped: stopped, Cost: f.cost()}
	if stopped != reflectionflow.StoppedRight && stopped != reflectionflow.StoppedJudged {
		outcome.Retryable = f.retryable()
	}
	if best >= 0 {
		outcome.Score = f.entries[best].Score
		best, err := f.imageBytes(f.entries[best])
		if err != nil {
			return fmt.Errorf("finish run: %w", err)
		}
		if err := f.write(bestFile, best); err != nil {
			return err
		}
	}
	report, err := f.report(outcome)
	if err != nil {
		return fmt.Errorf("write report.html: %w", err)
	}
	if err := f.write(reportFile, report); err != nil {
		return err
	}
	if err := f.writeElapsed(); err != nil {
		return err
	}
	data, err := encodeIndented(outcome)
	if err != nil {
		return fmt.Errorf("write result.json: %w", err)
	}
	if err := f.write(resultFile, data); err != nil {
		return err
	}
	f.outcome = &outcome
	return nil
}

// cost is that of parsing the prompt, of all candidates and of comparing them, without the
// seconds.
func (f *Folder) cost() reflectionflow.Cost {
	total := f.manifest.Parsing
	for _, e := range f.entries {
		total = total.Add(e.Cost)
	}
	for _, d := range f.duels {
		total = total.Add(d.Preference.Cost)
	}
	total.Seconds = 0
	return total
}

// loadOutcome reads result.json. Nil means that the run is not finished, or that
// result.json is cut off or empty: then the run is finished again from its
// candidates.
func (f *Folder) loadOutcome() (*Outcome, error) {
	data, err := readBounded(f.in(resultFile), maxLineBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		f.repaired = append(f.repaired, resultFile)
		return nil, nil
	}
	var o Outcome
	if err := decodeStrictly(data, &o); err != nil || o.Best < -1 {
		return nil, fmt.Errorf("%w: result.json is damaged: delete it and resume the run to write it again", reflectionflow.ErrInvalid)
	}
	return &o, nil
}
