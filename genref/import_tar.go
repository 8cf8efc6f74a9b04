package genref

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
)

// maxRowBytes bounds one value of a row.
const maxRowBytes = maxImageBytes

// tarRows returns the samples of a WebDataset shard from a row on.
func tarRows(path string, from int) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(nil, fmt.Errorf("%w: open %s: %v", reflectionflow.ErrInvalid, path, err))
			return
		}
		defer file.Close()
		name := filepath.Base(path)
		t := &tail{from: file, block: [512]byte{1}}
		archive := tar.NewReader(t)
		key, current, n := "", row(nil), 0
		give := func() bool {
			n++
			return current == nil || n <= from || yield(current, nil)
		}
		for {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) && t.block == [512]byte{} {
				give()
				return
			}
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			var value []byte
			sampleKey, suffix, ok := "", "", false
			if err == nil {
				sampleKey, suffix, ok = splitName(header.Name)
				if ok = ok && header.Typeflag == tar.TypeReg && header.Size <= maxRowBytes; ok {
					value, err = io.ReadAll(archive)
				}
			}
			if err != nil {
				s := shardReader{name: name, tail: t}
				yield(nil, s.damaged(err))
				return
			}
			if !ok {
				continue
			}
			if current != nil && sampleKey != key && !give() {
				return
			}
			if current == nil || sampleKey != key {
				key, current = sampleKey, row{}
			}
			current.member(suffix, value)
		}
	}
}

// endings are the endings that are not part of a member's name.
var endings = []string{"jpg", "jpeg", "png", "webp", "txt", "json"}

// member adds a member of a sample: its content by its name without the ending, and the
// values of a JSON member by their keys.
func (r row) member(suffix string, value []byte) {
	name, ending := suffix, suffix
	if i := strings.LastIndexByte(suffix, '.'); i >= 0 {
		name, ending = suffix[:i], suffix[i+1:]
	}
	if ending == "json" {
		var fields map[string]any
		if json.Unmarshal(value, &fields) == nil {
			for key, field := range fields {
				if text := textOf(field); text != "" {
					if _, taken := r[key]; !taken {
						r[key] = []byte(text)
					}
				}
			}
			return
		}
	}
	if !slices.Contains(endings, ending) {
		name = suffix
	}
	r[name] = value
}

// textOf returns the text in a JSON value: the last of a list, and that of the smallest key
// of an object.
func textOf(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case []any:
		if len(value) > 0 {
			return textOf(value[len(value)-1])
		}
	case map[string]any:
		var keys []string
		for key := range value {
			keys = append(keys, key)
		}
		if len(keys) > 0 {
			return textOf(value[slices.Min(keys)])
		}
	}
	return ""
}
