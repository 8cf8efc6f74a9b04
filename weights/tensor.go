package weights

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"reflectionflow"
	"reflectionflow/weights/internal/float"
	"reflectionflow/weights/internal/mapped"
	"reflectionflow/weights/safetensors"
)

// Tensor is a tensor of a Source that is read where it lies: in the mapped file, as it is
// stored. It is valid until the file is closed. Its methods may be called from several
// goroutines.
type Tensor struct {
	info  Info
	width int // elements at one index of the outermost dimension; 1 for a vector
	parts []part
}

// part are consecutive rows of a tensor that lie together.
type part struct {
	file   string
	data   []byte // of the whole stored tensor
	first  int    // the element of data with which the rows begin
	rows   int
	coding coding
	scale  []float32 // nil, one for all rows, or one per row
}

// coding is a stored type: DecodeAt decodes elements from begin on, FirstNotFinite
// returns the index of an element that is not finite, or -1, and Block the elements and
// bytes of a block.
type coding interface {
	DecodeAt(dst []float32, data []byte, begin int)
	FirstNotFinite(data []byte) int
	Block() (elements, bytes int)
}

// finder is a Source that has its tensors in memory, as all of this package do.
type finder interface {
	find(name string) (*Tensor, error)
}

func (f *File) find(name string) (*Tensor, error) { return Find(f.Source, name) }

func (s safetensorsSource) find(name string) (*Tensor, error) {
	info, err := s.Info(name)
	if err != nil {
		return nil, err
	}
	kind := safetensors.DType(info.Type)
	if !kind.Float() || kind == safetensors.F8E8M0 {
		return nil, fmt.Errorf("%w: %s: tensor %q is of type %s, which cannot be read as numbers", reflectionflow.ErrInvalid, s.Name(), name, kind)
	}
	data, err := s.Bytes(name)
	if err != nil {
		return nil, err
	}
	return newTensor(info, part{file: s.Name(), data: data, coding: element{kind}}), nil
}

// element is the coding of a safetensors type, which has no blocks.
type element struct{ safetensors.DType }

func (e element) Block() (elements, bytes int) { return 1, e.Size() }

func (s ggufSource) find(name string) (*Tensor, error) {
	stored, err := s.File.Info(name)
	if err != nil {
		return nil, err
	}
	data, err := s.Bytes(name)
	if err != nil {
		return nil, err
	}
	info := Info{Name: name, Type: stored.Type.String(), Shape: stored.Shape}
	return newTensor(info, part{file: s.Name(), data: data, coding: stored.Type}), nil
}

// elsewhere is the coding of a tensor of another package's Source.
type elsewhere struct {
	source Source
	info   Info
}

func (e elsewhere) Block() (elements, bytes int) { return 1, 0 }

func (e elsewhere) FirstNotFinite([]byte) int { return -1 }

func (e elsewhere) DecodeAt(dst []float32, _ []byte, begin int) {
	if len(dst) == 0 {
		return
	}
	length := e.info.RowLength()
	first, end := begin/length, (begin+len(dst)+length-1)/length
	rows := make([]float32, (end-first)*length)
	if err := e.source.ReadRows(rows, e.info.Name, first); err != nil {
		panic(err)
	}
	copy(dst, rows[begin-first*length:])
}

// Find returns a tensor of a source, ready to be read in place. A name that is not there,
// and a type that is not numeric, give an error wrapping [reflectionflow.ErrInvalid].
func Find(source Source, name string) (*Tensor, error) {
	if s, ok := source.(finder); ok {
		return s.find(name)
	}
	info, err := source.Info(name)
	if err != nil {
		return nil, err
	}
	return newTensor(info, part{coding: elsewhere{source, info}}), nil
}

// newTensor makes a tensor that consists of one part.
func newTensor(info Info, p part) *Tensor {
	t := &Tensor{info: info}
	p.rows, t.width = 1, 1
	if len(info.Shape) > 0 {
		p.rows = info.Shape[0]
		t.width = Info{Shape: info.Shape[1:]}.Elements()
	}
	t.parts = []part{p}
	return t
}

