package genref

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// journalName is the file in which finished shards are entered while a set is built, one per
// line: rewriting the manifest for every shard would take longer with each. At the end of a
// build, and when it is resumed, the journal is folded into the manifest.
const journalName = "shards.jsonl"

// maxJournalLine bounds a line of the journal.
const maxJournalLine = 1 << 20

// readJournal returns the shards of a folder's journal, in the order in which they were
// entered. An incomplete last line is ignored: its shard has no name yet.
func readJournal(dir string) ([]Shard, error) {
	file, err := os.Open(filepath.Join(dir, journalName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal of shards: %w", err)
	}
	defer file.Close()
	var entered []Shard
	reader := bufio.NewReaderSize(file, maxJournalLine)
	for n := 1; ; n++ {
		line, err := reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return entered, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("read the journal of shards: %w", err)
		}
		var s Shard
		if err != nil || json.Unmarshal(line, &s) != nil || s.Number < 0 || s.Number >= MaxCount || s.SHA256 == "" {
			return nil, fmt.Errorf("%w: %s in %s, line %d is damaged", reflectionflow.ErrInvalid, journalName, dir, n)
		}
		entered = append(entered, s)
	}
}

// journal appends to a folder's journal. The file exists from the first line on.
type journal struct {
	path string
	file *os.File
	size int64 // bytes of complete lines
}

// add appends a line and flushes it to disk. On failure the file is left unchanged.
func (j *journal) add(s Shard) error {
	line, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode a shard: %w", err)
	}
	if err := j.open(); err != nil {
		return fmt.Errorf("open the journal of shards: %w", err)
	}
	line = append(line, '\n')
	_, err = j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the journal of shards: %w", err), j.file.Truncate(j.size))
	}
	j.size += int64(len(line))
	return nil
}

func (j *journal) open() (err error) {
	if j.file != nil {
		return nil
	}
	if j.file, err = os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o644); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(j.path))
}

// remove removes the journal after its lines were written to the manifest.
func (j *journal) remove() error {
	if j.file != nil {
		j.file.Close() // every line is flushed
	}
	j.file, j.size = nil, 0
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the journal of shards: %w", err)
	}
	return nil
}
