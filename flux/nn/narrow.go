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

// narrow is a weight in bfloat16 that lies where it was read from, such as a mapped
// file. Programs read it there; it is never written.
type narrow struct {
	values []bfloat16.BFloat16
	shape  shapes.Shape

	mu sync.Mutex
	on map[compute.Backend]compute.Buffer
}

// inPlace is a backend whose buffers can be other people's memory, as cpu's can.
type inPlace interface {
	BufferOverFlatData(flat any, shape shapes.Shape) (compute.Buffer, error)
}

// SetBFloat16 keeps a weight in bfloat16 under name, without a copy: bits are
// row-major and must stay as they are. Graphs see it in float32. A program that
// trains ([Options.Seed]) makes it float32 for good. A tensor of that name is replaced.
func (s *Store) SetBFloat16(name string, bits []uint16, dims ...int) {
	values := unsafe.Slice((*bfloat16.BFloat16)(unsafe.SliceData(bits)), len(bits))
	delete(s.tensors, name)
	delete(s.widened, name)
	s.narrow[name] = &narrow{values: values, shape: shapes.Make(dtypes.BFloat16, dims...), on: map[compute.Backend]compute.Buffer{}}
}

// widen makes a weight float32 if it is not.
func (s *Store) widen(name string) {
	if w := s.narrow[name]; w != nil {
		s.Set(name, w.float32s(), w.shape.Dimensions...)
		s.widened[name] = w
	}
}

// narrowBuffer returns a weight in bfloat16 for a program that was compiled with it so.
func (s *Store) narrowBuffer(name string, b compute.Backend) (compute.Buffer, error) {
	w := s.narrow[name]
	if w == nil {
		w = s.widened[name]
	}
	if w == nil {
		return nil, fmt.Errorf("weight %q has changed since the program was compiled, from bfloat16 to float32", name)
	}
	return w.buffer(b)
}

func (w *narrow) float32s() []float32 {
	all := make([]float32, len(w.values))
	for i, v := range w.values {
		all[i] = v.Float32()
	}
	return all
}

// buffer returns the weight on a backend: in place, or a copy that all programs there share.
func (w *narrow) buffer(b compute.Backend) (compute.Buffer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.on[b]; u != nil {
		return u, nil
	}
	var u compute.Buffer
	var err error
	if direct, ok := b.(inPlace); ok {
		u, err = direct.BufferOverFlatData(w.values, w.shape)
	} else {
		u, err = b.BufferFromFlatData(0, w.values, w.shape)
	}
	if err != nil {
		return nil, err
	}
	w.on[b] = u
	return u, nil
}
