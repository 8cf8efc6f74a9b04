package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// batchFile lists the runs of a batch. Its presence makes a folder a batch folder.
const batchFile = "batch.json"

const (
	maxRuns       = 1000 // every open run keeps a file open
	maxBatchBytes = 64 << 20
)

// batch is the form of batch.json.
type batch struct {
	Format int      `json:"format"`
	Runs   []string `json:"runs"` // folders inside this one
	// Manifests are those of the runs, in the same order, until all run folders
	// exist: what is missing after a crash is created from them.
	Manifests []Manifest `json:"manifests,omitempty"`
}

// CreateBatch creates a batch folder with one run folder per manifest. Names are
// those of the run folders. The rules for dir are those of [Create].
//
// The first file it writes holds all manifests, so that [OpenAll] can complete a
// folder whose creation was interrupted at any later moment.
func CreateBatch(dir string, names []string, manifests []Manifest) ([]*Folder, error) {
	return createBatch(dir, names, manifests, func() error { return nil })
}

// createBatch calls step before each of its steps and stops with its error, so that
// tests can interrupt it.
func createBatch(dir string, names []string, manifests []Manifest, step func() error) ([]*Folder, error) {
	if len(names) != len(manifests) || len(names) == 0 || len(names) > maxRuns {
		return nil, fmt.Errorf("%w: a batch has from 1 to %d prompts, not %d", reflectionflow.ErrInvalid, maxRuns, len(names))
	}
	b := batch{Format: Format, Runs: names, Manifests: slices.Clone(manifests)}
	for i := range b.Manifests {
		b.Manifests[i].Format = Format
		if err := b.Manifests[i].validate(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, placeError(dir, err)
	}
	if !isVacantBatch(dir) {
		return nil, occupied(dir)
	}
	if err := step(); err != nil {
		return nil, err
	}
	if err := b.write(dir); err != nil {
		return nil, placeError(dir, err)
	}
	return b.open(dir, step)
}

// isVacantBatch reports whether the folder holds no more than an interrupted
// [CreateBatch] leaves before batch.json is in place.
func isVacantBatch(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(list, func(item fs.DirEntry) bool { return item.Name() != batchFile+disk.Temporary })
}

func (b batch) write(dir string) error {
	data, err := encodeIndented(b)
	if err != nil {
		return fmt.Errorf("encode batch.json: %w", err)
	}
	if len(data) > maxBatchBytes {
		return fmt.Errorf("%w: the prompts and settings of the batch take %d bytes, more than the allowed %d: use fewer prompts", reflectionflow.ErrInvalid, len(data), maxBatchBytes)
	}
	return disk.WriteFile(filepath.Join(dir, batchFile), data)
}

// open opens every run, and creates those that an interrupted creation left out.
func (b batch) open(dir string, step func() error) (folders []*Folder, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(folders))
			folders = nil
		}
	}()
	for i := range b.Runs {
		if err := step(); err != nil {
			return folders, err
		}
		f, err := b.openRun(dir, i)
		if err != nil {
			return folders, err
		}
		folders = append(folders, f)
	}
	if b.Manifests == nil {
		return folders, nil
	}
	if err := step(); err != nil {
		return folders, err
	}
	b.Manifests = nil
	return folders, b.write(dir)
}

// openRun opens run i, or creates it where it is still to be created.
func (b batch) openRun(dir string, i int) (*Folder, error) {
	path := filepath.Join(dir, b.Runs[i])
	if b.Manifests != nil {
		if _, err := os.Stat(filepath.Join(path, manifestFile)); errors.Is(err, fs.ErrNotExist) {
			return Create(path, b.Manifests[i])
		}
	}
	return Open(path)
}

// OpenAll opens the run folder dir, or every run of the batch folder dir. The rules
// are those of [Open]. It completes a batch folder whose creation was interrupted.
func OpenAll(dir string) ([]*Folder, error) {
	b, err := readBatch(dir)
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
	return b.open(dir, func() error { return nil })
}

// Home is the folder of the ledger of the run in dir: the batch folder that lists
// the run, whose runs share a ledger, or else dir.
func Home(dir string) string {
	if whole, err := filepath.Abs(dir); err == nil {
		if b, err := readBatch(filepath.Dir(whole)); err == nil && slices.Contains(b.Runs, filepath.Base(whole)) {
			return filepath.Dir(whole)
		}
	}
	return dir
}

func readBatch(dir string) (batch, error) {
	data, err := readBounded(filepath.Join(dir, batchFile), maxBatchBytes)
	if err != nil {
		return batch{}, err
	}
	return parseBatch(data)
}

// Charged lists the calls whose cost is in the candidates of a run, or of all runs
// of a batch, and reports whether all of the runs are finished. Another process may
// be adding to the runs; what it has recorded so far is read.
func Charged(home string) (calls []string, finished bool, err error) {
	b, err := readBatch(home)
	switch {
	case errors.Is(err, fs.ErrNotExist) || isNotFolder(err):
		b.Runs = []string{"."}
	case err != nil:
		return nil, false, fmt.Errorf("%s: %w", home, err)
	}
	finished = true
	for _, name := range b.Runs {
		data, err := readBounded(filepath.Join(home, name, candidatesFile), maxCandidates*maxLineBytes)
		if errors.Is(err, fs.ErrNotExist) && b.Manifests != nil { // still to be created
			finished = false
			continue
		}
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
		return batch{}, fmt.Errorf("%w: the batch folder has format %d, this program reads format %d: use the version that wrote it", reflectionflow.ErrInvalid, b.Format, Format)
	}
	if len(b.Runs) == 0 || len(b.Runs) > maxRuns {
		return batch{}, fmt.Errorf("%w: batch.json is damaged: it lists %d runs", reflectionflow.ErrInvalid, len(b.Runs))
	}
	for _, name := range b.Runs {
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return batch{}, fmt.Errorf("%w: batch.json is damaged: %.60q is not the name of a folder inside it", reflectionflow.ErrInvalid, name)
		}
	}
	if b.Manifests != nil && len(b.Manifests) != len(b.Runs) {
		return batch{}, fmt.Errorf("%w: batch.json is damaged: it lists %d runs and %d manifests", reflectionflow.ErrInvalid, len(b.Runs), len(b.Manifests))
	}
	for i := range b.Manifests {
		if err := b.Manifests[i].validate(); err != nil {
			return batch{}, fmt.Errorf("batch.json: run %d: %w", i+1, err)
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
