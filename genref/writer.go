package genref

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

// Writer writes the shards of a set into a folder, and holds the folder's lock until
// [Writer.Close]. It is for use by one goroutine. While one shard is filled, the one before
// is flushed to disk.
//
// A finished shard is entered into the journal before it gets its name. If the program is
// killed between the two, [NewWriter] finds the shard by its checksum under its temporary
// name. No finished shard is made twice.
type Writer struct {
	dir      string
	claim    claim
	manifest Manifest
	journal  journal
	free     chunks
	sealing  chan sealed // the shard that is being sealed; nil for none
}

// sealed is the result of sealing a shard.
type sealed struct {
	shard *Shard // entered into the journal; nil if it was not
	err   error
}

// NewWriter creates a set in a folder, or opens it to be resumed. Errors wrap
// [reflectionflow.ErrInvalid]: an invalid plan, a folder with another plan, a folder with
// files but no manifest, and a folder that another process writes to. The plan's Count may
// be larger than before. Before the first shard is finished, the whole plan may differ.
func NewWriter(dir string, plan Plan) (*Writer, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	claim, err := claimFolder(dir)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, claim: claim, free: newChunks(), journal: journal{path: filepath.Join(dir, journalName)}}
	if err := w.begin(plan); err != nil {
		return nil, errors.Join(err, claim.release())
	}
	return w, nil
}

// begin reads the state of the folder.
func (w *Writer) begin(plan Plan) error {
	manifest, found, err := readManifest(w.dir)
	if err != nil {
		return err
	}
	if !found {
		if err := checkEmpty(w.dir); err != nil {
			return err
		}
		manifest = Manifest{Format: manifestFormat, Plan: plan}
	} else if len(manifest.Shards) > 0 {
		if err := manifest.same(plan); err != nil {
			return fmt.Errorf("%s: %w", w.dir, err)
		}
	}
	manifest.Plan = plan
	w.manifest = manifest
	if err := w.recover(); err != nil {
		return err
	}
	return w.fold()
}

// fold writes the manifest and removes the journal.
func (w *Writer) fold() error {
	if err := writeManifest(w.dir, w.manifest); err != nil {
		return err
	}
	return w.journal.remove()
}

// Close waits for pending writes, updates the manifest, and releases the folder's lock. A
// set without shards leaves nothing behind.
func (w *Writer) Close() error {
	err := w.Wait()
	_, keeps := os.Lstat(w.Unfinished())
	switch {
	case len(w.manifest.Shards) == 0 && errors.Is(keeps, fs.ErrNotExist):
		_ = os.Remove(filepath.Join(w.dir, manifestName)) // if it stays, the same set is resumed
	case w.journal.file != nil:
		err = errors.Join(err, w.fold())
	}
	return errors.Join(err, w.claim.release())
}

// Complete reports whether all shards are finished.
func (w *Writer) Complete() bool { return w.manifest.lastMissing() < 0 }

// checkEmpty returns an error for a folder with files, except those of a build that was
// killed before its first manifest.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("create set: %w", err)
	}
	for _, e := range entries {
		if e.Name() != manifestName+disk.Temporary && e.Name() != disk.LockName {
			return fmt.Errorf("%w: %s holds files but no %s: use an empty folder", reflectionflow.ErrInvalid, dir, manifestName)
		}
	}
	return nil
}

// recover gives listed shards their names, and drops those that are missing, damaged or of
// another length than planned.
func (w *Writer) recover() error {
	var kept []Shard
	for _, s := range w.manifest.Shards {
		if s.Number >= w.manifest.Plan.shards() || !w.manifest.fits(s) {
			continue
		}
		whole, err := w.isWhole(s)
		if err != nil {
			return err
		}
		if whole {
			kept = append(kept, s)
		}
	}
	w.manifest.Shards = kept
	for _, s := range kept { // left by a kill
		if err := w.removeCache(s.Number); err != nil {
			return err
		}
	}
	return nil
}

// isWhole reports whether a shard's file exists and has the listed checksum, under its name
// or its temporary name. It renames the latter.
func (w *Writer) isWhole(s Shard) (bool, error) {
	path := filepath.Join(w.dir, ShardName(s.Number))
	for _, candidate := range []string{path, path + disk.Temporary} {
		sum, size, err := fileSum(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if size != s.Bytes || sum != s.SHA256 {
			continue
		}
		if candidate != path {
			err = disk.Rename(candidate, path)
		}
		return true, err
	}
	return false, nil
}

// Manifest returns the finished shards as of the last [Writer.Wait].
func (w *Writer) Manifest() Manifest {
	m := w.manifest
	m.Shards = slices.Clone(m.Shards)
	return m
}

// Write writes shard i. It calls fill once, which must add as many samples as planned, or
// fewer and set Ended. Without any samples, the set ends with the shard before. If fill
// fails, no shard is written and Write returns fill's error. The shard is written in the
// background: errors may be returned by the next Write or by [Writer.Wait].
func (w *Writer) Write(i int, fill func(add func(Sample) error) (FillResult, error)) error {
	if i < 0 || i >= w.manifest.shards() {
		return fmt.Errorf("%w: shard %d of %d", reflectionflow.ErrInvalid, i, w.manifest.shards())
	}
	shard, err := createShard(filepath.Join(w.dir, ShardName(i))+disk.Temporary, w.free)
	if err != nil {
		return err
	}
	result, err := fill(shard.add)
	if n, want := len(shard.keys), w.manifest.triplets(i); err == nil && n != want && (!result.Ended || n > want) {
		err = fmt.Errorf("the source added %d triplets, want %d", n, want)
	}
	if err != nil {
		return fmt.Errorf("shard %d: %w", i, errors.Join(err, shard.abandon()))
	}
	if err := w.Wait(); err != nil {
		return errors.Join(err, shard.abandon())
	}
	if len(shard.keys) == 0 {
		return errors.Join(shard.abandon(), w.end())
	}
	sealing := make(chan sealed, 1)
	go func() { sealing <- w.seal(i, shard, result) }()
	w.sealing = sealing
	if result.Ended {
		return w.Wait()
	}
	return nil
}

// Wait waits until everything that was written is on disk, and returns the first error.
func (w *Writer) Wait() error {
	if w.sealing == nil {
		return nil
	}
	done := <-w.sealing
	w.sealing = nil
	if done.shard != nil {
		w.manifest.enter(*done.shard)
	}
	if done.err != nil {
		return done.err
	}
	return w.removeCache(done.shard.Number)
}

// seal enters a filled shard into the journal and renames it.
func (w *Writer) seal(i int, shard *shardWriter, result FillResult) sealed {
	done, err := shard.finish()
	if err != nil {
		return sealed{nil, fmt.Errorf("shard %d: %w", i, err)}
	}
	done.Number, done.Effort, done.Faults, done.Cursor, done.Last = i, result.Effort, result.Faults, result.Cursor, result.Ended
	if err := w.journal.add(done); err != nil {
		return sealed{nil, fmt.Errorf("shard %d: %w", i, err)}
	}
	if err := disk.Rename(shard.path, filepath.Join(w.dir, ShardName(i))); err != nil {
		return sealed{&done, fmt.Errorf("shard %d: %w", i, err)}
	}
	return sealed{&done, nil}
}

// end marks the last shard as the last of the source.
func (w *Writer) end() error {
	if len(w.manifest.Shards) == 0 {
		return nil
	}
	last := w.manifest.Shards[len(w.manifest.Shards)-1]
	last.Last = true
	if err := w.journal.add(last); err != nil {
		return err
	}
	w.manifest.enter(last)
	return nil
}
