package run

import (
	"errors"
	"fmt"
	"io/fs"

	"reflectionflow"
)

// Outcome is what came out of a finished run.
type Outcome struct {
	Best    int                       `json:"best"` // ID of the best candidate, -1 when nothing was drawn
	Stopped reflectionflow.StopReason `json:"stopped"`
	Score   reflectionflow.Score      `json:"score"` // of the best candidate
	Cost    reflectionflow.Cost       `json:"cost"`  // of the whole run
}

// Finish writes best.png (when anything was drawn), report.html and then result.json, which marks the run
// as finished. Cut off before that, it is done again by a later process with the
// same bytes. An error is a failure of the machine.
func (f *Folder) Finish(r reflectionflow.Result) error {
	if len(r.Candidates) != len(f.entries) || r.Best < -1 || r.Best >= len(f.entries) {
		return fmt.Errorf("finish run: the result has %d candidates and %d as the best, %d are recorded", len(r.Candidates), r.Best, len(f.entries))
	}
	outcome := Outcome{Best: r.Best, Stopped: r.Stopped, Cost: r.Cost}
	if r.Best >= 0 {
		outcome.Score = f.entries[r.Best].Score
		best, err := f.imageBytes(f.entries[r.Best])
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

// loadOutcome reads result.json; nil means that the run is not finished.
func (f *Folder) loadOutcome() (*Outcome, error) {
	data, err := readBounded(f.in(resultFile), maxLineBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var o Outcome
	if err := decodeStrictly(data, &o); err != nil {
		return nil, fmt.Errorf("%w: result.json is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	if o.Best < -1 || o.Best >= len(f.entries) {
		return nil, fmt.Errorf("%w: result.json is damaged: its best candidate %d is not recorded", reflectionflow.ErrInvalid, o.Best)
	}
	return &o, nil
}
