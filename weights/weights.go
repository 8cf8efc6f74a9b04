package weights

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/internal/mapped"
	"reflectionflow/weights/safetensors"
)

// Source is a set of named tensors. Its methods may be called from several goroutines.
type Source interface {
	// Names returns the names of the tensors in ascending order.
	Names() []string
	// Info describes the named tensor. A name that is not there gives an error
	// wrapping [reflectionflow.ErrInvalid].
	Info(name string) (Info, error)
	// ReadRows converts rows of a tensor to float32, beginning with the given row. The
	// length of dst says how many: it must be a multiple of [Info.RowLength]. Rows that
	// the tensor does not have, and a type that is not numeric, give an error wrapping
	// [reflectionflow.ErrInvalid].
	ReadRows(dst []float32, name string, row int) error
}

// Info describes a tensor.
type Info struct {
	Name  string
	Type  string // as stored, in the spelling of the format: "BF16", "F8_E4M3", "Q4_K"
	Shape []int  // outermost dimension first; empty for a scalar
}

// Elements returns the product of the shape.
func (i Info) Elements() int { return safetensors.Info{Shape: i.Shape}.Elements() }

// Rows returns the number of rows: the outermost dimension, or 1 for a vector or a
// scalar.
func (i Info) Rows() int { return safetensors.Info{Shape: i.Shape}.Rows() }

// RowLength returns the elements of a row.
func (i Info) RowLength() int { return safetensors.Info{Shape: i.Shape}.RowLength() }

// Float reports whether the values are floating-point numbers, quantized or not. Integers
// and truth values, such as position ids, are none.
func (i Info) Float() bool {
	kind := safetensors.DType(i.Type)
	return kind.Float() || kind.Size() == 0 // GGUF's own types are quantized
}

// Format is the format of a file.
type Format string

// The formats that are read.
const (
	Safetensors Format = "safetensors"
	GGUF        Format = "GGUF"
)

// File is a Source that is mapped from a file, or from the shards of a model.
type File struct {
	Source
	name     string
	format   Format
	metadata map[string]string
	file     io.Closer
}

// Name returns the base name of the file, or of the index of a model in shards.
func (f *File) Name() string { return f.name }

// Format returns the format of the file.
func (f *File) Format() Format { return f.format }

// Metadata returns the texts of a safetensors file's header; none for GGUF.
func (f *File) Metadata() map[string]string { return f.metadata }

// Close unmaps the file. The File must not be used afterwards.
func (f *File) Close() error { return f.file.Close() }

// Open opens a safetensors or GGUF file, the index of a model in shards
// (*.safetensors.index.json), or a folder that holds one model. Anything else gives an
// error wrapping [reflectionflow.ErrInvalid] that says what it is.
func Open(path string) (*File, error) {
	name := filepath.Base(path)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openFolder(path)
	}
	head, err := readHead(path)
	if err != nil {
		return nil, mapped.Error(name, err)
	}
	kind, err := identify(head)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, err)
	}
	switch kind {
	case kindGGUF:
		f, err := gguf.Open(path)
		if err != nil {
			return nil, err
		}
		return &File{Source: ggufSource{f}, name: name, format: GGUF, file: f}, nil
	case kindIndex:
		f, err := safetensors.OpenIndex(path)
		return ofSafetensors(f, err)
	default:
		f, err := safetensors.Open(path)
		return ofSafetensors(f, err)
	}
}

// OpenSharded opens the weights of a model in a diffusers or transformers folder: see
// [safetensors.OpenSharded].
func OpenSharded(dir, stem string) (*File, error) {
	f, err := safetensors.OpenSharded(dir, stem)
	if err != nil {
		name := stem + ".safetensors"
		if head, failure := readHead(filepath.Join(dir, name)); failure == nil {
			if _, other := identify(head); other != nil { // says more than a damaged header
				return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, other)
			}
		}
	}
	return ofSafetensors(f, err)
}

// OpenShardedFS is [OpenSharded] for the folder dir of a file system that need not be on
// disk. The files are read into memory.
func OpenShardedFS(fsys fs.FS, dir, stem string) (*File, error) {
	f, err := safetensors.OpenShardedFS(fsys, dir, stem)
	return ofSafetensors(f, err)
}

// openFolder opens the model of a diffusers or transformers folder, or the only weight
// file of another folder.
func openFolder(dir string) (*File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, mapped.Error(filepath.Base(dir), err)
	}
	var files []string
	for _, stem := range []string{"diffusion_pytorch_model", "model"} {
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), stem+".") && strings.Contains(e.Name(), ".safetensors") {
				f, err := safetensors.OpenSharded(dir, stem)
				return ofSafetensors(f, err)
			}
		}
	}
	for _, e := range entries {
		if extension := filepath.Ext(e.Name()); extension == ".safetensors" || extension == ".gguf" {
			files = append(files, e.Name())
		}
		if e.Name() == "model_index.json" {
			return nil, fmt.Errorf("%w: folder %s is a pipeline of several models: name one of its folders, such as transformer", reflectionflow.ErrInvalid, filepath.Base(dir))
		}
	}
	switch len(files) {
	case 0:
		return nil, fmt.Errorf("%w: folder %s has no safetensors or GGUF file", reflectionflow.ErrInvalid, filepath.Base(dir))
	case 1:
		return Open(filepath.Join(dir, files[0]))
	}
	return nil, fmt.Errorf("%w: folder %s has %d weight files, such as %s: name one of them", reflectionflow.ErrInvalid, filepath.Base(dir), len(files), files[0])
}

func ofSafetensors(f *safetensors.File, err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	return FromSafetensors(f)
}

// FromSafetensors makes a File of an open safetensors file, which it closes where it gives an error: that of scales of
// 8-bit weights that are not supported.
func FromSafetensors(f *safetensors.File) (*File, error) {
	source, err := applyScales(safetensorsSource{f}, f.Metadata())
	if err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
		err = fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, f.Name(), err)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{Source: source, name: f.Name(), format: Safetensors, metadata: f.Metadata(), file: f}, nil
}

type safetensorsSource struct{ *safetensors.File }

func (s safetensorsSource) Info(name string) (Info, error) {
	i, err := s.File.Info(name)
	return Info{Name: i.Name, Type: string(i.DType), Shape: i.Shape}, err
}

type ggufSource struct{ *gguf.File }

func (s ggufSource) Info(name string) (Info, error) {
	i, err := s.File.Info(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Name: i.Name, Type: i.Type.String(), Shape: i.Shape}, nil
}

// readHead returns the first bytes of a file.
func readHead(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // opening a pipe waits for a writer
		return nil, fmt.Errorf("%w: %s is no regular file", reflectionflow.ErrInvalid, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return slices.Clip(head[:n]), err
}
