package flux

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/flux/nn"
	"reflectionflow/flux/safetensors"
)

// Stems of the weight files: what comes before ".safetensors".
const (
	DiffusersStem    = "diffusion_pytorch_model"
	TransformersStem = "model"
)

// LoadWeights reads the weights dir/stem.safetensors, or the shards that
// dir/stem.safetensors.index.json lists, into the store below prefix: the tensor
// "a.weight" becomes "prefix.a.weight", or "a.weight" for an empty prefix. Values
// are converted to float32, but for matrices of bfloat16, which stay as they are in
// the mapped file; the file must not be changed in place from then on. Tensors of
// integers, such as old checkpoints' position ids, are no weights and are passed over. A file that is missing or
// damaged and a weight that holds NaN or infinity give an error wrapping
// [reflectionflow.ErrInvalid]; the store is then unchanged. Names and shapes are
// checked when a program is compiled (see [nn.Compile]).
func LoadWeights(store *nn.Store, prefix, dir, stem string) error {
	file, err := safetensors.OpenSharded(dir, stem)
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	inPlace, err := addWeights(store, prefix, file)
	if inPlace { // the mapping lasts as long as the process
		return err
	}
	return errors.Join(err, file.Close())
}

// LoadWeightsFS is [LoadWeights] for one file of a file system that need not be
// on disk.
func LoadWeightsFS(store *nn.Store, prefix string, fsys fs.FS, name string) error {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("load weights: %w", missingFile(name, err))
	}
	file, err := safetensors.FromBytes(name, data)
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	_, err = addWeights(store, prefix, file)
	return err
}

// addWeights reports whether the store uses the file's memory.
func addWeights(store *nn.Store, prefix string, file *safetensors.File) (inPlace bool, err error) {
	type weight struct {
		name   string
		values []float32
		bits   []uint16 // of bfloat16, instead of values
		dims   []int
	}
	var weights []weight
	for _, name := range file.Names() {
		info, err := file.Info(name)
		if err != nil {
			return false, err
		}
		switch info.DType {
		case safetensors.F64, safetensors.F32, safetensors.F16, safetensors.BF16:
		default:
			continue
		}
		if err := file.CheckFinite(name); err != nil {
			return false, fmt.Errorf("load weights: %w", err)
		}
		w := weight{name: dotted(prefix) + name, dims: info.Shape}
		if info.DType == safetensors.BF16 && len(info.Shape) == 2 {
			w.bits, err = file.BFloat16(name)
		} else {
			w.values, err = file.Float32(name)
		}
		if err != nil {
			return false, fmt.Errorf("load weights: %w", err)
		}
		weights = append(weights, w)
	}
	for _, w := range weights {
		if w.bits != nil {
			store.SetBFloat16(w.name, w.bits, w.dims...)
			inPlace = true
			continue
		}
		store.Set(w.name, w.values, w.dims...)
	}
	return inPlace, nil
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

// missingFile words an error of opening a model's file: one that is not there is
// the caller's to mend.
func missingFile(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return fmt.Errorf("%w: %s is missing", reflectionflow.ErrInvalid, name)
	}
	return fmt.Errorf("read %s: %w", name, err)
}
