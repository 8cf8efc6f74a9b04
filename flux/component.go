package flux

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/layout"
	"reflectionflow/weights/safetensors"
)

// Component is one network of a folder.
type Component struct {
	Prefix string // the subfolder, and the prefix of the weights in a store
	Stem   string // of the weight file, see [LoadWeights]
	// Variables lists the weights that the network needs, without the prefix.
	Variables func() ([]nn.Variable, error)
	// Layout gives the tensors of a file the names and the layout of the network,
	// whatever program wrote it; see package layout. nil keeps all names.
	Layout layout.Func
}

// Check compares the weight file with what the network needs: the name, the shape and
// the type of every tensor. It reads the header only. A file that cannot be read is an
// error; what does not fit is in the list.
func (c Component) Check(files Files) (Problems, error) {
	source, file, err := files.open(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Prefix, err)
	}
	found, err := c.CheckSource(source)
	return found, errors.Join(err, file.Close())
}

// Open opens the weights of the network, under the names that it asks for. The source is
// valid until it is closed.
func (c Component) Open(files Files) (weights.Source, io.Closer, error) {
	source, file, err := files.open(c)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Prefix, err)
	}
	laid, err := c.laid(source)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return laid, file, nil
}

// CheckSource is [Component.Check] for an open file.
func (c Component) CheckSource(source weights.Source) (Problems, error) {
	laid, err := c.laid(source)
	if err != nil {
		return nil, err
	}
	return c.compare(laid)
}

// Load adds the weights to the store, below the prefix. A tensor that is missing or of
// another shape or type than the network needs gives an error wrapping
// [reflectionflow.ErrInvalid]; so do the errors of [LoadWeights]. Tensors that the
// network does not need are left out.
func (c Component) Load(store *nn.Store, files Files) error {
	source, file, err := files.open(c)
	if err != nil {
		return fmt.Errorf("%s: load weights: %w", c.Prefix, err)
	}
	if err := c.LoadSource(store, source); err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

// LoadSource is [Component.Load] for an open file, which must stay open as long as the
// store is used.
func (c Component) LoadSource(store *nn.Store, source weights.Source) error {
	laid, err := c.laid(source)
	if err != nil {
		return err
	}
	problems, err := c.compare(laid)
	if err == nil {
		if err = problems.Serious().Err(); err != nil {
			err = problems.Err() // unexpected names say of what kind the file is
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Prefix, err)
	}
	needed := map[string][]weights.Cut{}
	for _, name := range laid.Names() {
		needed[name] = []weights.Cut{{From: name}}
	}
	for _, p := range problems { // unexpected ones
		delete(needed, p.Tensor)
	}
	view, err := weights.NewView(laid, needed)
	if err == nil {
		err = store.AddSource(c.Prefix, view)
	}
	if err != nil {
		return fmt.Errorf("%s: load weights: %w", c.Prefix, err)
	}
	return nil
}

// laid returns the tensors of a file in the layout of the network.
func (c Component) laid(source weights.Source) (weights.Source, error) {
	if c.Layout == nil {
		return source, nil
	}
	laid, err := c.Layout(source)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Prefix, err)
	}
	return laid, nil
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

// compare lists what of the tensors does not fit the network: missing tensors and wrong ones in the order in which the
// network asks for them, then unexpected ones by name.
func (c Component) compare(laid weights.Source) (Problems, error) {
	variables, err := c.Variables()
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, name := range laid.Names() {
		have[name] = true
	}
	dtypes, err := commonTypes(laid)
	if err != nil {
		return nil, err
	}
	var problems Problems
	for _, v := range variables {
		p := Problem{Component: c.Prefix, Tensor: v.Name, Kind: MissingTensor, Want: fmt.Sprint(v.Shape, " ", dtypes.of(v.Shape))}
		if have[v.Name] {
			p.Want = ""
			info, err := laid.Info(v.Name)
			if err != nil {
				return nil, err
			}
			p.compare(info, v)
		}
		if p.Kind != "" {
			problems = append(problems, p)
		}
		delete(have, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		problems = append(problems, Problem{Component: c.Prefix, Kind: UnexpectedTensor, Tensor: name})
	}
	return problems, nil
}

// rankTypes are the types of a file's tensors, by number of dimensions.
type rankTypes map[int]map[string]int

// commonTypes counts the types that floating-point tensors are stored in.
func commonTypes(source weights.Source) (rankTypes, error) {
	counts := rankTypes{}
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return nil, err
		}
		if !info.Float() {
			continue
		}
		rank := len(info.Shape)
		if counts[rank] == nil {
			counts[rank] = map[string]int{}
		}
		counts[rank][info.Type]++
	}
	return counts, nil
}

// CommonType returns the type that most tensors of so many dimensions are stored in, BF16 if there are none.
func CommonType(source weights.Source, dimensions int) string {
	counts, err := commonTypes(source)
	if err != nil {
		return (rankTypes{}).of(nil)
	}
	return counts.of(make([]int, dimensions))
}

// of returns the type that most tensors like one of that shape have, which another writer of the file would have used;
// BF16, as models are published, if there is none. Networks take any.
func (r rankTypes) of(shape []int) string {
	best, most := "BF16", 0
	for _, name := range slices.Sorted(maps.Keys(r[len(shape)])) {
		if n := r[len(shape)][name]; n > most {
			best, most = name, n
		}
	}
	return best
}

// compare says what is wrong with a tensor that is there; Kind is "" if nothing is.
func (p *Problem) compare(have weights.Info, want nn.Variable) {
	switch {
	case !slices.Equal(have.Shape, want.Shape):
		p.Kind, p.Have, p.Want = WrongShape, fmt.Sprint(have.Shape), fmt.Sprint(want.Shape)
	case !have.Float():
		p.Kind, p.Have, p.Want = WrongDType, have.Type, "floating-point numbers"
	default:
		p.Kind = ""
	}
}

// Components are the networks of a model.
type Components []Component

// Load reads the weights of all networks into the store, each below its prefix; see
// [Component.Load].
func (all Components) Load(store *nn.Store, files Files) error {
	for _, c := range all {
		if err := c.Load(store, files); err != nil {
			return err
		}
	}
	return nil
}

// Check compares the weight files of all networks with what they need; see
// [Component.Check].
func (all Components) Check(files Files) (Problems, error) {
	var problems Problems
	for _, c := range all {
		found, err := c.Check(files)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	return problems, nil
}
