package flux

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// Component is one network of a folder.
type Component struct {
	Prefix string // the subfolder, and the prefix of the weights in a store
	Stem   string // of the weight file, see [LoadWeights]
	// Variables lists the weights that the network needs, without the prefix.
	Variables func() ([]nn.Variable, error)
	// Rename maps the names of a file to those of the network, for files that other
	// programs wrote; "" drops a tensor that the network does not use. nil keeps all
	// names.
	Rename func(name string, file *safetensors.File) string
}

// resolve returns the names of a file's tensors by the names that the network has for them, and without the prefix.
func (c Component) resolve(file *safetensors.File) map[string]string {
	names := make(map[string]string)
	for _, name := range file.Names() {
		own := name
		if c.Rename != nil {
			own = c.Rename(name, file)
		}
		if own != "" {
			names[own] = name
		}
	}
	return names
}

// Check compares the weight file with what the network needs: the name, the shape and
// the dtype of every tensor. It reads the header only. A file that cannot be read is an
// error; what does not fit is in the list.
func (c Component) Check(files Files) (Problems, error) {
	file, err := files.open(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Prefix, err)
	}
	found, err := c.compare(file)
	return found, errors.Join(err, file.Close())
}

// Load reads the weights into the store, below the prefix. A tensor that is missing or
// of another shape or type than the network needs gives an error wrapping
// [reflectionflow.ErrInvalid]; so do the errors of [LoadWeights]. Tensors that the
// network does not need are left out.
func (c Component) Load(store *nn.Store, files Files) error {
	if err := c.load(store, files); err != nil {
		return fmt.Errorf("%s: %w", c.Prefix, err)
	}
	return nil
}

func (c Component) load(store *nn.Store, files Files) error {
	file, err := files.open(c)
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	problems, err := c.compare(file)
	if err == nil {
		if err = problems.Serious().Err(); err != nil {
			err = problems.Err() // unexpected names say of what kind the file is
		}
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	names := c.resolve(file)
	for _, p := range problems { // unexpected ones
		maps.DeleteFunc(names, func(_, name string) bool { return name == p.Tensor })
	}
	return addAndClose(store, c.Prefix, file, names)
}

// Save writes the weights from the store into the component's folder below dir. Errors
// are those of [SaveWeights].
func (c Component) Save(store *nn.Store, dir string, dtype safetensors.DType) error {
	folder := filepath.Join(dir, c.Prefix)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("save weights: %w", err)
	}
	return SaveWeights(store, c.Prefix, filepath.Join(folder, c.Stem+".safetensors"), dtype)
}

// Bytes estimates what the weights take in memory: matrices in BF16, as the published
// files have them, and the rest in float32.
func (c Component) Bytes() (int64, error) {
	variables, err := c.Variables()
	total := int64(0)
	for _, v := range variables {
		width := int64(4)
		if len(v.Shape) == 2 {
			width = 2
		}
		total += width * int64(v.Size())
	}
	return total, err
}

// compare lists what of the file does not fit the network: missing tensors and wrong ones in the order in which the
// network asks for them, then unexpected ones by name.
func (c Component) compare(file *safetensors.File) (Problems, error) {
	variables, err := c.Variables()
	if err != nil {
		return nil, err
	}
	have := c.resolve(file)
	var problems Problems
	for _, v := range variables {
		problem, err := c.compareOne(file, v, have[v.Name])
		if err != nil {
			return nil, err
		}
		if problem.Kind != "" {
			problems = append(problems, problem)
		}
		delete(have, v.Name)
	}
	for _, name := range slices.Sorted(maps.Values(have)) {
		problems = append(problems, Problem{Component: c.Prefix, Kind: UnexpectedTensor, Tensor: name})
	}
	return problems, nil
}

// compareOne returns what is wrong with the tensor name of the file, "" if the file lacks it, or no problem.
func (c Component) compareOne(file *safetensors.File, want nn.Variable, name string) (Problem, error) {
	p := Problem{Component: c.Prefix, Tensor: want.Name}
	if name == "" {
		p.Kind = MissingTensor
		return p, nil
	}
	info, err := file.Info(name)
	if err != nil {
		return Problem{}, err
	}
	switch {
	case !slices.Equal(info.Shape, want.Shape):
		p.Kind, p.Have, p.Want = WrongShape, fmt.Sprint(info.Shape), fmt.Sprint(want.Shape)
	case !isFloat(info.DType):
		p.Kind, p.Have, p.Want = WrongDType, string(info.DType), "BF16, F16, F32 or F64"
	default:
		return Problem{}, nil
	}
	return p, nil
}
