package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Store holds named tensors: the weights of a model and, in training, the state of
// the optimizer. It is not safe for concurrent writes; programs that only read it may
// run concurrently.
type Store struct {
	tensors  map[string]*tensors.Tensor
	borrowed map[string]*borrowed // names that are not in tensors
	widened  map[string]*borrowed // tensors' originals, as long as the values are the same
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{tensors: map[string]*tensors.Tensor{}, borrowed: map[string]*borrowed{}, widened: map[string]*borrowed{}}
}

// Set copies values, row-major, into the store under name. A tensor of that name
// is replaced. [Store.SetInPlace] keeps them without a copy, [Store.SetStored] those of a
// file.
func (s *Store) Set(name string, values []float32, dims ...int) {
	s.put(name, tensors.FromFlatDataAndDimensions(values, dims...))
}

func (s *Store) put(name string, t *tensors.Tensor) {
	delete(s.borrowed, name)
	delete(s.widened, name)
	s.tensors[name] = t
}

// Has reports whether there is a tensor of that name.
func (s *Store) Has(name string) bool {
	_, ok := s.tensors[name]
	return ok || s.borrowed[name] != nil
}

// Names returns the names that begin with prefix, sorted.
func (s *Store) Names(prefix string) []string {
	var names []string
	for name := range s.tensors {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	for name := range s.borrowed {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Dims returns the dimensions of a tensor, nil if there is none of that name.
func (s *Store) Dims(name string) []int {
	if t, ok := s.tensors[name]; ok {
		return slices.Clone(t.Shape().Dimensions)
	}
	if w := s.borrowed[name]; w != nil {
		return slices.Clone(w.shape.Dimensions)
	}
	return nil
}

// Values returns a copy of a tensor's values, row-major.
func (s *Store) Values(name string) ([]float32, error) {
	if w := s.borrowed[name]; w != nil {
		values, err := w.float32s()
		return slices.Clone(values), err
	}
	t, ok := s.tensors[name]
	if !ok {
		return nil, fmt.Errorf("no tensor %q in the store", name)
	}
	if t.DType() != dtypes.Float32 {
		return nil, fmt.Errorf("tensor %q is %s, not float32", name, t.DType())
	}
	values, err := tensors.CopyFlatData[float32](t)
	if err != nil {
		return nil, fmt.Errorf("read tensor %q: %w", name, err)
	}
	return values, nil
}

// Delete removes the tensors whose names begin with prefix.
func (s *Store) Delete(prefix string) {
	for _, name := range s.Names(prefix) {
		delete(s.tensors, name)
		delete(s.borrowed, name)
		delete(s.widened, name)
	}
}

// CopyFrom copies the tensors of src whose names begin with prefix, replacing
// that prefix by newPrefix.
func (s *Store) CopyFrom(src *Store, prefix, newPrefix string) error {
	for _, name := range src.Names(prefix) {
		values, err := src.Values(name)
		if err != nil {
			return err
		}
		s.Set(newPrefix+strings.TrimPrefix(name, prefix), values, src.Dims(name)...)
	}
	return nil
}

// Parameters returns the number of values of the tensors whose names begin with
// prefix.
func (s *Store) Parameters(prefix string) int {
	n := 0
	for _, name := range s.Names(prefix) {
		n += size(s.Dims(name))
	}
	return n
}

// CheckFinite returns an error that names the first tensor whose name begins with
// prefix and that holds NaN or infinity.
func (s *Store) CheckFinite(prefix string) error {
	for _, name := range s.Names(prefix) {
		if w := s.borrowed[name]; w != nil && w.tensor != nil {
			if err := w.check(); err != nil {
				return err
			}
			continue
		}
		values, err := s.Values(name)
		if err != nil {
			return err
		}
		for i, v := range values {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("tensor %q holds %v at index %d", name, v, i)
			}
		}
	}
	return nil
}

// Share stores the tensor name of src under newName without a copy. Neither store
// may update it: an update reuses the memory of the old values.
func (s *Store) Share(src *Store, name, newName string) {
	if w := src.borrowed[name]; w != nil {
		delete(s.tensors, newName)
		delete(s.widened, newName)
		s.borrowed[newName] = w
		return
	}
	s.put(newName, src.tensors[name])
}
