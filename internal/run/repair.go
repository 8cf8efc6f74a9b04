package run

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow"
)

// Repaired lists the files that [Open] wrote again because they were missing or
// damaged. What they hold follows from the files that record the run.
func (f *Folder) Repaired() []string { return f.repaired }

// checkImages reports every recorded image that is missing or damaged.
func (f *Folder) checkImages() error {
	var lost []string
	for _, e := range f.entries {
		if !e.hasImage() {
			continue
		}
		_, err := f.imageBytes(e)
		if err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
			return err
		}
		if err != nil {
			lost = append(lost, strings.TrimPrefix(err.Error(), reflectionflow.ErrInvalid.Error()+": "))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	const named = 5
	words := strings.Join(lost[:min(len(lost), named)], ", ")
	if len(lost) > named {
		words += fmt.Sprintf(" and %d more", len(lost)-named)
	}
	return f.lost(words)
}

// checkComplete reports a finished run that has lost candidates: the counts of its
// result are those of all candidates together.
func (f *Folder) checkComplete() error {
	if f.outcome.Best >= len(f.entries) {
		return f.lost(fmt.Sprintf("candidates.jsonl has %d candidates, and candidate %d, the best, is not among them", len(f.entries), f.outcome.Best))
	}
	recorded, whole := f.cost(), f.outcome.Cost
	if recorded.Images < whole.Images || recorded.VerifierCalls < whole.VerifierCalls || recorded.DenoiseSteps < whole.DenoiseSteps {
		return f.lost(fmt.Sprintf("candidates.jsonl is cut: it records %d of the run's %d images", recorded.Images, whole.Images))
	}
	return nil
}

// lost is the error for records that nothing else in the folder holds.
func (f *Folder) lost(what string) error {
	if f.manifest.NotReproducible {
		return fmt.Errorf("%w: %s; the generator took no seeds, so the run cannot be generated again with the same images", reflectionflow.ErrInvalid, what)
	}
	return fmt.Errorf("%w: %s; to generate the run again: reflectionflow generate --replay %s --out NEW_FOLDER", reflectionflow.ErrInvalid, what, filepath.Join(f.path, manifestFile))
}

// repair writes those files of a finished run again that follow from others.
func (f *Folder) repair() error {
	if f.outcome.Best >= 0 {
		best, err := f.imageBytes(f.entries[f.outcome.Best])
		if err != nil {
			return err
		}
		if err := f.restore(bestFile, func(data []byte) bool { return bytes.Equal(data, best) }, func() ([]byte, error) { return best, nil }); err != nil {
			return err
		}
	}
	if _, err := os.Stat(f.in(elapsedFile)); errors.Is(err, fs.ErrNotExist) {
		if err := f.writeElapsed(); err != nil {
			return err
		}
	}
	// A report of another version looks different, so its content is not compared.
	return f.restore(reportFile, isWholePage, func() ([]byte, error) { return f.report(*f.outcome) })
}

func isWholePage(data []byte) bool {
	return bytes.HasPrefix(data, []byte("<!DOCTYPE html>")) && bytes.HasSuffix(bytes.TrimSpace(data), []byte("</html>"))
}

// restore writes a file unless it is in place and good.
func (f *Folder) restore(name string, good func([]byte) bool, content func() ([]byte, error)) error {
	data, err := readBounded(f.in(name), maxReportBytes)
	switch {
	case err == nil && good(data):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, reflectionflow.ErrInvalid):
		return err
	}
	if data, err = content(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f.repaired = append(f.repaired, name)
	return f.write(name, data)
}
