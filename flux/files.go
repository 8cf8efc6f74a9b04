package flux

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/tokenizer"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// Files is a model folder, on disk or in another file system.
type Files struct {
	fsys fs.FS
	dir  string // "" for a file system that is not on disk
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

// Has tells whether the folder has a file of that name.
func (f Files) Has(name string) bool {
	_, err := fs.Stat(f.fsys, name)
	return err == nil
}

// ReadConfig decodes the JSON object in the file name. The required fields must be
// there and not null; fields that into does not have are ignored. Errors wrap
// [reflectionflow.ErrInvalid].
func (f Files) ReadConfig(name string, into any, required ...string) error {
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
	return tokenizer.OpenFolder(f.fsys, name)
}

// VerifyChecksums is [VerifyChecksums] for the folder.
func (f Files) VerifyChecksums(ctx context.Context) (files int, err error) {
	return VerifyChecksums(ctx, f.fsys)
}

// open opens the weight file of a network, or its shards.
func (f Files) open(c Component) (*weights.File, error) {
	if f.dir != "" {
		return weights.OpenSharded(filepath.Join(f.dir, c.Prefix), c.Stem)
	}
	return weights.OpenShardedFS(f.fsys, c.Prefix, c.Stem)
}
