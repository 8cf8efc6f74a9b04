package geneval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"reflectionflow"
)

// The files of an evaluation's folder. Beside them there is a folder in GenEval's
// layout for every strategy and budget: see answerPath.
const (
	manifestFile = "evaluation.json"
	promptsFile  = "evaluation_metadata.jsonl"
	resultsFile  = "results.jsonl"
	summaryFile  = "summary.json"
	reportFile   = "report.md"
)

// Bounds on what is read back.
const (
	maxManifestBytes = 1 << 20
	maxResultsBytes  = 4 << 30
)

// answerFolder is the folder of a prompt in GenEval's layout, inside the
// evaluation's folder.
func answerFolder(strategy string, budget, index int) string {
	return fmt.Sprintf("%s-%d/%05d", strategy, budget, index)
}

func answerPath(strategy string, budget, index, sample int) string {
	return fmt.Sprintf("%s/samples/%04d.png", answerFolder(strategy, budget, index), sample)
}

// folder is an evaluation on disk.
type folder struct {
	path    string
	results *os.File
	size    int64 // of the whole lines in results.jsonl
}

// openFolder makes the folder, or goes on with it when its manifest and prompts
// are the ones given. It returns the whole groups of records in it and drops what
// follows: one search writes one group.
func openFolder(dir string, manifest, prompts []byte, group int) (*folder, []Record, error) {
	f := &folder{path: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, placeError(dir, err)
	}
	if err := f.adopt(manifest, prompts); err != nil {
		return nil, nil, err
	}
	data, err := readBounded(f.in(resultsFile), maxResultsBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	records, ends, err := parseRecords(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", dir, err)
	}
	f.results, err = os.OpenFile(f.in(resultsFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, placeError(dir, err)
	}
	records = records[:len(records)/group*group]
	if len(records) > 0 {
		f.size = int64(ends[len(records)-1])
	}
	if err := f.results.Truncate(f.size); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cut results.jsonl: %w", err), f.results.Close())
	}
	return f, records, nil
}

// adopt writes the manifest into an empty folder, or compares it with the one
// that is there.
func (f *folder) adopt(manifest, prompts []byte) error {
	was, err := readBounded(f.in(manifestFile), maxManifestBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		list, err := os.ReadDir(f.path)
		if err != nil {
			return placeError(f.path, err)
		}
		for _, item := range list { // what a creation cut off leaves is no obstacle
			if name := item.Name(); name != promptsFile && filepath.Ext(name) != ".tmp" {
				return invalid("%s is not empty and holds no evaluation: choose another folder", f.path)
			}
		}
		if err := f.write(promptsFile, prompts); err != nil {
			return err
		}
		return f.write(manifestFile, manifest)
	case err != nil:
		return err
	case !bytes.Equal(was, manifest):
		return invalid("%s holds an evaluation with other settings (%s): choose another folder, or the settings it was begun with", f.path, differing(was, manifest))
	}
	return nil
}

// differing names the first setting that is not the same in both manifests.
func differing(a, b []byte) string {
	var was, is map[string]json.RawMessage
	if json.Unmarshal(a, &was) != nil || json.Unmarshal(b, &is) != nil {
		return manifestFile + " is damaged"
	}
	for _, name := range []string{"format", "prompts", "strategies", "budgets", "samples", "seed", "thresholds", "settings"} {
		if !bytes.Equal(was[name], is[name]) {
			return name
		}
	}
	return manifestFile
}

// append adds whole lines to results.jsonl and flushes them to disk, or leaves
// the file as it was.
func (f *folder) append(records []Record) error {
	var lines []byte
	for _, r := range records {
		line, err := r.line()
		if err != nil {
			return err
		}
		lines = append(lines, line...)
	}
	_, err := f.results.Write(lines)
	if err == nil {
		err = f.results.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write results.jsonl: %w", err), f.results.Truncate(f.size))
	}
	f.size += int64(len(lines))
	return nil
}

// writeAnswer keeps a picture in GenEval's layout.
func (f *folder) writeAnswer(r Record, picture image.Image) error {
	dir := answerFolder(r.Strategy, r.Budget, r.Index)
	if err := os.MkdirAll(f.in(dir+"/samples"), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", dir, err)
	}
	if r.Sample == 0 { // the others find it there
		if err := f.write(dir+"/metadata.jsonl", []byte(r.Metadata+"\n")); err != nil {
			return err
		}
	}
	if picture == nil {
		return nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return fmt.Errorf("encode %s: %w", r.Filename, err)
	}
	return f.write(r.Filename, b.Bytes())
}

func (f *folder) close() error { return f.results.Close() }

// in is the path of a file inside the folder.
func (f *folder) in(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

// write puts a whole file into the folder: under a temporary name, flushed to
// disk, renamed. Whoever looks sees the old file or the new one.
func (f *folder) write(name string, data []byte) error {
	path := f.in(name)
	file, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return placeError(f.path, err)
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(path+".tmp"))
	}
	return nil
}

// placeError tells a place that cannot hold an evaluation, which the user can
// mend, from a failure of the machine.
func placeError(dir string, err error) error {
	reason := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
		return invalid("%s cannot hold an evaluation: %v", dir, reason)
	}
	return fmt.Errorf("make evaluation folder: %w", err)
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", reflectionflow.ErrInvalid, filepath.Base(path), limit)
	}
	return data, nil
}
