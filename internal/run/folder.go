package run

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// The files of a run folder; images/ is named by imagePath.
const (
	manifestFile   = "run.json"
	candidatesFile = "candidates.jsonl"
	timingFile     = "timing.jsonl"
	elapsedFile    = "timing.js"
	resultFile     = "result.json"
	bestFile       = "best.png"
	reportFile     = "report.html"
	imagesFolder   = "images"
)

// Folder is an open run folder. It is locked against other processes until
// [Folder.Close] or the end of the process. Its methods are called from one
// goroutine at a time.
type Folder struct {
	path     string
	manifest Manifest
	entries  []entry
	duels    []duelLine
	recalled int // entries of earlier sittings
	seconds  map[int]float64
	outcome  *Outcome // nil until the run is finished
	repaired []string // files that Open wrote again
	lines    *os.File // candidates.jsonl, whose lock locks the folder
	size     int64    // of the whole lines in it
	now      func() time.Time
	opened   time.Time
	earlier  time.Duration // elapsed in earlier processes
	spent    time.Duration // elapsed until the last candidate
}

// Create creates the run folder dir, which must not exist or be empty, and writes its
// manifest with m.Format set. A folder whose creation was interrupted counts as empty.
// A folder that holds anything else, a folder in use by another process, an invalid
// manifest and a place where this user may not write are errors wrapping
// [reflectionflow.ErrInvalid].
func Create(dir string, m Manifest) (*Folder, error) {
	m.Format = Format
	if err := m.validate(); err != nil {
		return nil, err
	}
	data, err := encodeIndented(m)
	if err != nil {
		return nil, fmt.Errorf("encode run.json: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, placeError(dir, err)
	}
	if err := checkVacant(dir); err != nil {
		return nil, err
	}
	f := &Folder{path: dir, manifest: m, seconds: map[int]float64{}, now: time.Now, opened: time.Now()}
	if err := f.lock(os.O_CREATE); err != nil {
		return nil, placeError(dir, err)
	}
	if err := f.populate(data); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// populate writes the files of a new folder. The manifest comes last and makes it a
// run folder.
func (f *Folder) populate(manifest []byte) error {
	if err := checkVacant(f.path); err != nil { // again, now under the lock
		return err
	}
	if err := f.lines.Truncate(0); err != nil {
		return fmt.Errorf("create run folder: %w", err)
	}
	if err := os.MkdirAll(f.in(imagesFolder), 0o755); err != nil {
		return fmt.Errorf("create run folder: %w", err)
	}
	return f.write(manifestFile, manifest)
}

// checkVacant reports a folder that holds more than an interrupted creation leaves.
func checkVacant(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return placeError(dir, err)
	}
	for _, item := range list {
		switch item.Name() {
		case manifestFile:
			return fmt.Errorf("%w: %s already holds a run: choose another folder, or resume it with --resume", reflectionflow.ErrInvalid, dir)
		case manifestFile + disk.Temporary, candidatesFile, imagesFolder:
			if item.Name() == imagesFolder && !isEmpty(filepath.Join(dir, imagesFolder)) {
				return occupied(dir)
			}
			if info, err := item.Info(); item.Name() == candidatesFile && (err != nil || info.Size() > 0) {
				return occupied(dir)
			}
		default:
			return occupied(dir)
		}
	}
	return nil
}

func isEmpty(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && len(list) == 0
}

func occupied(dir string) error {
	return fmt.Errorf("%w: %s is not empty: choose another folder", reflectionflow.ErrInvalid, dir)
}

// placeError distinguishes a place that cannot hold a run, which the user can change,
// from a failure of the machine.
func placeError(dir string, err error) error {
	reason := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err
	}
	switch {
	case errors.Is(err, reflectionflow.ErrInvalid):
		return err
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), isNotFolder(err):
		return fmt.Errorf("%w: %s cannot hold a run: %v", reflectionflow.ErrInvalid, dir, reason)
	}
	return fmt.Errorf("create run folder: %w", err)
}

// Open opens the run folder dir to resume it. It drops a last line that was cut off, and
// repairs a finished run where it can: see [Folder.Repaired]. A folder that is not a
// run, has another format version, is in use by another process or has lost records is
// an error wrapping [reflectionflow.ErrInvalid].
func Open(dir string) (*Folder, error) {
	data, err := readBounded(filepath.Join(dir, manifestFile), maxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, fmt.Errorf("%w: %s is not a run folder: it has no run.json", reflectionflow.ErrInvalid, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open run folder: %w", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	f := &Folder{path: dir, manifest: m, now: time.Now, opened: time.Now()}
	if err := f.checkPlaces(); err != nil {
		return nil, err
	}
	if err := f.lock(0); err != nil {
		return nil, fmt.Errorf("open run folder: %w", err)
	}
	if err := f.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), f.Close())
	}
	return f, nil
}