// Info describes the tensor.
func (t *Tensor) Info() Info {
	info := t.info
	info.Shape = slices.Clone(info.Shape)
	return info
}

// Bytes returns the size of the tensor as it is stored.
func (t *Tensor) Bytes() int {
	n := 0
	for _, p := range t.parts {
		n += len(p.stored(t.width))
	}
	return n
}

// ReadRow converts elements of a row of a matrix, or of what is at one index of the
// outermost dimension, from the given column on. It panics for elements that the tensor
// does not have, and for memory that cannot be read: with [debug.SetPanicOnFault] as that
// does.
func (t *Tensor) ReadRow(dst []float32, row, column int) {
	if column+len(dst) > t.width {
		panic(fmt.Sprintf("tensor %q has rows of %d elements: there are no %d from %d on", t.info.Name, t.width, len(dst), column))
	}
	for i := range t.parts {
		p := &t.parts[i]
		if row < p.rows {
			p.read(dst, row, t.width, column)
			return
		}
		row -= p.rows
	}
	panic(fmt.Sprintf("tensor %q has no %d more rows", t.info.Name, row+1))
}

// read converts elements of a row.
func (p *part) read(dst []float32, row, width, column int) {
	p.coding.DecodeAt(dst, p.data, p.first+row*width+column)
	if len(p.scale) == 0 {
		return
	}
	float.Scale(dst, p.scale[min(row, len(p.scale)-1)])
}

// Values converts the whole tensor to float32. An error says that the file cannot be read
// any more.
func (t *Tensor) Values() ([]float32, error) {
	values := make([]float32, t.info.Elements())
	rest := values
	for i := range t.parts {
		p := &t.parts[i]
		fault := mapped.Guard(func() {
			for row, n := 0, p.run(); row < p.rows; row += n {
				n = min(n, p.rows-row)
				p.read(rest[:n*t.width], row, t.width, 0)
				rest = rest[n*t.width:]
			}
		})
		if fault != nil {
			return nil, t.fault(p, fault)
		}
	}
	return values, nil
}

// chunkElements is how many elements BFloat16Values converts at a time.
const chunkElements = 1 << 16

// BFloat16Values converts the whole tensor to bfloat16, rounded to the nearest and ties to
// even, on all processors and without all values in float32 at once. Errors are those of
// [Tensor.Values].
func (t *Tensor) BFloat16Values() ([]uint16, error) {
	bits := make([]uint16, t.info.Elements())
	rest := bits
	for i := range t.parts {
		p := &t.parts[i]
		if err := p.round(rest[:p.rows*t.width], t.width); err != nil {
			return nil, t.fault(p, err)
		}
		rest = rest[p.rows*t.width:]
	}
	return bits, nil
}

// round converts all rows of the part to bfloat16.
func (p *part) round(dst []uint16, width int) error {
	step := min(p.run(), max(1, chunkElements/max(1, width)))
	chunks := (p.rows + step - 1) / step
	errs := make([]error, min(runtime.GOMAXPROCS(0), chunks))
	var next atomic.Int64
	var all sync.WaitGroup
	for worker := range errs {
		all.Go(func() {
			values := make([]float32, step*width)
			errs[worker] = mapped.Guard(func() {
				for c := int(next.Add(1)) - 1; c < chunks; c = int(next.Add(1)) - 1 {
					row, end := c*step, min((c+1)*step, p.rows)
					part := values[:(end-row)*width]
					p.read(part, row, width, 0)
					for i, v := range part {
						dst[row*width+i] = float.ToBF16(v)
					}
				}
			})
		})
	}
	all.Wait()
	return cmp.Or(errs...)
}

// run returns how many rows may be converted at once.
func (p *part) run() int {
	if len(p.scale) > 1 {
		return 1
	}
	return max(1, p.rows)
}

// Float32 returns the values without a copy, if they are stored as such.
func (t *Tensor) Float32() ([]float32, bool) { return inPlace[float32](t, "F32") }

// BFloat16 returns the bits of a tensor in bfloat16 without a copy, if they are stored as
// such.
func (t *Tensor) BFloat16() ([]uint16, bool) { return inPlace[uint16](t, "BF16") }

