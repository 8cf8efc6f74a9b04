// Package checkpoint reads model folders as transformers saves them: config.json, the weights in
// model.safetensors, whole or in shards, and the image processor.
package checkpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights"
)

const configFile = "config.json"

// maxConfig bounds the size of a config.json, in bytes.
const maxConfig = 4 << 20

// Folder is a model folder.
type Folder struct {
	Path   string
	FS     fs.FS
	Kind   string // model_type of the configuration
	config []byte
}

// Open reads the configuration of a folder. One that is missing, damaged, or of none of the given model
// types gives an error wrapping [reflectionflow.ErrInvalid].
func Open(path string, types ...string) (*Folder, error) {
	f := &Folder{Path: path, FS: os.DirFS(path)}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no folder %s", reflectionflow.ErrInvalid, path)
	case err != nil:
		return nil, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%w: %s is a file: name the folder with %s and the weights", reflectionflow.ErrInvalid, path, configFile)
	}
	if f.config, err = ReadFile(f.FS, configFile, maxConfig); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, path, err)
	}
	var j struct {
		Kind          string   `json:"model_type"`
		Architectures []string `json:"architectures"`
	}
	if err := f.Config(&j); err != nil {
		return nil, err
	}
	f.Kind = j.Kind
	if !slices.Contains(types, f.Kind) {
		return nil, fmt.Errorf("%w: %s is a model of type %q (%v): expected %s", reflectionflow.ErrInvalid, path, f.Kind, j.Architectures, strings.Join(types, " or "))
	}
	return f, nil
}

// Config decodes config.json.
func (f *Folder) Config(v any) error {
	if err := json.Unmarshal(f.config, v); err != nil {
		return f.Invalid(fmt.Errorf("%s: %w", configFile, err))
	}
	return nil
}

// Invalid wraps an error about the folder's files in [reflectionflow.ErrInvalid] and the folder's path.
func (f *Folder) Invalid(err error) error {
	if errors.Is(err, reflectionflow.ErrInvalid) {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, f.Path, err)
}

// ReadFile reads a file of at most limit bytes.
func ReadFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s", name)
	} else if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return text, err
}

// Weights puts the weights into a new store, where they stay in the mapped file, which must not be changed in place from
// then on; close unmaps it once no program uses the store. Weights that are missing, damaged or not finite give an error
// wrapping [reflectionflow.ErrInvalid].
func (f *Folder) Weights(ctx context.Context) (store *nn.Store, close func() error, err error) {
	file, err := weights.Open(f.Path)
	if err != nil {
		return nil, nil, f.explain(err)
	}
	store = nn.NewStore()
	if err := store.AddSource("", file); err != nil {
		return nil, nil, errors.Join(f.Invalid(err), file.Close())
	}
	for _, name := range store.Names("") {
		err := ctx.Err()
		if err == nil {
			err = finite(file, name)
		}
		if err != nil {
			return nil, nil, errors.Join(err, file.Close())
		}
	}
	return store, file.Close, nil
}

func finite(file *weights.File, name string) error {
	t, err := weights.Find(file, name)
	if err != nil {
		return err
	}
	return t.CheckFinite()
}

// explain names the weights of other formats where those in safetensors are missing.
func (f *Folder) explain(err error) error {
	_, missing := fs.Stat(f.FS, "model.safetensors")
	if _, other := fs.Stat(f.FS, "pytorch_model.bin"); other == nil && missing != nil {
		return fmt.Errorf("%w: %s holds pytorch_model.bin only: convert it to model.safetensors", reflectionflow.ErrInvalid, f.Path)
	}
	return fmt.Errorf("%s: %w", f.Path, err)
}
