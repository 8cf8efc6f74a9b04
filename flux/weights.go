package flux

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// Stems of the weight files: their names without ".safetensors".
const (
	DiffusersStem    = "diffusion_pytorch_model"
	TransformersStem = "model"
)

// LoadWeights reads the weights of a folder, in one file, in shards or in a variant as
// [safetensors.OpenSharded] finds them, into the store below prefix: the tensor
// "a.weight" becomes "prefix.a.weight", or "a.weight" for an empty prefix.
//
// Weights in F32, and matrices in BF16, stay in the mapped file, which must not
// be changed in place from then on; others are converted to float32 once. Tensors
// of integers, such as the position ids of old checkpoints, are left out. A file
// that is missing or damaged, another type such as an 8-bit float, and a weight
// that holds NaN or infinity give an error wrapping [reflectionflow.ErrInvalid];
// the store is then unchanged. Names and shapes are checked when a program is
// compiled (see [nn.Compile]), and by [Folder.LoadWeights].
func LoadWeights(store *nn.Store, prefix, dir, stem string) error {
	file, err := safetensors.OpenSharded(dir, stem)
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	return addAndClose(store, prefix, file, ownNames(file))
}

// LoadWeightsFS is [LoadWeights] for the folder dir of a file system that need not be
// on disk.
func LoadWeightsFS(store *nn.Store, prefix string, fsys fs.FS, dir, stem string) error {
	file, err := safetensors.OpenShardedFS(fsys, dir, stem)
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	return addAndClose(store, prefix, file, ownNames(file))
}

// ownNames maps the names of all tensors of a file to themselves.
func ownNames(file *safetensors.File) map[string]string {
	names := make(map[string]string)
	for _, name := range file.Names() {
		names[name] = name
	}
	return names
}

// addAndClose adds tensors of the file to the store, and closes the file unless
// the store uses its memory: a mapping then lasts as long as the process. names
// maps the name below prefix to that in the file.
func addAndClose(store *nn.Store, prefix string, file *safetensors.File, names map[string]string) error {
	var weights []weight
	lent := false
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, err := readWeight(file, names[name])
		if err != nil {
			return errors.Join(fmt.Errorf("load weights: %w", err), file.Close())
		}
		if w.values == nil && w.bits == nil { // of integers
			continue
		}
		w.name = dotted(prefix) + name
		lent = lent || w.lent
		weights = append(weights, w)
	}
	for _, w := range weights {
		if w.bits != nil {
			store.SetBFloat16(w.name, w.bits, w.dims...)
			continue
		}
		store.SetInPlace(w.name, w.values, w.dims...)
	}
	if lent {
		return nil
	}
	return file.Close()
}

// weight is a tensor of a file.
type weight struct {
	name   string
	values []float32
	bits   []uint16 // of bfloat16, instead of values
	dims   []int
	lent   bool // values or bits are the file's memory
}

// readWeight returns a tensor of floating-point numbers, or no values for one of
// integers.
func readWeight(file *safetensors.File, name string) (weight, error) {
	info, err := file.Info(name)
	if err != nil {
		return weight{}, err
	}
	if !isFloat(info.DType) {
		if info.DType.Float() {
			return weight{}, fmt.Errorf("%w: %s: tensor %q has dtype %s: use a file in BF16, F16 or F32", reflectionflow.ErrInvalid, file.Name(), name, info.DType)
		}
		return weight{}, nil
	}
	if err := file.CheckFinite(name); err != nil {
		return weight{}, err
	}
	w := weight{dims: info.Shape}
	if info.DType == safetensors.BF16 && len(info.Shape) == 2 {
		w.bits, w.lent, err = file.BFloat16(name)
	} else {
		w.values, w.lent, err = file.Float32InPlace(name)
	}
	return w, err
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
