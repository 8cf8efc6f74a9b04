package safetensors

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"reflectionflow"
	"reflectionflow/weights/internal/mapped"
)

// File is a set of named tensors, read from one file or from the shards of one model.
// Its methods may be called from several goroutines, but not concurrently with Close.
type File struct {
	name     string // base name of the file or of the index, for errors
	tensors  map[string]tensor
	names    []string // sorted
	metadata map[string]string
	unmap    []func() error
}

// tensor is an entry with its data and the name of its file.
type tensor struct {
	entry
	file string
	data []byte
}

// Info describes a tensor.
type Info struct {
	Name  string
	DType DType
	Shape []int // outermost dimension first; empty for a scalar
}

// Elements returns the product of the shape.
func (i Info) Elements() int {
	n := 1
	for _, dim := range i.Shape {
		n *= dim
	}
	return n
}

// Rows returns the number of rows: the outermost dimension, or 1 for a vector or a
// scalar.
func (i Info) Rows() int {
	if len(i.Shape) < 2 {
		return 1
	}
	return i.Shape[0]
}

// RowLength returns the elements of a row.
func (i Info) RowLength() int {
	if len(i.Shape) < 2 {
		return i.Elements()
	}
	return Info{Shape: i.Shape[1:]}.Elements()
}

// Open maps a safetensors file into memory. The file must not be changed in place
// while it is open; replacing it by a rename is safe. A file that is missing or damaged
// gives an error wrapping [reflectionflow.ErrInvalid].
func Open(path string) (*File, error) {
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return nil, err
	}
	f, err := FromBytes(filepath.Base(path), data)
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	f.unmap = append(f.unmap, unmap)
	return f, nil
}

// FromBytes reads a file that is in memory, such as an embedded one. The File refers to
// data, which must not be changed. Errors begin with name.
func FromBytes(name string, data []byte) (*File, error) {
	entries, metadata, payload, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, err)
	}
	f := &File{name: name, tensors: make(map[string]tensor, len(entries)), metadata: metadata}
	for _, e := range entries {
		f.tensors[e.name] = tensor{entry: e, file: name, data: payload[e.begin:e.end:e.end]}
	}
	f.names = slices.Sorted(maps.Keys(f.tensors))
	return f, nil
}

// Close unmaps the files. Slices of their memory must not be used afterwards; the File
// then has no tensors.
func (f *File) Close() error {
	var errs []error
	for _, unmap := range f.unmap {
		errs = append(errs, unmap())
	}
	f.unmap, f.tensors, f.names = nil, nil, nil
	return errors.Join(errs...)
}

// Name returns the base name of the file, or of the index of a model in shards.
func (f *File) Name() string { return f.name }

// Names returns the names of the tensors in ascending order.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Has reports whether there is a tensor of that name.
func (f *File) Has(name string) bool {
	_, ok := f.tensors[name]
	return ok
}

// Metadata returns the header's __metadata__. For a model in shards it is that of all
// shards; of equal keys, that of the first shard in the order of names.
func (f *File) Metadata() map[string]string {
	if f.metadata == nil {
		return map[string]string{}
	}
	return maps.Clone(f.metadata)
}

// Info describes the named tensor. A name that is not there gives an error wrapping
// [reflectionflow.ErrInvalid].
func (f *File) Info(name string) (Info, error) {
	t, err := f.tensor(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Name: name, DType: t.dtype, Shape: slices.Clone(t.shape)}, nil
}

func (f *File) tensor(name string) (tensor, error) {
	t, ok := f.tensors[name]
	if !ok {
		return tensor{}, fmt.Errorf("%w: %s: there is no tensor %q", reflectionflow.ErrInvalid, f.name, name)
	}
	return t, nil
}

// invalid makes an error about the tensor that names its file.
func (t tensor) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s: tensor %q %s", reflectionflow.ErrInvalid, t.file, t.name, fmt.Sprintf(format, args...))
}