// load reads the records and removes what an interrupted process left.
func (f *Folder) load() error {
	data, err := readBounded(f.in(candidatesFile), maxCandidates*maxLineBytes)
	if err != nil {
		return err
	}
	var kept int
	f.entries, kept, err = parseEntries(data)
	if err != nil {
		return err
	}
	f.size, f.recalled = int64(kept), len(f.entries)
	if f.outcome, err = f.loadOutcome(); err != nil {
		return err
	}
	if err := cmp.Or(f.checkImages(), f.loadDuels()); err != nil {
		return err
	}
	f.seconds, f.earlier = f.loadTiming()
	f.spent = f.earlier
	if f.outcome != nil {
		if err := f.checkComplete(); err != nil {
			return err
		}
		return f.repair()
	}
	if kept < len(data) {
		if err := f.lines.Truncate(f.size); err != nil {
			return fmt.Errorf("cut off the last line of candidates.jsonl: %w", err)
		}
	}
	orphan := f.in(imagePath(len(f.entries)))
	for _, path := range []string{orphan, orphan + disk.Temporary, f.in(bestFile + disk.Temporary), f.in(reportFile + disk.Temporary), f.in(resultFile + disk.Temporary)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lock opens candidates.jsonl and takes the lock on it.
func (f *Folder) lock(flags int) error {
	file, err := os.OpenFile(f.in(candidatesFile), os.O_RDWR|os.O_APPEND|flags, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return f.lost(f.path + " has no candidates.jsonl")
	}
	if err != nil {
		return err
	}
	switch ok, err := disk.TryLock(file); {
	case err != nil:
		return errors.Join(fmt.Errorf("lock run folder: %w", err), file.Close())
	case !ok:
		return errors.Join(fmt.Errorf("%w: %s is in use by another process", reflectionflow.ErrInvalid, f.path), file.Close())
	}
	f.lines = file
	return nil
}

// Close releases the lock.
func (f *Folder) Close() error { return f.lines.Close() }

// Path returns the folder's path as given to Create or Open.
func (f *Folder) Path() string { return f.path }

// Manifest returns the run's manifest.
func (f *Folder) Manifest() Manifest { return f.manifest }

// Len returns the number of recorded candidates.
func (f *Folder) Len() int { return len(f.entries) }

// Candidates returns the recorded candidates, without their seconds and calls.
func (f *Folder) Candidates() []reflectionflow.Candidate {
	list := make([]reflectionflow.Candidate, len(f.entries))
	for i, e := range f.entries {
		list[i] = e.Candidate
	}
	return list
}

// Outcome returns the result of a finished run, and false for an unfinished one.
func (f *Folder) Outcome() (Outcome, bool) {
	if f.outcome == nil {
		return Outcome{}, false
	}
	return *f.outcome, true
}

// Recall returns the candidate and its image exactly as they were recorded, and false
// for a candidate that is not recorded. The request's Reference is nil: it is the image
// of the candidate's parent.
func (f *Folder) Recall(id int) (reflectionflow.Candidate, image.Image, bool) {
	if id < 0 || id >= len(f.entries) {
		return reflectionflow.Candidate{}, nil, false
	}
	c := f.entries[id].Candidate
	c.Cost.Seconds, c.Cost.Calls = f.seconds[id], f.entries[id].Calls
	if !f.entries[id].hasImage() {
		return c, nil, true
	}
	img, err := f.decode(f.entries[id])
	if err != nil { // it was there when the folder was opened; generate it again
		return reflectionflow.Candidate{}, nil, false
	}
	return c, img, true
}

// Record stores the candidate and its image, which has at most 16 bits per channel and is
// nil for a candidate with an Error. Candidates come in ID order, without gaps. When
// Record returns nil, both are on disk. An error is a failure of the machine, such as a
// full disk; [Open] can still read the folder.
func (f *Folder) Record(c reflectionflow.Candidate, img image.Image) error {
	return f.RecordFrom(c, img, "")
}

// RecordFrom is [Folder.Record] with the model that a server named for the image.
func (f *Folder) RecordFrom(c reflectionflow.Candidate, img image.Image, model string) error {
	switch {
	case f.outcome != nil:
		return errors.New("record candidate: the run is finished")
	case c.ID != len(f.entries):
		return fmt.Errorf("record candidate: got candidate %d, want %d", c.ID, len(f.entries))
	}
	e := entry{Candidate: c, Calls: c.Cost.Calls}
	var data []byte
	if e.hasImage() {
		e.Model = model
		var err error
		if data, err = encodePNG(img, f.texts(e)); err != nil {
			return fmt.Errorf("record candidate %d: %w", c.ID, err)
		}
		e.Image, e.SHA256 = imagePath(c.ID), checksum(data)
	}
	if err := e.check(c.ID); err != nil {
		return fmt.Errorf("record candidate %d: %w", c.ID, err)
	}
	line, err := e.line()
	if err != nil {
		return fmt.Errorf("record candidate %d: %w", c.ID, err)
	}
	if c.Unseeded {
		if err := f.markNotReproducible(); err != nil {
			return err
		}
	}
	if e.hasImage() {
		if err := f.write(e.Image, data); err != nil {
			return err
		}
	}
	if err := f.recordTiming(c.ID, c.Cost.Seconds); err != nil {
		return err
	}
	if err := f.appendLine(line); err != nil {
		return err
	}
	f.entries = append(f.entries, e)
	f.seconds[c.ID] = c.Cost.Seconds
	return nil
}

// markNotReproducible records in the manifest, once, that seeds do not reproduce the run.
func (f *Folder) markNotReproducible() error {
	if f.manifest.NotReproducible {
		return nil
	}
	marked := f.manifest
	marked.NotReproducible = true
	data, err := encodeIndented(marked)
	if err != nil {
		return fmt.Errorf("encode run.json: %w", err)
	}
	if err := f.write(manifestFile, data); err != nil {
		return err
	}
	f.manifest = marked
	return nil
}

// appendLine adds a whole line to candidates.jsonl, or leaves the file unchanged.
func (f *Folder) appendLine(line []byte) error {
	_, err := f.lines.Write(line)
	if err == nil {
		err = f.lines.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write candidates.jsonl: %w", err), f.lines.Truncate(f.size))
	}
	f.size += int64(len(line))
	return nil
}

// in is the path of a file inside the folder.
func (f *Folder) in(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

// readBounded reads a regular file of at most limit bytes.
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
