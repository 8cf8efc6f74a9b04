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
	"reflectionflow/internal/disk"
)

// The files of an evaluation's folder. The folder also has a folder in GenEval's
// layout for every strategy and budget: see answerPath.
const (
	manifestFile = "evaluation.json"
	promptsFile  = "evaluation_metadata.jsonl"
	resultsFile  = "results.jsonl"
	probesFile   = "difficulty.jsonl"
	usageFile    = "usage.jsonl"
	summaryFile  = "summary.json"
	tablesFile   = "report.md"
	reportFile   = "report.html"
)

// maxManifestBytes bounds evaluation.json.
const maxManifestBytes = 1 << 20

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
	results *journal[Record] // carries the lock against other processes
	probes  *journal[Probe]
	usage   *journal[Usage]

	unscored *journal[Unscored]
}

// openFolder creates the folder, or resumes it when its manifest and prompts
// are the ones given, but for strategies and seeds that are new.
func openFolder(dir string, manifest, prompts []byte) (f *folder, err error) {
	f = &folder{path: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, placeError(dir, err)
	}
	if err := f.adopt(manifest, prompts); err != nil {
		return nil, err
	}
	if f.results, err = openJournal[Record](f.in(resultsFile)); err != nil {
		return nil, err
	}
	switch ok, err := disk.TryLock(f.results.file); {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock evaluation folder: %w", err), f.results.close())
	case !ok:
		return nil, errors.Join(invalid("%s is in use by another process", dir), f.results.close())
	}
	if err := f.extend(manifest); err != nil {
		return nil, errors.Join(err, f.results.close())
	}
	if f.probes, err = openJournal[Probe](f.in(probesFile)); err != nil {
		return nil, errors.Join(err, f.results.close())
	}
	if f.usage, err = openJournal[Usage](f.in(usageFile)); err != nil {
		return nil, errors.Join(err, f.results.close(), f.probes.close())
	}
	if f.unscored, err = openJournal[Unscored](f.in(unscoredFile)); err != nil {
		return nil, errors.Join(err, f.results.close(), f.probes.close(), f.usage.close())
	}
	return f, nil
}

func (f *folder) close() error {
	return errors.Join(f.results.close(), f.probes.close(), f.usage.close(), f.unscored.close())
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
			if name := item.Name(); name != promptsFile && filepath.Ext(name) != disk.Temporary {
				return invalid("%s is not empty and holds no evaluation: choose another folder", f.path)
			}
		}
		if err := f.write(promptsFile, prompts); err != nil {
			return err
		}
		return f.write(manifestFile, manifest)
	case err != nil:
		return err
	}
	return f.sameBut(was, manifest)
}

// extend writes the manifest where it has more strategies or seeds than the one that
// is there, which only the holder of the lock may do.
func (f *folder) extend(manifest []byte) error {
	was, err := readBounded(f.in(manifestFile), maxManifestBytes)
	if err != nil || bytes.Equal(was, manifest) {
		return err
	}
	if err := f.sameBut(was, manifest); err != nil {
		return err
	}
	return f.write(manifestFile, manifest)
}

// sameBut reports a difference between the manifest that was there and the one that
// is to be, other than strategies that follow and more seeds.
func (f *folder) sameBut(was, is []byte) error {
	if setting := differing(was, is); setting != "" {
		return invalid("%s holds an evaluation with other settings (%s): choose another folder, or the settings it was begun with (strategies can be added after those that it has, and seeds)", f.path, setting)
	}
	return nil
}

// differing names the first setting that is not the same in both manifests; where
// there are only further strategies or more seeds, it is empty.
func differing(was, is []byte) string {
	var a, b map[string]json.RawMessage
	var first, all []json.RawMessage
	if json.Unmarshal(was, &a) != nil || json.Unmarshal(is, &b) != nil ||
		json.Unmarshal(a["strategies"], &first) != nil || json.Unmarshal(b["strategies"], &all) != nil {
		return manifestFile + " is damaged"
	}
	for _, name := range []string{"format", "prompts", "budgets", "seed", "thresholds", "judge", "probe_pictures", "settings"} {
		if !bytes.Equal(a[name], b[name]) {
			return name
		}
	}
	var had, has int
	if json.Unmarshal(a["samples"], &had) != nil || json.Unmarshal(b["samples"], &has) != nil || has < had {
		return "samples"
	}
	for i, raw := range first {
		if i == len(all) {
			return "strategies"
		}
		if !bytes.Equal(raw, all[i]) {
			return differingArm(raw, all[i])
		}
	}
	return ""
}

// differingArm names what is not the same of two strategies.
func differingArm(was, is json.RawMessage) string {
	var a, b Arm
	if json.Unmarshal(was, &a) != nil || json.Unmarshal(is, &b) != nil || a.Name != b.Name {
		return "strategies"
	}
	return "of strategy " + a.Name
}

// writeAnswer writes the image of an answer in GenEval's layout.
func (f *folder) writeAnswer(r Record, img image.Image) error {
	return f.writeImage(answerFolder(r.Strategy, r.Budget, r.Index), r.Sample, r.Metadata, img)
}

// writeImage writes an image of a prompt, nil where there is none, in
// GenEval's layout.
func (f *folder) writeImage(dir string, sample int, metadata string, img image.Image) error {
	if err := os.MkdirAll(f.in(dir+"/samples"), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", dir, err)
	}
	if sample == 0 { // the others find it there
		if err := f.write(dir+"/metadata.jsonl", []byte(metadata+"\n")); err != nil {
			return err
		}
	}
	if img == nil {
		return nil
	}
	name := fmt.Sprintf("%s/samples/%04d.png", dir, sample)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return f.write(name, b.Bytes())
}

// in is the path of a file inside the folder.
func (f *folder) in(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

// write puts a whole file into the folder.
func (f *folder) write(name string, data []byte) error { return disk.WriteFile(f.in(name), data) }

// placeError tells a place that cannot hold an evaluation, which the user can
// change, from a failure of the machine.
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

// openFile opens a file to read; one that does not exist is bad input.
func openFile(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	return file, nil
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
