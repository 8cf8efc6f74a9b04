package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// timing is one line of timing.jsonl.
type timing struct {
	ID      int       `json:"id"`
	Seconds float64   `json:"seconds"`
	At      time.Time `json:"at"` // when the candidate was recorded
}

func (f *Folder) recordTiming(id int, seconds float64) error {
	line, err := json.Marshal(timing{ID: id, Seconds: seconds, At: f.now().UTC().Round(time.Millisecond)})
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
	return nil
}

// loadTiming reads the seconds of each candidate, the last word about each. They
// are for people and for budgets in seconds: a line that cannot be read, such as
// one that was cut off, is passed over.
func (f *Folder) loadTiming() map[int]float64 {
	seconds := map[int]float64{}
	data, err := readBounded(f.in(timingFile), maxCandidates*maxLineBytes)
	if err != nil {
		return seconds
	}
	for line := range bytes.Lines(data) {
		var t timing
		if json.Unmarshal(line, &t) == nil && t.Seconds >= 0 {
			seconds[t.ID] = t.Seconds
		}
	}
	return seconds
}
