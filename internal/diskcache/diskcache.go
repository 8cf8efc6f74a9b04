// Package diskcache keeps on disk what can be computed again, such as compiled programs and embeddings of texts, so that
// the next start of the program need not.
package diskcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// magic begins every entry. Its number is that of the format.
const magic = "RFCACHE1"

// extension is that of entries; temporary files have another.
const extension = ".entry"

// abandoned is the age from which a temporary file is one of a program that was killed.
const abandoned = time.Hour

// maxKeyBytes bounds a key.
const maxKeyBytes = 1 << 20

// Folder is a folder of entries, which several processes may share. An entry has a key, any text that says what its value
// was computed from. The least recently used entries are removed when the folder is full.
type Folder struct {
	Path  string // made when the first entry is put, for its owner alone
	Bound int64  // in bytes, of all entries together
}

// file is the path of an entry: the sum of its key.
func (f Folder) file(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(f.Path, hex.EncodeToString(sum[:16])+extension)
}

// Get returns the value of a key, nil if there is none. An entry that is damaged, or of another format or key, is removed
// and gives an error that names it.
func (f Folder) Get(key string) ([]byte, error) {
	path := f.file(key)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var data []byte
	if err == nil && info.Size() <= f.Bound {
		data, err = os.ReadFile(path)
	}
	if errors.Is(err, fs.ErrNotExist) { // another process has removed it meanwhile
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value, ok := decode(data, key)
	if !ok {
		err := fmt.Errorf("%s is damaged or not an entry of this cache", path)
		return nil, errors.Join(err, f.Remove(key))
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // the order of removal is all that depends on it
	return value, nil
}

// Put keeps a value, which must be shorter than half of the bound: longer ones are left out. The entry appears as a whole
// or not at all.
func (f Folder) Put(key string, value []byte) error {
	if int64(len(value)) > f.Bound/2 || len(key) > maxKeyBytes {
		return nil
	}
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(f.Path, "new-*.tmp") // for its owner alone
	if err != nil {
		return err
	}
	_, err = file.Write(encode(key, value))
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), f.file(key))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return f.trim()
}

// Remove removes the entry of a key, such as one whose value is of no use, if there is one.
func (f Folder) Remove(key string) error {
	if err := os.Remove(f.file(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// trim removes the least recently used entries above the bound, and temporary files that nobody writes.
func (f Folder) trim() error {
	list, err := os.ReadDir(f.Path)
	if err != nil {
		return err
	}
	var entries []fs.FileInfo
	total := int64(0)
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			continue // another process has removed it
		}
		switch filepath.Ext(e.Name()) {
		case extension:
			entries, total = append(entries, info), total+info.Size()
		case ".tmp":
			if time.Since(info.ModTime()) > abandoned {
				_ = os.Remove(filepath.Join(f.Path, e.Name()))
			}
		}
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, e := range entries {
		if total <= f.Bound {
			break
		}
		if err := os.Remove(filepath.Join(f.Path, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		total -= e.Size()
	}
	return nil
}

// encode returns the bytes of an entry: the magic, the length of the key in 4 bytes (little endian), the key, the SHA-256
// sum of the value, and the value.
func encode(key string, value []byte) []byte {
	sum := sha256.Sum256(value)
	data := make([]byte, 0, len(magic)+4+len(key)+len(sum)+len(value))
	data = append(data, magic...)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(key))) //nolint:gosec // at most maxKeyBytes
	data = append(data, key...)
	data = append(data, sum[:]...)
	return append(data, value...)
}

// decode returns the value of an entry of that key.
func decode(data []byte, key string) (value []byte, ok bool) {
	head := encode(key, nil)
	head = head[:len(head)-sha256.Size]
	rest, ok := bytes.CutPrefix(data, head)
	if !ok || len(rest) < sha256.Size {
		return nil, false
	}
	value = rest[sha256.Size:]
	sum := sha256.Sum256(value)
	return value, bytes.Equal(sum[:], rest[:sha256.Size])
}
