package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"reflectionflow"
	"reflectionflow/weights/internal/float"
	"reflectionflow/weights/internal/mapped"
)

// File is a GGUF file. Its methods may be called from several goroutines, but not
// concurrently with Close.
type File struct {
	name    string // base name, for errors
	header  header
	tensors map[string]entry
	names   []string // sorted
	unmap   func() error
}

// Info describes a tensor.
type Info struct {
	Name  string
	Type  Type
	Shape []int // outermost dimension first; empty for a scalar
}

// Elements returns the product of the shape.
func (i Info) Elements() int { return entry{shape: i.Shape}.elements() }

// Rows returns the number of rows: the outermost dimension, or 1 for a vector or a
// scalar.
func (i Info) Rows() int {
	if len(i.Shape) < 2 {
		return 1
	}
	return i.Shape[0]
}

// RowLength returns the elements of a row.
func (i Info) RowLength() int { return i.Elements() / i.Rows() }

// Open maps a GGUF file into memory. The file must not be changed in place while it is
// open; replacing it by a rename is safe. A file that is missing, damaged or has tensors
// of a type that is not supported gives an error wrapping [reflectionflow.ErrInvalid].
func Open(path string) (*File, error) {
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	var f *File
	if fault := mapped.Guard(func() { f, err = FromBytes(filepath.Base(path), data) }); fault != nil {
		err = fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, filepath.Base(path), fault)
	}
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	f.unmap = unmap
	return f, nil
}

// FromBytes reads a file that is in memory. The File refers to data, which must not be
// changed. Errors begin with name.
func FromBytes(name string, data []byte) (*File, error) {
	h, err := parse(data)
	if err == nil {
		err = h.checkSplit()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, err)
	}
	f := &File{name: name, header: h, tensors: make(map[string]entry, len(h.entries)), unmap: func() error { return nil }}
	for _, e := range h.entries {
		f.tensors[e.name] = e
	}
	f.names = slices.Sorted(maps.Keys(f.tensors))
	return f, nil
}

// checkSplit rejects a part of a model that is split over several files.
func (h header) checkSplit() error {
	v, ok := h.metadata["split.count"]
	if !ok {
		return nil
	}
	if count, ok := v.decode().(uint16); ok && count > 1 {
		return fmt.Errorf("it is one of %d parts of a model: join them with llama-gguf-split --merge", count)
	}
	return nil
}

// Close unmaps the file. Slices of its memory must not be used afterwards; the File
// then has no tensors.
func (f *File) Close() error {
	unmap := f.unmap
	f.header, f.tensors, f.names, f.unmap = header{}, nil, nil, func() error { return nil }
	return unmap()
}

// Name returns the base name of the file.
func (f *File) Name() string { return f.name }

// Version returns the version of the format, 2 or 3.
func (f *File) Version() int { return int(f.header.version) }

// Names returns the names of the tensors in ascending order.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Metadata returns the metadata value of that key: a uint8, int8, uint16, int16,
// uint32, int32, uint64, int64, float32, float64, bool or string, or a slice of one of
// them.
func (f *File) Metadata(key string) (value any, ok bool) {
	v, ok := f.header.metadata[key]
	if !ok {
		return nil, false
	}
	if mapped.Guard(func() { value = v.decode() }) != nil {
		return nil, false
	}
	return value, true
}

// MetadataKeys returns the keys of the metadata in ascending order.
func (f *File) MetadataKeys() []string { return slices.Sorted(maps.Keys(f.header.metadata)) }

// Info describes the named tensor. A name that is not there gives an error wrapping
// [reflectionflow.ErrInvalid].
func (f *File) Info(name string) (Info, error) {
	e, err := f.entry(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Name: name, Type: e.kind, Shape: slices.Clone(e.shape)}, nil
}

// Bytes returns the tensor's blocks in the file, without a copy. It must not be changed
// and is valid until Close. Rows follow one another; see [Type.Block].
func (f *File) Bytes(name string) ([]byte, error) {
	e, err := f.entry(name)
	if err != nil {
		return nil, err
	}
	return f.header.data[e.begin:e.end:e.end], nil
}

