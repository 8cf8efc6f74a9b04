package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"reflectionflow/internal/terminal"
)

// maxElapsed, ten years in seconds, is far below where a time.Duration overflows.
const maxElapsed = 10 * 366 * 24 * 3600

// timing is one line of timing.jsonl.
type timing struct {
	ID      int       `json:"id"`
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at"`      // when the candidate was recorded
	Elapsed float64   `json:"elapsed"` // seconds spent on the run by then, in all processes
}

func (f *Folder) recordTiming(id int, seconds float64) error {
	elapsed := f.Elapsed()
	line, err := json.Marshal(timing{ID: id, Seconds: seconds, At: f.now().UTC().Round(time.Millisecond), Elapsed: elapsed.Seconds()})
	if err != nil {
		return fmt.Errorf("write timing.jsonl: %w", err)
	}
	file, err := os.OpenFile(f.in(timingFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write timing.jsonl: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write timing.jsonl: %w", err)
	}
	f.spent = elapsed
	return nil
}

// Elapsed returns the wall-clock time spent on the run: in earlier processes up to their
// last candidate, and since the folder was opened. It may be called concurrently with
// any other method.
func (f *Folder) Elapsed() time.Duration { return f.earlier + f.now().Sub(f.opened) }

// writeElapsed writes timing.js, from which report.html takes the elapsed time: the
// report itself is the same for every run of a manifest. In a batch, the time includes
// that of other prompts, which the report says.
func (f *Folder) writeElapsed() error {
	script := elapsedScript(f.spent)
	if Home(f.path) != f.path {
		script += "window.reflectionflowElapsedName = \"elapsed, shared with other prompts\";\n"
	}
	return f.write(elapsedFile, []byte(script))
}

func elapsedScript(d time.Duration) string {
	return "window.reflectionflowElapsed = \"" + terminal.Elapsed(d) + "\";\n"
}

// loadTiming reads the seconds of each candidate, from its last line, and of the run.
// They are for people and for budgets in seconds, so lines that cannot be read are
// ignored.
func (f *Folder) loadTiming() (seconds map[int]float64, elapsed time.Duration) {
	seconds = map[int]float64{}
	data, err := readBounded(f.in(timingFile), maxCandidates*maxLineBytes)
	if err != nil {
		return seconds, 0
	}
	for line := range bytes.Lines(data) {
		var t timing
		if json.Unmarshal(line, &t) == nil && t.Seconds >= 0 && t.Elapsed >= 0 && t.Elapsed < maxElapsed {
			seconds[t.ID] = t.Seconds
			elapsed = max(elapsed, time.Duration(t.Elapsed*float64(time.Second)))
		}
	}
	return seconds, elapsed
}

// Spent returns the wall-clock time until the last candidate was recorded.
func (f *Folder) Spent() time.Duration { return f.spent }
