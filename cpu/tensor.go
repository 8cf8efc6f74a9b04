package cpu

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// storageKind is where the bytes of a storage are during an execution.
type storageKind uint8

const (
	inArena    storageKind = iota // at a fixed offset of the arena of the execution
	inInput                       // the buffer of a parameter
	inConstant                    // constant bytes of the program
	inOutput                      // a new buffer for the caller
	inScratch                     // memory of a worker, for the current rows of a tape
)

// storage is a dense array of one dtype that a program reads or writes.
type storage struct {
	id    int
	dtype dtypes.DType
	elems int
	bytes int
	kind  storageKind

	index    int    // which input or output
	width    int    // of an input that is a matrix: elements of a row
	constant []byte // for inConstant
	offset   int    // for inArena, set by the memory plan
	first    int    // the step that writes it first
	last     int    // the last step that uses it
}

// tensor is the layout of a value in a storage: element (i0, i1, …) is at off + i0·strides[0] + i1·strides[1] + …
// Broadcast axes have stride 0. Reshape, Transpose, Slice, BroadcastInDim and Reverse make a new tensor over the same
// storage instead of moving data; kernels read through it.
type tensor struct {
	s       *storage
	off     int
	dims    []int
	strides []int
}

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// rowMajor returns the strides of a dense array.
func rowMajor(dims []int) []int {
	strides := make([]int, len(dims))
	n := 1
	for i := len(dims) - 1; i >= 0; i-- {
		strides[i] = n
		n *= dims[i]
	}
	return strides
}

func denseTensor(s *storage, dims []int) *tensor {
	return &tensor{s: s, dims: slices.Clone(dims), strides: rowMajor(dims)}
}

func (t *tensor) size() int { return product(t.dims) }

// dense reports whether the elements are contiguous and in order.
func (t *tensor) dense() bool {
	n := 1
	for i, v := range slices.Backward(t.dims) {
		if v != 1 && t.strides[i] != n {
			return false
		}
		n *= v
	}
	return true
}

// whole reports whether the tensor is all of its storage, in order.
func (t *tensor) whole() bool { return t.off == 0 && t.size() == t.s.elems && t.dense() }

// reshaped returns the tensor with other dimensions over the same elements in the same order, or nil if no strides
// express that.
func (t *tensor) reshaped(dims []int) *tensor {
	if t.size() == 0 || t.dense() {
		return &tensor{s: t.s, off: t.off, dims: slices.Clone(dims), strides: rowMajor(dims)}
	}
	old, oldStrides := mergeAxes(t.dims, t.strides)
	strides := make([]int, len(dims))
	o := len(old) - 1 // old axis from which new axes are cut, innermost first
	rest, step := 1, 0
	if o >= 0 {
		rest, step = old[o], oldStrides[o]
	}
	for i := len(dims) - 1; i >= 0; i-- {
		if dims[i] == 1 {
			continue
		}
		for rest == 1 && o > 0 {
			o--
			rest, step = old[o], oldStrides[o]
		}
		if rest%dims[i] != 0 {
			return nil
		}
		strides[i] = step
		rest /= dims[i]
		step *= dims[i]
	}
	return &tensor{s: t.s, off: t.off, dims: slices.Clone(dims), strides: strides}
}

// mergeAxes drops axes of dimension 1 and joins neighbours that are contiguous with each other.
func mergeAxes(dims, strides []int) (d, s []int) {
	for i, n := range dims {
		if n == 1 {
			continue
		}
		if k := len(d) - 1; k >= 0 && s[k] == n*strides[i] {
			d[k] *= n
			s[k] = strides[i]
			continue
		}
		d, s = append(d, n), append(s, strides[i])
	}
	return d, s
}

func dimsOf(s shapes.Shape) []int { return s.Dimensions }