// ReadRows decodes rows of a tensor into dst, beginning with the given row. The length
// of dst says how many: it must be a multiple of [Info.RowLength]. Rows that the tensor
// does not have give an error wrapping [reflectionflow.ErrInvalid].
func (f *File) ReadRows(dst []float32, name string, row int) error {
	info, err := f.Info(name)
	if err != nil {
		return err
	}
	length, rows := info.RowLength(), info.Rows()
	if row < 0 || row > rows || len(dst)%length != 0 || len(dst)/length > rows-row {
		return f.invalid(name, "has %d rows of %d elements: %d elements from row %d on cannot be read", rows, length, len(dst), row)
	}
	data, err := f.Bytes(name)
	if err != nil {
		return err
	}
	if fault := mapped.Guard(func() { info.Type.DecodeAt(dst, data, row*length) }); fault != nil {
		return f.invalid(name, "%v", fault)
	}
	return nil
}

// Decode decodes whole blocks of a type that is supported. The length of dst is the
// number of elements; blocks must hold exactly them.
func Decode(dst []float32, kind Type, blocks []byte) error {
	if err := kind.check(); err != nil {
		return fmt.Errorf("%w: the data %w", reflectionflow.ErrInvalid, err)
	}
	elements, size := kind.Block()
	if len(dst)%elements != 0 || len(blocks)%size != 0 || len(dst)/elements != len(blocks)/size {
		return fmt.Errorf("%w: %d bytes of %s do not hold %d elements", reflectionflow.ErrInvalid, len(blocks), kind, len(dst))
	}
	kind.DecodeAt(dst, blocks, 0)
	return nil
}

// DecodeAt decodes elements of a tensor of a type that is supported, from the element
// begin on, which may be inside a block. data are the blocks of the tensor; it panics if
// they do not hold the elements.
func (t Type) DecodeAt(dst []float32, data []byte, begin int) {
	f := t.format()
	if f.elements == 1 {
		f.decode(dst, data[begin*f.bytes:])
		return
	}
	decode := f.vector
	if decode == nil {
		decode = f.decode
	}
	for len(dst) > 0 {
		block, skip := begin/f.elements, begin%f.elements
		from := data[block*f.bytes:][:f.bytes]
		n := f.elements
		if skip == 0 && len(dst) >= n {
			decode(dst[:n], from)
		} else {
			n = decodePart(dst, from, skip, f.elements, decode)
		}
		begin, dst = begin+n, dst[n:]
	}
}

// decodePart decodes elements of a block from skip on. Its block is allocated: whole blocks, of which a product reads
// millions, must not come here.
func decodePart(dst []float32, from []byte, skip, elements int, decode func(dst []float32, data []byte)) int {
	whole := make([]float32, elements)
	decode(whole, from)
	return copy(dst, whole[skip:])
}

func (f *File) entry(name string) (entry, error) {
	e, ok := f.tensors[name]
	if !ok {
		return entry{}, fmt.Errorf("%w: %s: there is no tensor %q", reflectionflow.ErrInvalid, f.name, name)
	}
	return e, nil
}

// invalid makes an error about a tensor that names the file.
func (f *File) invalid(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: tensor %q %s", reflectionflow.ErrInvalid, f.name, name, fmt.Sprintf(format, args...))
}

// FirstNotFinite returns the index of the first element of the tensor in data that may
// not be finite, or -1: that of a number, or of a block with such a scale.
func (t Type) FirstNotFinite(data []byte) int {
	switch t {
	case F32:
		return float.FirstNotFinite32(data)
	case BF16:
		return float.FirstNotFinite16(data, 0x7f80)
	case F16:
		return float.FirstNotFinite16(data, 0x7c00)
	}
	f := t.format()
	for i := 0; i+f.bytes <= len(data); i += f.bytes {
		for _, offset := range f.halves {
			if binary.LittleEndian.Uint16(data[i+offset:])&0x7c00 == 0x7c00 {
				return i / f.bytes * f.elements
			}
		}
	}
	return -1
}
