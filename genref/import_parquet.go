package genref

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"reflectionflow"
)

// parquetRows returns the rows of a Parquet file from a row on. Of a list it takes the last
// value, as GenRef's older loader does.
func parquetRows(path string, from int) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		p, err := openParquet(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer p.Close()
		for _, group := range p.file.RowGroups() {
			if int64(from) >= group.NumRows() {
				from -= int(group.NumRows())
				continue
			}
			if !p.group(group, from, yield) {
				return
			}
			from = 0
		}
	}
}

// parquetFile is an open file.
type parquetFile struct {
	*os.File
	name  string
	file  *parquet.File
	names []string // names of the columns, without "list" and "element"
}

// openParquet opens a file. The reader panics on some kinds of damage.
func openParquet(path string) (p parquetFile, err error) {
	p.name = filepath.Base(path)
	defer p.rescue(&err)
	if p.File, err = os.Open(path); err != nil {
		return p, fmt.Errorf("%w: open %s: %v", reflectionflow.ErrInvalid, path, err)
	}
	info, err := p.Stat()
	if err == nil {
		p.file, err = parquet.OpenFile(p.File, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	}
	if err != nil {
		return p, errors.Join(p.damaged(err), p.Close())
	}
	for _, column := range p.file.Schema().Columns() {
		column = slices.DeleteFunc(slices.Clone(column), func(part string) bool {
			return part == "list" || part == "element" || part == "item" || part == "array"
		})
		p.names = append(p.names, strings.Join(column, "."))
	}
	return p, nil
}

func (p parquetFile) damaged(err error) error {
	return fmt.Errorf("%w: %s is not a complete Parquet file: %v", reflectionflow.ErrInvalid, p.name, err)
}

// rescue turns a panic of the reader into an error.
func (p parquetFile) rescue(err *error) {
	if r := recover(); r != nil {
		*err = p.damaged(fmt.Errorf("%v", r))
	}
}

// group yields the rows of a group from a row on. It returns false if yield ended the loop
// or the file is damaged.
func (p parquetFile) group(group parquet.RowGroup, from int, yield func(row, error) bool) bool {
	reader := group.Rows()
	defer reader.Close() //nolint:errcheck // read only
	err := reader.SeekToRow(int64(from))
	for err == nil {
		var r row
		if r, err = p.next(reader); err == nil && !yield(r, nil) {
			return false
		}
	}
	if errors.Is(err, io.EOF) {
		return true
	}
	yield(nil, p.damaged(err))
	return false
}

// next reads one row.
func (p parquetFile) next(reader parquet.Rows) (r row, err error) {
	defer p.rescue(&err)
	var buffer [1]parquet.Row
	n, err := reader.ReadRows(buffer[:])
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return nil, err
	}
	r = make(row)
	for _, v := range buffer[0] {
		if v.IsNull() || v.Kind() != parquet.ByteArray {
			continue
		}
		r[p.names[v.Column()]] = slices.Clone(v.ByteArray())
	}
	return r, nil
}
