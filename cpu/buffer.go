package cpu

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// buffer implements [compute.Buffer]: a shape, and memory that it owns or that the caller lends.
type buffer struct {
	backend *Backend
	shape   shapes.Shape
	bytes   []byte  // exactly the bytes of the shape
	flat    any     // the same memory as a slice of the Go type of the dtype
	lent    bool    // the memory is the caller's and never reused
	rows    Rows    // computes the values, instead of bytes
	owner   Owner   // of lent memory; may be nil
	kept    keeping // of lent memory
	dead    atomic.Bool
}

var _ compute.Buffer = (*buffer)(nil)

func byteSize(s shapes.Shape) int { return s.DType.SizeForDimensions(s.Size()) }

// newBuffer returns a buffer of the shape with undefined content.
func (b *Backend) newBuffer(shape shapes.Shape) *buffer {
	n := byteSize(shape)
	raw := b.memory.get(n)
	return &buffer{backend: b, shape: shape.Clone(), bytes: raw, flat: flatOf(raw, shape)}
}

func flatOf(raw []byte, shape shapes.Shape) any {
	if shape.Size() == 0 {
		return dtypes.MakeAnySlice(shape.DType, 0)
	}
	return dtypes.UnsafeAnySliceFromBytes(unsafe.Pointer(unsafe.SliceData(raw)), shape.DType, shape.Size())
}

// checkFlat verifies that flat is a slice of the Go type of the shape's dtype with enough elements.
func checkFlat(flat any, shape shapes.Shape) error {
	v := reflect.ValueOf(flat)
	if v.Kind() != reflect.Slice {
		return fmt.Errorf("cpu: flat data must be a slice, got %T", flat)
	}
	want := shape.DType.GoType()
	if shape.DType.IsPacked() {
		want = reflect.TypeFor[byte]()
	}
	if v.Type().Elem() != want {
		return fmt.Errorf("cpu: flat data is %T, but the shape is %s", flat, shape)
	}
	if have := v.Len() * int(v.Type().Elem().Size()); have != byteSize(shape) {
		return fmt.Errorf("cpu: flat data has %d elements (%d bytes), but the shape %s takes %d bytes",
			v.Len(), have, shape, byteSize(shape))
	}
	return nil
}

// BufferFromFlatData copies flat, a slice of the Go type of the shape's dtype, into a new buffer.
func (b *Backend) BufferFromFlatData(device compute.DeviceNum, flat any, shape shapes.Shape) (compute.Buffer, error) {
	if err := b.check(device, shape); err != nil {
		return nil, err
	}
	if err := checkFlat(flat, shape); err != nil {
		return nil, err
	}
	if err := b.memory.room("a buffer of shape "+shape.String(), byteSize(shape)); err != nil {
		return nil, err
	}
	buf := b.newBuffer(shape)
	copy(buf.bytes, dtypes.UnsafeByteSliceFromAny(flat))
	return buf, nil
}

// BufferOverFlatData returns a buffer that uses the memory of flat without a copy, for instance weights in a mapped
// file. The caller keeps flat alive and unchanged until the buffer is finalized and no execution uses it. The memory
// is only read, never written; it may be read-only.
func (b *Backend) BufferOverFlatData(flat any, shape shapes.Shape) (compute.Buffer, error) {
	if err := b.check(0, shape); err != nil {
		return nil, err
	}
	if err := checkFlat(flat, shape); err != nil {
		return nil, err
	}
	return &buffer{backend: b, shape: shape.Clone(), bytes: dtypes.UnsafeByteSliceFromAny(flat), flat: flat, lent: true}, nil
}

// NewSharedBuffer returns a zeroed buffer and its memory, which the caller may read and write while no execution
// uses it.
func (b *Backend) NewSharedBuffer(device compute.DeviceNum, shape shapes.Shape) (compute.Buffer, any, error) {
	if err := b.check(device, shape); err != nil {
		return nil, nil, err
	}
	if err := b.memory.room("a buffer of shape "+shape.String(), byteSize(shape)); err != nil {
		return nil, nil, err
	}
	buf := b.newBuffer(shape)
	clear(buf.bytes)
	return buf, buf.flat, nil
}

// Backend returns the backend that owns the buffer.
func (u *buffer) Backend() compute.Backend { return u.backend }

// Finalize returns the memory for reuse. It does nothing on a buffer that is finalized or donated already.
func (u *buffer) Finalize() error {
	if u == nil {
		return errors.New("cpu: finalize of a nil buffer")
	}
	if !u.dead.CompareAndSwap(false, true) {
		return nil
	}
	if !u.lent && !u.backend.finalized.Load() {
		u.backend.memory.put(u.bytes)
	}
	u.kept.drop(&u.backend.kept)
	u.bytes, u.flat = nil, nil
	if u.backend.finalized.Load() {
		return errFinalized
	}
	return nil
}

func (u *buffer) alive() error {
	if u.dead.Load() {
		return errors.New("cpu: the buffer is finalized")
	}
	if u.backend.finalized.Load() {
		return errFinalized
	}
	return nil
}

// Shape returns the shape of the buffer.
func (u *buffer) Shape() (shapes.Shape, error) {
	if u.dead.Load() {
		return shapes.Invalid(), errors.New("cpu: the buffer is finalized")
	}
	return u.shape, nil
}

// DeviceNum returns 0.
func (u *buffer) DeviceNum() (compute.DeviceNum, error) { return 0, nil }

// ToFlatData copies the values into flat, a slice of the Go type of the dtype with one element per value.
func (u *buffer) ToFlatData(flat any) error {
	if err := u.alive(); err != nil {
		return err
	}
	if err := checkFlat(flat, u.shape); err != nil {
		return err
	}
	if u.rows != nil {
		return u.backend.readAll(flat.([]float32), u)
	}
	copy(dtypes.UnsafeByteSliceFromAny(flat), u.bytes)
	return nil
}

// Data returns the memory of the buffer as a slice of the Go type of its dtype. It is valid until Finalize.
func (u *buffer) Data() (any, error) {
	if err := u.alive(); err != nil {
		return nil, err
	}
	if u.rows != nil {
		return nil, errors.New("cpu: the buffer has no memory of its own: read it with ToFlatData")
	}
	return u.flat, nil
}

// CopyToDevice is an error: there is only one device.
func (u *buffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	return nil, fmt.Errorf("cpu: cannot copy a buffer to device %d: there is only one device", device)
}
