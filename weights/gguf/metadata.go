package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The types of metadata values, by their number in the file.
const (
	kindUint8 = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// kindSize is the bytes of a number or a bool by its type, and of the length of a
// string.
var kindSize = map[uint32]uint64{
	kindUint8: 1, kindInt8: 1, kindBool: 1, kindUint16: 2, kindInt16: 2, kindUint32: 4, kindInt32: 4, kindFloat32: 4,
	kindString: 8, kindUint64: 8, kindInt64: 8, kindFloat64: 8,
}

// value is a metadata value that has been checked and not yet decoded: tokenizers are
// arrays of 10⁵ strings, which most callers do not read.
type value struct {
	kind  uint32 // of the value, or of an array's elements
	array bool
	count int // of an array
	data  []byte
}

// metadata reads a key and its value into m.
func (r *reader) metadata(m map[string]value) error {
	key, err := r.name()
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if _, ok := m[key]; ok {
		return fmt.Errorf("metadata: the key %.100q comes twice", key)
	}
	v, err := r.value()
	if err != nil {
		return fmt.Errorf("metadata: %.100q: %w", key, err)
	}
	m[key] = v
	return nil
}

// value reads and checks a value.
func (r *reader) value() (value, error) {
	kind, err := r.u32()
	if err != nil {
		return value{}, err
	}
	v := value{kind: kind, count: 1}
	if kind == kindArray {
		if v, err = r.arrayHead(); err != nil {
			return value{}, err
		}
	}
	size, ok := kindSize[v.kind]
	if !ok {
		return value{}, fmt.Errorf("unknown type of value %d", v.kind)
	}
	begin := r.at
	if v.kind == kindString {
		for range v.count {
			if _, err := r.text(); err != nil {
				return value{}, err
			}
		}
	} else if _, err := r.take(size * uint64(v.count)); err != nil {
		return value{}, err
	}
	v.data = r.file[begin:r.at]
	return v, v.checkBools()
}

// arrayHead reads the element type and the length of an array.
func (r *reader) arrayHead() (value, error) {
	kind, err := r.u32()
	if err != nil {
		return value{}, err
	}
	if kind == kindArray {
		return value{}, fmt.Errorf("an array of arrays, which GGUF readers do not support")
	}
	size, ok := kindSize[kind]
	if !ok {
		return value{}, fmt.Errorf("an array of the unknown type %d", kind)
	}
	n, err := r.count("array elements", size)
	return value{kind: kind, array: true, count: int(n)}, err
}

func (v value) checkBools() error {
	if v.kind != kindBool {
		return nil
	}
	for _, b := range v.data {
		if b > 1 {
			return fmt.Errorf("a bool of value %d", b)
		}
	}
	return nil
}

// decode returns the value as the Go type of the same name, or as a slice of it.
func (v value) decode() any {
	le := binary.LittleEndian
	switch v.kind {
	case kindUint8:
		return numbers(v, 1, func(b []byte) uint8 { return b[0] })
	case kindInt8:
		return numbers(v, 1, func(b []byte) int8 { return int8(b[0]) })
	case kindBool:
		return numbers(v, 1, func(b []byte) bool { return b[0] == 1 })
	case kindUint16:
		return numbers(v, 2, le.Uint16)
	case kindInt16:
		return numbers(v, 2, func(b []byte) int16 { return int16(le.Uint16(b)) })
	case kindUint32:
		return numbers(v, 4, le.Uint32)
	case kindInt32:
		return numbers(v, 4, func(b []byte) int32 { return int32(le.Uint32(b)) })
	case kindFloat32:
		return numbers(v, 4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case kindUint64:
		return numbers(v, 8, le.Uint64)
	case kindInt64:
		return numbers(v, 8, func(b []byte) int64 { return int64(le.Uint64(b)) })
	case kindFloat64:
		return numbers(v, 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) })
	}
	return v.strings()
}

// numbers decodes values of a fixed size.
func numbers[T any](v value, size int, decode func([]byte) T) any {
	if !v.array {
		return decode(v.data)
	}
	all := make([]T, v.count)
	for i := range all {
		all[i] = decode(v.data[size*i:])
	}
	return all
}

func (v value) strings() any {
	all := make([]string, v.count)
	data := v.data
	for i := range all {
		n := binary.LittleEndian.Uint64(data)
		all[i], data = string(data[8:8+n]), data[8+n:]
	}
	if !v.array {
		return all[0]
	}
	return all
}
