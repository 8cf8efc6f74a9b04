package nn

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"

	"reflectionflow/cpu"
	"reflectionflow/weights"
)

// borrowed is a weight in memory that the store does not own, such as a mapped file. Programs read it there and never
// write it.
type borrowed struct {
	shape  shapes.Shape    // of the parameter of a program that does not train
	flat   any             // []float32 or []bfloat16.BFloat16, row-major; nil if only tensor can read the values
	tensor *weights.Tensor // nil for values that are in memory

	mu sync.Mutex
	on map[place]compute.Buffer

	checking sync.Mutex
	checked  bool // the values are finite
}

// place is where a weight is a buffer, and of which type. A program that reads the whole weight, and not only some rows,
// has its values checked.
type place struct {
	backend compute.Backend
	dtype   dtypes.DType
	whole   bool
}

// shapeOn returns the shape of the parameter on a backend of a program that does not train.
func (w *borrowed) shapeOn(b compute.Backend) shapes.Shape {
	shape := w.shape
	if w.tensor != nil && shape.Rank() == 2 && narrows(b) {
		shape.DType = dtypes.BFloat16
	}
	return shape
}

// lender is a backend whose buffers can use memory that it does not own, as package cpu's can.
type lender interface {
	BufferOverFlatData(flat any, shape shapes.Shape) (compute.Buffer, error)
	BufferOverRows(rows cpu.Rows, shape shapes.Shape) (compute.Buffer, error)
	Announce(lent compute.Buffer, owner cpu.Owner) error
}

// SetInPlace is [Store.Set] without a copy: values must not change as long as the store is used. A program that updates
// the weight works on a copy. A tensor of that name is replaced.
func (s *Store) SetInPlace(name string, values []float32, dims ...int) {
	s.borrow(name, &borrowed{flat: values, shape: shapes.Make(dtypes.Float32, dims...)})
}

// SetBFloat16 keeps a weight in bfloat16 under name, without a copy: bits are row-major and must not change as long as
// the store is used. Graphs see the weight in float32. A program that trains ([Options.Seed]) converts it to float32 for
// good. A tensor of that name is replaced.
func (s *Store) SetBFloat16(name string, bits []uint16, dims ...int) {
	s.borrow(name, &borrowed{flat: bfloats16(bits), shape: shapes.Make(dtypes.BFloat16, dims...)})
}

func bfloats16(bits []uint16) []bfloat16.BFloat16 {
	return unsafe.Slice((*bfloat16.BFloat16)(unsafe.SliceData(bits)), len(bits))
}

func (s *Store) borrow(name string, w *borrowed) {
	delete(s.tensors, name)
	delete(s.widened, name)
	w.on = map[place]compute.Buffer{}
	s.borrowed[name] = w
}

// own replaces a borrowed weight by a tensor in float32 of the same values.
func (s *Store) own(name string) error {
	w := s.borrowed[name]
	if w == nil {
		return nil
	}
	err := w.check()
	if err != nil {
		return err
	}
	values, err := w.float32s()
	if err != nil {
		return err
	}
	s.Set(name, values, w.shape.Dimensions...)
	s.widened[name] = w
	return nil
}

// buffer returns the values of a weight at a place.
func (s *Store) buffer(name string, at place) (compute.Buffer, error) {
	w := s.borrowed[name]
	if w == nil && at.dtype == dtypes.BFloat16 {
		w = s.widened[name]
	}
	switch {
	case w != nil && (w.shape.DType == at.dtype || w.tensor != nil):
		return w.buffer(at)
	case at.dtype == dtypes.BFloat16:
		return nil, fmt.Errorf("weight %q has changed since the program was compiled, from bfloat16 to float32", name)
	}
	if err := s.own(name); err != nil {
		return nil, err
	}
	return s.tensors[name].Buffer(at.backend, 0)
}

// float32s returns the values in float32. The slice is not to be changed.
func (w *borrowed) float32s() ([]float32, error) {
	switch flat := w.flat.(type) {
	case []float32:
		return flat, nil
	case []bfloat16.BFloat16:
		if w.tensor != nil {
			break
		}
		all := make([]float32, len(flat))
		for i, v := range flat {
			all[i] = v.Float32()
		}
		return all, nil
	}
	return w.tensor.Values()
}

// converted returns the values as a slice of float32 or bfloat16.
func (w *borrowed) converted(dtype dtypes.DType) (any, error) {
	if dtype != dtypes.BFloat16 {
		return w.float32s()
	}
	bits, err := w.tensor.BFloat16Values()
	return bfloats16(bits), err
}

// buffer returns the weight at a place: in place, or a copy that all programs there share.
func (w *borrowed) buffer(at place) (compute.Buffer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	direct, isDirect := at.backend.(lender)
	at.whole = at.whole && isDirect && w.tensor != nil
	if u := w.on[at]; u != nil {
		return u, nil
	}
	u, err := w.newBuffer(at.backend, shapes.Make(at.dtype, w.shape.Dimensions...))
	if err == nil && at.whole {
		err = direct.Announce(u, w)
	}
	if err != nil {
		return nil, err
	}
	w.on[at] = u
	return u, nil
}

func (w *borrowed) newBuffer(b compute.Backend, shape shapes.Shape) (compute.Buffer, error) {
	direct, isDirect := b.(lender)
	flat := w.flat
	if flat == nil || shape.DType != w.shape.DType {
		if isDirect && shape.Rank() == 2 {
			return direct.BufferOverRows(rowsOf{w.tensor}, shape)
		}
		values, err := w.converted(shape.DType)
		if err != nil {
			return nil, err
		}
		flat = values
	}
	if isDirect {
		return direct.BufferOverFlatData(flat, shape)
	}
	return b.BufferFromFlatData(0, flat, shape)
}
