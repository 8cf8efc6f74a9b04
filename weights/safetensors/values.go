package safetensors

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"reflectionflow/weights/internal/float"
	"reflectionflow/weights/internal/mapped"
)

// Bytes returns the tensor's data in the file, row-major and little-endian, without a
// copy. It must not be changed and is valid until Close.
func (f *File) Bytes(name string) ([]byte, error) {
	t, err := f.tensor(name)
	return t.data, err
}

// Float32 returns the tensor's values in row-major order, converted from F64, F32,
// F16 or BF16. Another type gives an error wrapping [reflectionflow.ErrInvalid]; that
// includes F8_E4M3 and F8_E5M2, because most files scale them (see [File.ReadRows]).
func (f *File) Float32(name string) ([]float32, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	values := make([]float32, len(t.data)/t.dtype.Size())
	known := true
	err = t.guard(func() { known = decodeFloats(values, t.data, t.dtype) })
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, t.invalid("is of type %s, not F64, F32, F16 or BF16", t.dtype)
	}
	return values, nil
}

// Float32InPlace is [File.Float32] without a copy where the tensor is F32 and the
// processor can read it where it lies in the file; lent reports that. The values
// are then not to be changed and valid until Close, and the process dies if the
// file is cut short while they are used.
func (f *File) Float32InPlace(name string) (values []float32, lent bool, err error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, false, err
	}
	if t.dtype == F32 {
		if values, ok := inPlace[float32](t.data); ok {
			return values, true, nil
		}
	}
	values, err = f.Float32(name)
	return values, false, err
}

// BFloat16 returns the bits of a BF16 tensor in row-major order: without a copy
// where the processor can read them where they lie in the file, which lent
// reports, as [File.Float32InPlace] does. Another type gives an error wrapping
// [reflectionflow.ErrInvalid].
func (f *File) BFloat16(name string) (bits []uint16, lent bool, err error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, false, err
	}
	if t.dtype != BF16 {
		return nil, false, t.invalid("is of type %s, not BF16", t.dtype)
	}
	if bits, ok := inPlace[uint16](t.data); ok {
		return bits, true, nil
	}
	bits = make([]uint16, len(t.data)/2)
	err = t.guard(func() {
		for i := range bits {
			bits[i] = binary.LittleEndian.Uint16(t.data[2*i:])
		}
	})
	return bits, false, err
}

// inPlace views little-endian data as numbers, if the processor is little-endian
// and the data is aligned.
func inPlace[T float32 | uint16](data []byte) ([]T, bool) {
	size := unsafe.Sizeof(*new(T))
	n, first := len(data)/int(size), unsafe.Pointer(unsafe.SliceData(data))
	if n == 0 || uintptr(first)%size != 0 || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, false
	}
	return unsafe.Slice((*T)(first), n), true
}

// Float32Shape is [File.Float32] for a tensor of a known shape; another shape gives an
// error wrapping [reflectionflow.ErrInvalid].
func (f *File) Float32Shape(name string, shape ...int) ([]float32, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(t.shape, shape) {
		return nil, t.invalid("has shape %v, the model needs %v", t.shape, shape)
	}
	return f.Float32(name)
}

// ReadRows decodes rows of a tensor into dst, beginning with the given row. A row is
// everything at one index of the outermost dimension; a vector or a scalar is one row.
// The length of dst must be a multiple of [Info.RowLength].
//
// It reads the types of [File.Float32], and F8_E4M3 and F8_E5M2 as stored: package
// weights applies the scales that other tensors of a file hold for them. Other types,
// and rows that the tensor does not have, give an error wrapping
// [reflectionflow.ErrInvalid].
func (f *File) ReadRows(dst []float32, name string, row int) error {
	t, err := f.tensor(name)
	if err != nil {
		return err
	}
	info := Info{Shape: t.shape}
	length, rows := info.RowLength(), info.Rows()
	switch {
	case row < 0 || row > rows || length <= 0 && len(dst) > 0 || length > 0 && (len(dst)%length != 0 || len(dst)/length > rows-row):
		return t.invalid("has %d rows of %d elements: %d elements from row %d on cannot be read", rows, length, len(dst), row)
	case !t.dtype.decodes():
		return t.invalid("is of type %s, which cannot be read as numbers", t.dtype)
	}
	size := t.dtype.Size()
	data := t.data[row*length*size:][:len(dst)*size]
	return t.guard(func() { t.dtype.DecodeAt(dst, data, 0) })
}

