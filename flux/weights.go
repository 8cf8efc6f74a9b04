package flux

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// Stems of the weight files: their names without ".safetensors".
const (
	DiffusersStem    = "diffusion_pytorch_model"
	TransformersStem = "model"
)

// LoadWeights adds the weights of a folder, in one file, in shards or in a variant as
// [weights.OpenSharded] finds them, to the store below prefix: the tensor "a.weight"
// becomes "prefix.a.weight", or "a.weight" for an empty prefix.
//
// They stay in the mapped file, in its own types, as [nn.Store.AddSource] says; the file
// must not be changed in place from then on. A file that is missing or damaged gives an
// error wrapping [reflectionflow.ErrInvalid]; the store is then unchanged. Names and
// shapes are checked when a program is compiled (see [nn.Compile]), and by
// [Component.Load].
func LoadWeights(store *nn.Store, prefix, dir, stem string) error {
	file, err := weights.OpenSharded(dir, stem)
	return addSource(store, prefix, file, err)
}

// LoadWeightsFS is [LoadWeights] for the folder dir of a file system that need not be
// on disk.
func LoadWeightsFS(store *nn.Store, prefix string, fsys fs.FS, dir, stem string) error {
	file, err := weights.OpenShardedFS(fsys, dir, stem)
	return addSource(store, prefix, file, err)
}

// addSource adds the tensors of an open file, which stays mapped as long as the process lives.
func addSource(store *nn.Store, prefix string, file *weights.File, err error) error {
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	if err := store.AddSource(prefix, file); err != nil {
		return errors.Join(fmt.Errorf("load weights: %w", err), file.Close())
	}
	return nil
}

// SaveWeights writes the weights below prefix to a safetensors file as
// transformers and diffusers name them, that is without the prefix. Values are
// rounded to dtype: F32, F16 or BF16. Weights that hold NaN or infinity are
// refused, and so is a prefix without weights, with an error wrapping
// [reflectionflow.ErrInvalid].
func SaveWeights(store *nn.Store, prefix, path string, dtype safetensors.DType) error {
	prefix = dotted(prefix)
	names := store.Names(prefix)
	if len(names) == 0 {
		return fmt.Errorf("%w: save %s: no weights below %q", reflectionflow.ErrInvalid, filepath.Base(path), prefix)
	}
	if err := store.CheckFinite(prefix); err != nil {
		return fmt.Errorf("%w: save %s: %w", reflectionflow.ErrInvalid, filepath.Base(path), err)
	}
	tensors := make([]safetensors.Tensor, 0, len(names))
	for _, name := range names {
		tensors = append(tensors, safetensors.Tensor{
			Name: strings.TrimPrefix(name, prefix), Shape: store.Dims(name), DType: dtype,
			Load: func() ([]float32, error) { return store.Values(name) },
		})
	}
	// Without this entry transformers refuses the file.
	if err := safetensors.Write(path, tensors, map[string]string{"format": "pt"}); err != nil {
		return fmt.Errorf("save weights: %w", err)
	}
	return nil
}

// dotted makes a scope's path a prefix of weight names.
func dotted(path string) string {
	if path == "" || strings.HasSuffix(path, ".") {
		return path
	}
	return path + "."
}

// missingFile returns the error for a model's file that could not be opened. A file
// that does not exist is invalid input.
func missingFile(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return fmt.Errorf("%w: %s is missing", reflectionflow.ErrInvalid, name)
	}
	return fmt.Errorf("read %s: %w", name, err)
}
