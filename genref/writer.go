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

// Writer writes the shards of a set into a folder, whose lock it has until
// [Writer.Close]. It is used by one goroutine. While a shard is filled, the one before is
// flushed to the disk.
//
// A finished shard is first entered into the journal and then given its name: a
// program that ends between the two leaves a whole shard under its temporary name,
// which [NewWriter] finds by its checksum. So no finished shard is made twice.
type Writer struct {
	dir      string
	claim    claim
	manifest Manifest
	journal  journal
	free     chunks
	sealing  chan sealed // of the shard before; nil for none
}

// sealed is what came of sealing a shard.
type sealed struct {
	shard *Shard // that is in the journal now; nil for none
	err   error
}

// NewWriter begins a set in a folder, or goes on with it. A folder with another
// plan, with files but no manifest, or in use by another process, is refused with an error
// wrapping [reflectionflow.ErrInvalid]. The plan's count may be larger than it was; before
// the first shard is finished all of it may be another.
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

// begin takes in what the folder holds.
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

// fold writes the manifest, which takes the place of the journal.
func (w *Writer) fold() error {
	if err := writeManifest(w.dir, w.manifest); err != nil {
		return err
	}
	return w.journal.remove()
}

// Close waits for what was written, brings the manifest up to date, and gives the folder's
// lock back. A set without a shard leaves nothing behind.
func (w *Writer) Close() error {
	err := w.Wait()
	_, keeps := os.Lstat(w.Unfinished())
	switch {
	case len(w.manifest.Shards) == 0 && errors.Is(keeps, fs.ErrNotExist):
		_ = os.Remove(filepath.Join(w.dir, manifestName)) // then it stays, and is the same set's
	case w.journal.file != nil:
		err = errors.Join(err, w.fold())
	}
	return errors.Join(err, w.claim.release())
}

// Complete reports whether nothing is left to be made.
func (w *Writer) Complete() bool { return w.manifest.lastMissing() < 0 }

// checkEmpty refuses a folder with files, but for those that a build which was
// stopped before its first manifest leaves.
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

// recover gives shards their names that the manifest lists, and forgets those that
// are not there, damaged, or of another length than they should be.
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
	for _, s := range kept { // of a kill before they were forgotten
		if err := w.removeCache(s.Number); err != nil {
			return err
		}
	}
	return nil
}

// isWhole looks for a shard's file under its name and its temporary name.
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

// Manifest is what was in place at the last [Writer.Wait].
func (w *Writer) Manifest() Manifest {
	m := w.manifest
	m.Shards = slices.Clone(m.Shards)
	return m
}

// Write writes shard number i: fill is called once and hands over exactly as many
// samples as the plan says, or fewer and says that the source has ended. Without any
// samples the set ends with the shard before. When fill fails, there is no shard, and
// Write returns fill's error. The shard may be in place only after the next Write or
// [Writer.Wait], which report what went wrong with it.
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
		err = fmt.Errorf("the source gave %d triplets, want %d", n, want)
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

// Wait waits until all that was written is in place, or says why it is not.
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

// seal enters a filled shard into the journal and gives it its name.
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

// end marks the last shard as the source's last.
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
