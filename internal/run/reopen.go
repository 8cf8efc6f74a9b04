package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Retryable is the number of failed images that resuming the run tries again.
func (f *Folder) Retryable() int {
	if f.outcome != nil {
		return f.outcome.Retryable
	}
	return f.retryable()
}

// retryable counts the failed images of this sitting; it has tried those of earlier
// ones again.
func (f *Folder) retryable() int {
	n := 0
	for _, e := range f.entries[f.recalled:] {
		if e.Retryable() {
			n++
		}
	}
	return n
}

// Reopen makes a finished run unfinished, so that it takes more candidates. Until it is
// finished again, the files of the last outcome stay, except result.json.
func (f *Folder) Reopen() error {
	if err := os.Remove(f.in(resultFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reopen run: %w", err)
	}
	f.outcome, f.recalled = nil, len(f.entries)
	return nil
}
