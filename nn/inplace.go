package nn

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

// borrowed is a weight in memory that the store does not own, such as a mapped file. Programs read it there and never
// write it.
type borrowed struct {
	flat  any // []float32 or []bfloat16.BFloat16, row-major
	shape shapes.Shape

	mu sync.Mutex
	on map[compute.Backend]compute.Buffer
}

// lender is a backend whose buffers can use memory that it does not own, as package cpu's can.
type lender interface {
	BufferOverFlatData(flat any, shape shapes.Shape) (compute.Buffer, error)
}

// SetInPlace is [Store.Set] without a copy: values must not change as long as the store is used. A program that updates
// the weight works on a copy. A tensor of that name is replaced.
func (s *Store) SetInPlace(name string, values []float32, dims ...int) {
	s.borrow(name, values, shapes.Make(dtypes.Float32, dims...))
}

// SetBFloat16 keeps a weight in bfloat16 under name, without a copy: bits are row-major and must not change as long as
// the store is used. Graphs see the weight in float32. A program that trains ([Options.Seed]) converts it to float32 for
// good. A tensor of that name is replaced.
func (s *Store) SetBFloat16(name string, bits []uint16, dims ...int) {
	values := unsafe.Slice((*bfloat16.BFloat16)(unsafe.SliceData(bits)), len(bits))
	s.borrow(name, values, shapes.Make(dtypes.BFloat16, dims...))
}

func (s *Store) borrow(name string, flat any, shape shapes.Shape) {
	delete(s.tensors, name)
	delete(s.widened, name)
	s.borrowed[name] = &borrowed{flat: flat, shape: shape, on: map[compute.Backend]compute.Buffer{}}
}

// own replaces a borrowed weight by a tensor in float32 of the same values.
func (s *Store) own(name string) {
	if w := s.borrowed[name]; w != nil {
		s.Set(name, w.float32s(), w.shape.Dimensions...)
		s.widened[name] = w
	}
}

// buffer returns the values of a weight on a backend, for a program that reads it as dtype.
func (s *Store) buffer(name string, dtype dtypes.DType, b compute.Backend) (compute.Buffer, error) {
	w := s.borrowed[name]
	if w == nil && dtype == dtypes.BFloat16 {
		w = s.widened[name]
	}
	switch {
	case w != nil && w.shape.DType == dtype:
		return w.buffer(b)
	case dtype == dtypes.BFloat16:
		return nil, fmt.Errorf("weight %q has changed since the program was compiled, from bfloat16 to float32", name)
	}
	s.own(name)
	return s.tensors[name].Buffer(b, 0)
}

// float32s returns the values in float32. The slice is not to be changed.
func (w *borrowed) float32s() []float32 {
	if values, ok := w.flat.([]float32); ok {
		return values
	}
	bits := w.flat.([]bfloat16.BFloat16)
	all := make([]float32, len(bits))
	for i, v := range bits {
		all[i] = v.Float32()
	}
	return all
}

// buffer returns the weight on a backend: in place, or a copy that all programs on that backend share.
func (w *borrowed) buffer(b compute.Backend) (compute.Buffer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.on[b]; u != nil {
		return u, nil
	}
	var u compute.Buffer
	var err error
	if direct, ok := b.(lender); ok {
		u, err = direct.BufferOverFlatData(w.flat, w.shape)
	} else {
		u, err = b.BufferFromFlatData(0, w.flat, w.shape)
	}
	if err != nil {
		return nil, err
	}
	w.on[b] = u
	return u, nil
}