// inPlace views the data of a type as numbers, if it lies together, is aligned, and the
// processor is little-endian.
func inPlace[T float32 | uint16](t *Tensor, kind string) ([]T, bool) {
	if t.info.Type != kind || len(t.parts) != 1 {
		return nil, false
	}
	p := t.parts[0]
	if p.scale != nil || p.data == nil {
		return nil, false
	}
	size := int(unsafe.Sizeof(*new(T)))
	data := p.stored(t.width)
	first := unsafe.Pointer(unsafe.SliceData(data))
	if len(data) == 0 || uintptr(first)%uintptr(size) != 0 || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, false
	}
	return unsafe.Slice((*T)(first), len(data)/size), true
}

// stored returns the bytes of the part, with those of blocks that it has in part.
func (p *part) stored(width int) []byte {
	elements, size := p.coding.Block()
	if size == 0 {
		return nil
	}
	end := p.first + p.rows*width
	return p.data[p.first/elements*size : (end+elements-1)/elements*size]
}

// CheckFinite reports a value that is not finite, as an error wrapping
// [reflectionflow.ErrInvalid].
func (t *Tensor) CheckFinite() error {
	for i := range t.parts {
		p := &t.parts[i]
		at, err := p.firstNotFinite(t.width)
		if err != nil {
			return t.fault(p, err)
		}
		if at >= 0 {
			return fmt.Errorf("%w: %stensor %q holds a value that is not finite, at index %d of %d: the file is damaged or its training diverged", reflectionflow.ErrInvalid, p.prefix(), t.info.Name, at, t.info.Elements())
		}
	}
	return nil
}

// checkedBytes is about how many bytes CheckFinite gives a goroutine at a time.
const checkedBytes = 1 << 20

// firstNotFinite returns the index of the first element that is not finite, or -1. It reads on all processors.
func (p *part) firstNotFinite(width int) (int, error) {
	data := p.stored(width)
	elements, size := p.coding.Block()
	if len(data) <= checkedBytes {
		at := -1
		err := mapped.Guard(func() { at = p.coding.FirstNotFinite(data) })
		return at, err
	}
	step := checkedBytes / size * size
	chunks := (len(data) + step - 1) / step
	errs := make([]error, min(runtime.GOMAXPROCS(0), chunks))
	first := int64(math.MaxInt64)
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	for worker := range errs {
		all.Go(func() {
			errs[worker] = mapped.Guard(func() {
				for c := int(next.Add(1)) - 1; c < chunks; c = int(next.Add(1)) - 1 {
					at := p.coding.FirstNotFinite(data[c*step : min((c+1)*step, len(data))])
					if at < 0 {
						continue
					}
					mu.Lock()
					first = min(first, int64(c*step/size*elements+at))
					mu.Unlock()
					return // the chunks before it have been taken
				}
			})
		})
	}
	all.Wait()
	if err := cmp.Or(errs...); err != nil {
		return -1, err
	}
	if first == math.MaxInt64 {
		return -1, nil
	}
	return int(first), nil
}

func (p *part) prefix() string {
	if p.file == "" {
		return ""
	}
	return p.file + ": "
}

// fault adds the names of tensor and file to an error of reading.
func (t *Tensor) fault(p *part, err error) error {
	return fmt.Errorf("%w: %stensor %q %w", reflectionflow.ErrInvalid, p.prefix(), t.info.Name, err)
}

// Release gives the memory of the tensor back to the system. Reading it again is slower and
// gives the same values.
func (t *Tensor) Release() {
	for i := range t.parts {
		mapped.Release(t.parts[i].stored(t.width))
	}
}

// cut returns a tensor that consists of the rows begin to before end of this one.
func (t *Tensor) cut(begin, end int) []part {
	var parts []part
	for _, p := range t.parts {
		from, to := max(begin, 0), min(end, p.rows)
		begin, end = begin-p.rows, end-p.rows
		if from >= to {
			continue
		}
		p.first, p.rows = p.first+from*t.width, to-from
		if len(p.scale) > 1 {
			p.scale = p.scale[from:to]
		}
		parts = append(parts, p)
	}
	return parts
}