// decodes reports whether ReadRows knows the type.
func (d DType) decodes() bool { return d.Float() && d != F8E8M0 }

// DecodeAt decodes elements of a tensor of a type that [File.ReadRows] reads, from the
// element begin on. It panics if data does not hold them.
func (d DType) DecodeAt(dst []float32, data []byte, begin int) {
	size := d.Size()
	data = data[begin*size:][:len(dst)*size]
	if !decodeFloats(dst, data, d) {
		decodeFloat8(dst, data, d)
	}
}

// decodeFloat8 fills values from data of an 8-bit type.
func decodeFloat8(values []float32, data []byte, dtype DType) {
	if dtype == F8E5M2 {
		float.WidenF8E5M2(values, data)
		return
	}
	float.WidenF8E4M3(values, data)
}

// decodeFloats fills values from data and reports whether it knows the type.
func decodeFloats(values []float32, data []byte, dtype DType) bool {
	switch dtype {
	case F32:
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case BF16:
		float.WidenBF16(values, data)
	case F16:
		float.WidenF16(values, data)
	case F64:
		for i := range values {
			values[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
	default:
		return false
	}
	return true
}

// Int64 returns the values of a tensor of type I64, I32 or U8 in row-major order.
// Another type gives an error wrapping [reflectionflow.ErrInvalid].
func (f *File) Int64(name string) ([]int64, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	values := make([]int64, len(t.data)/t.dtype.Size())
	known := true
	err = t.guard(func() { known = decodeIntegers(values, t.data, t.dtype) })
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, t.invalid("is of type %s, not of type I64, I32 or U8", t.dtype)
	}
	return values, nil
}

// decodeIntegers fills values from data and reports whether it knows the type.
func decodeIntegers(values []int64, data []byte, dtype DType) bool {
	switch dtype {
	case I64:
		for i := range values {
			values[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		}
	case I32:
		for i := range values {
			values[i] = int64(int32(binary.LittleEndian.Uint32(data[4*i:])))
		}
	case U8:
		for i := range values {
			values[i] = int64(data[i])
		}
	default:
		return false
	}
	return true
}

// CheckFinite reports the first NaN or infinity of the tensor, with its row-major
// index, as an error wrapping [reflectionflow.ErrInvalid]. Integers are finite.
func (f *File) CheckFinite(name string) error {
	t, err := f.tensor(name)
	if err != nil {
		return err
	}
	at := -1
	if err := t.guard(func() { at = t.dtype.FirstNotFinite(t.data) }); err != nil {
		return err
	}
	if at < 0 {
		return nil
	}
	return t.invalid("holds a value that is not finite, at index %d of %d: the file is damaged or its training diverged", at, len(t.data)/t.dtype.Size())
}

// FirstNotFinite returns the index of the first element in data that is a NaN or an
// infinity, or -1.
func (d DType) FirstNotFinite(data []byte) int {
	size := d.Size()
	switch d {
	case F8E4M3, F8E5M2, F8E8M0:
		return slices.IndexFunc(data, func(b byte) bool {
			return d == F8E8M0 && b == 0xff || d == F8E4M3 && b&0x7f == 0x7f || d == F8E5M2 && b&0x7c == 0x7c
		})
	case F32:
		return float.FirstNotFinite32(data)
	case F16:
		return float.FirstNotFinite16(data, 0x7c00)
	case BF16:
		return float.FirstNotFinite16(data, 0x7f80)
	case F64:
		const mask = 0x7ff0000000000000
		for i := 0; i < len(data); i += size {
			if binary.LittleEndian.Uint64(data[i:])&mask == mask {
				return i / size
			}
		}
	}
	return -1
}

// guard calls read and turns a memory fault into an error about the tensor.
func (t tensor) guard(read func()) error {
	if err := mapped.Guard(read); err != nil {
		return t.invalid("%v", err)
	}
	return nil
}
