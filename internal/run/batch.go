package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow"
)

// batchFile lists the runs of a batch; it is written last and makes the folder one.
const batchFile = "batch.json"

// maxRuns bounds a batch: every run keeps a file open.
const maxRuns = 1000

type batch struct {
	Format int      `json:"format"`
	Runs   []string `json:"runs"` // folders inside this one
}

// CreateBatch makes a folder with one run folder a manifest, named by names. The
// rules for dir are those of [Create].
func CreateBatch(dir string, names []string, manifests []Manifest) (folders []*Folder, err error) {
	if len(names) != len(manifests) || len(names) == 0 || len(names) > maxRuns {
		return nil, fmt.Errorf("%w: a batch has from 1 to %d prompts, not %d", reflectionflow.ErrInvalid, maxRuns, len(names))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, placeError(dir, err)
	}
	if !isEmpty(dir) {
		return nil, occupied(dir)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(folders))
			folders = nil
		}
	}()
	for i, name := range names {
		f, err := Create(filepath.Join(dir, name), manifests[i])
		if err != nil {
			return folders, err
		}
		folders = append(folders, f)
	}
	data, err := encodeIndented(batch{Format: Format, Runs: names})
	if err != nil {
		return folders, fmt.Errorf("encode batch.json: %w", err)
	}
	return folders, (&Folder{path: dir}).write(batchFile, data)
}

// OpenAll opens the run folder dir, or every run of the batch folder dir. The
// rules are those of [Open].
func OpenAll(dir string) (folders []*Folder, err error) {
	names, err := runsIn(dir)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		f, err := Open(dir)
		if err != nil {
			return nil, err
		}
		return []*Folder{f}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	for _, name := range names {
		f, err := Open(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, closeAll(folders))
		}
		folders = append(folders, f)
	}
	return folders, nil
}

// Home is the folder that the account of a run is kept in: the batch folder that
// lists it, whose servers its runs share, or else its own.
func Home(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		if names, err := runsIn(filepath.Dir(whole)); err == nil && slices.Contains(names, filepath.Base(whole)) {
			return filepath.Dir(whole)
		}
	}
	return dir
}

// runsIn lists the runs of a batch folder.
func runsIn(dir string) ([]string, error) {
	data, err := readBounded(filepath.Join(dir, batchFile), maxManifestBytes)
	if err != nil {
		return nil, err
	}
	b, err := parseBatch(data)
	return b.Runs, err
}

// Charged lists the calls that the candidates of a run, or of all runs of a batch,
// are recorded with, and says whether all of the runs are finished. Runs that
// another process goes on with meanwhile are read as they are.
func Charged(home string) (calls []string, finished bool, err error) {
	names, err := runsIn(home)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		names = []string{"."}
	} else if err != nil {
		return nil, false, fmt.Errorf("%s: %w", home, err)
	}
	finished = true
	for _, name := range names {
		data, err := readBounded(filepath.Join(home, name, candidatesFile), maxCandidates*maxLineBytes)
		if err != nil {
			return nil, false, err
		}
		entries, _, err := parseEntries(data)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", filepath.Join(home, name), err)
		}
		for _, e := range entries {
			calls = append(calls, e.Calls...)
		}
		if _, err := os.Stat(filepath.Join(home, name, resultFile)); err != nil {
			finished = false
		}
	}
	return calls, finished, nil
}

func parseBatch(data []byte) (batch, error) {
	var b batch
	if err := decodeStrictly(data, &b); err != nil {
		return batch{}, fmt.Errorf("%w: batch.json is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	if b.Format != Format {
		return batch{}, fmt.Errorf("%w: the batch folder has format %d, this program reads format %d", reflectionflow.ErrInvalid, b.Format, Format)
	}
	if len(b.Runs) == 0 || len(b.Runs) > maxRuns {
		return batch{}, fmt.Errorf("%w: batch.json is damaged: it lists %d runs", reflectionflow.ErrInvalid, len(b.Runs))
	}
	for _, name := range b.Runs {
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return batch{}, fmt.Errorf("%w: batch.json is damaged: %.60q is no folder inside it", reflectionflow.ErrInvalid, name)
		}
	}
	return b, nil
}

func closeAll(folders []*Folder) error {
	var errs []error
	for _, f := range folders {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
