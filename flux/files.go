package flux

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/tokenizer"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// Files is a model folder, on disk or in another file system. Networks and tokenizers may
// be in other places: see [Files.With].
type Files struct {
	fsys       fs.FS
	dir        string // "" for a file system that is not on disk
	networks   map[string]network
	tokenizers map[string]place
}

// network is a network in files of its own.
type network struct {
	source weights.Source
	config fs.FS // with its config.json; nil if there is none
}

// place is a folder in a file system.
type place struct {
	fsys   fs.FS
	folder string
}

// OpenFiles opens the folder dir. What is not a folder gives an error wrapping
// [reflectionflow.ErrInvalid].
func OpenFiles(dir string) (Files, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return Files{}, missingFile(dir, err)
	}
	if !info.IsDir() {
		return Files{}, fmt.Errorf("%w: %s is not a folder", reflectionflow.ErrInvalid, dir)
	}
	return Files{fsys: os.DirFS(dir), dir: dir}, nil
}

// FilesOf returns the folder of a file system, such as an embedded one. Weights are
// read into memory.
func FilesOf(fsys fs.FS) Files { return Files{fsys: fsys} }

// NoFiles returns an empty folder, for a model whose networks are all in files of their
// own.
func NoFiles() Files { return FilesOf(empty{}) }

// empty is a file system without files.
type empty struct{}

// Open implements [fs.FS].
func (empty) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// With returns the folder with the weights of a network, named by its subfolder, from
// another source, which must stay open as long as the model is used. config is the folder
// with the network's config.json; where it is nil, the sizes are read from the tensors.
func (f Files) With(subfolder string, source weights.Source, config fs.FS) Files {
	f.networks = maps.Clone(f.networks)
	if f.networks == nil {
		f.networks = map[string]network{}
	}
	f.networks[subfolder] = network{source, config}
	return f
}

// WithTokenizer returns the folder with the tokenizer of a subfolder from another folder.
func (f Files) WithTokenizer(subfolder string, fsys fs.FS, folder string) Files {
	f.tokenizers = maps.Clone(f.tokenizers)
	if f.tokenizers == nil {
		f.tokenizers = map[string]place{}
	}
	f.tokenizers[subfolder] = place{fsys, folder}
	return f
}

// Bare returns the weights of a network that has no config.json; nil for one that has.
func (f Files) Bare(subfolder string) weights.Source {
	if n, ok := f.networks[subfolder]; ok && n.config == nil {
		return n.source
	}
	return nil
}

// Separate tells whether a network is in a place of its own, see [Files.With].
func (f Files) Separate(subfolder string) bool {
	_, ok := f.networks[subfolder]
	return ok
}

// Has tells whether the folder has a file of that name.
func (f Files) Has(name string) bool {
	_, err := fs.Stat(f.fsys, name)
	return err == nil
}

// ReadConfig decodes the JSON object in the file name. The required fields must be
// there and not null; fields that into does not have are ignored. Errors wrap
// [reflectionflow.ErrInvalid].
func (f Files) ReadConfig(name string, into any, required ...string) error {
	if n, ok := f.networks[path.Dir(name)]; ok && n.config != nil {
		return readConfig(n.config, path.Base(name), into, required...)
	}
	return readConfig(f.fsys, name, into, required...)
}

// ReadWeights reads a weight file into memory.
func (f Files) ReadWeights(name string) (*safetensors.File, error) {
	data, err := fs.ReadFile(f.fsys, name)
	if err != nil {
		return nil, missingFile(name, err)
	}
	return safetensors.FromBytes(name, data)
}

// Tokenizer reads the tokenizer folder of that name. Errors are those of
// [tokenizer.OpenFolder].
func (f Files) Tokenizer(name string) (*tokenizer.Tokenizer, error) {
	if p, ok := f.tokenizers[name]; ok {
		return tokenizer.OpenFolder(p.fsys, p.folder)
	}
	return tokenizer.OpenFolder(f.fsys, name)
}

// VerifyChecksums is [VerifyChecksums] for the folder.
func (f Files) VerifyChecksums(ctx context.Context) (files int, err error) {
	return VerifyChecksums(ctx, f.fsys)
}

// open opens the weight file of a network, or its shards. The closer does nothing for a
// source of [Files.With].
func (f Files) open(c Component) (weights.Source, io.Closer, error) {
	if n, ok := f.networks[c.Prefix]; ok {
		return n.source, io.NopCloser(nil), nil
	}
	file, err := f.openFile(c)
	return file, file, err
}

func (f Files) openFile(c Component) (*weights.File, error) {
	if f.dir != "" {
		return weights.OpenSharded(filepath.Join(f.dir, c.Prefix), c.Stem)
	}
	return weights.OpenShardedFS(f.fsys, c.Prefix, c.Stem)
}
