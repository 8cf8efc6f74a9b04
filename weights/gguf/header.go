package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unicode/utf8"
)

// Limits beyond those that the length of the file sets.
const (
	maxTensors    = 1_000_000
	maxString     = 16 << 20 // bytes
	maxName       = 127      // bytes of a tensor's name; ggml allows 63, some programs write more
	maxDimensions = 4
)

// The fewest bytes that an entry of each list takes: a key of one byte, its type and
// one byte; a name of one byte, no dimensions, type and offset.
const (
	minValue = 8 + 1 + 4 + 1
	minInfo  = 8 + 1 + 4 + 4 + 8
)

// entry is one tensor of a file; begin and end are offsets into the file's data.
type entry struct {
	name       string
	kind       Type
	shape      []int // outermost dimension first
	begin, end uint64
}

// elements returns the product of the shape.
func (e entry) elements() int {
	n := 1
	for _, dim := range e.shape {
		n *= dim
	}
	return n
}

// header is what a file says before its data.
type header struct {
	version  uint32
	metadata map[string]value
	entries  []entry // in the order of the data
	data     []byte
}

// reader reads the front of a file. Every method checks the bytes that are left first.
type reader struct {
	file []byte
	at   int
}

// take returns the next n bytes.
func (r *reader) take(n uint64) ([]byte, error) {
	if left := uint64(len(r.file) - r.at); n > left {
		return nil, fmt.Errorf("the file is truncated or damaged: at byte %d it needs %d bytes and has %d", r.at, n, left)
	}
	b := r.file[r.at : r.at+int(n)]
	r.at += int(n)
	return b, nil
}

func (r *reader) u32() (uint32, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) u64() (uint64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// text returns the bytes of a string.
func (r *reader) text() ([]byte, error) {
	n, err := r.u64()
	if err != nil {
		return nil, err
	}
	if n > maxString {
		return nil, fmt.Errorf("the string at byte %d claims %d bytes, at most %d are allowed", r.at-8, n, maxString)
	}
	return r.take(n)
}

// name returns a key or the name of a tensor.
func (r *reader) name() (string, error) {
	b, err := r.text()
	switch {
	case err != nil:
		return "", err
	case len(b) == 0:
		return "", errors.New("an empty name")
	case !utf8.Valid(b):
		return "", fmt.Errorf("the name %.100q is not valid UTF-8", b)
	}
	return string(b), nil
}

// count returns a number of entries that take at least size bytes each.
func (r *reader) count(what string, size uint64) (uint64, error) {
	n, err := r.u64()
	if err != nil {
		return 0, err
	}
	if left := uint64(len(r.file) - r.at); n > left/size {
		return 0, fmt.Errorf("the file is truncated or damaged: it claims %d %s, for which %d bytes are too few", n, what, left)
	}
	return n, nil
}

// parse reads everything before the data and checks where the data of each tensor is.
func parse(file []byte) (header, error) {
	r := &reader{file: file}
	h := header{metadata: map[string]value{}}
	var err error
	if h.version, err = r.version(); err != nil {
		return h, err
	}
	tensors, err := r.count("tensors", minInfo)
	if err != nil {
		return h, err
	}
	if tensors > maxTensors {
		return h, fmt.Errorf("it claims %d tensors, at most %d are allowed", tensors, maxTensors)
	}
	values, err := r.count("metadata values", minValue)
	if err != nil {
		return h, err
	}
	for range values {
		if err := r.metadata(h.metadata); err != nil {
			return h, err
		}
	}
	alignment, err := h.alignment()
	if err != nil {
		return h, err
	}
	seen := map[string]bool{}
	for range tensors {
		e, err := r.entry()
		if err != nil {
			return h, err
		}
		if seen[e.name] {
			return h, fmt.Errorf("tensor %q comes twice", e.name)
		}
		seen[e.name] = true
		h.entries = append(h.entries, e)
	}
	if start := roundUp(uint64(r.at), alignment); start < uint64(len(file)) {
		h.data = file[start:]
	}
	if err := h.checkLayout(alignment); err != nil {
		return h, err
	}
	return h, h.originalShapes()
}

// version reads the magic and the version.
func (r *reader) version() (uint32, error) {
	magic, err := r.take(4)
	if err != nil {
		return 0, fmt.Errorf("the file is truncated: it has %d bytes", len(r.file))
	}
	if string(magic) != "GGUF" {
		return 0, fmt.Errorf("it begins with %q: this is no GGUF file", magic)
	}
	v, err := r.u32()
	switch {
	case err != nil:
		return 0, err
	case v == 0:
		return 0, errors.New("it is of GGUF version 0, which does not exist: the file is damaged")
	case v&0xffff == 0:
		return 0, errors.New("it is a big-endian GGUF file: convert it to little-endian (gguf-convert-endian)")
	case v == 1:
		return 0, errors.New("it is of GGUF version 1, which only the first programs wrote: convert it again")
	case v > 3:
		return 0, fmt.Errorf("it is of GGUF version %d: versions 2 and 3 can be read", v)
	}
	return v, nil
}

// entry reads the description of a tensor.
func (r *reader) entry() (entry, error) {
	name, err := r.name()
	if err != nil {
		return entry{}, fmt.Errorf("list of tensors: %w", err)
	}
	if len(name) > maxName {
		return entry{}, fmt.Errorf("the name %.40q… has %d bytes, at most %d are allowed", name, len(name), maxName)
	}
	e := entry{name: name}
	if err := r.describe(&e); err != nil {
		return entry{}, fmt.Errorf("tensor %q %w", name, err)
	}
	return e, nil
}

// describe reads shape, type and offset.
func (r *reader) describe(e *entry) error {
	n, err := r.u32()
	if err != nil {
		return err
	}
	if n > maxDimensions {
		return fmt.Errorf("has %d dimensions, at most %d are allowed", n, maxDimensions)
	}
	dims, err := r.take(8 * uint64(n))
	if err != nil {
		return err
	}
	e.shape = make([]int, n)
	elements := uint64(1)
	for i := range e.shape {
		dim := binary.LittleEndian.Uint64(dims[8*i:])
		high, low := bits.Mul64(elements, dim)
		if dim == 0 || high != 0 || low > math.MaxInt/2 {
			return fmt.Errorf("has the impossible dimension %d", dim)
		}
		elements = low
		e.shape[int(n)-1-i] = int(dim)
	}
	kind, err := r.u32()
	if err != nil {
		return err
	}
	e.kind = Type(kind)
	if err := e.kind.check(); err != nil {
		return err
	}
	if e.begin, err = r.u64(); err != nil {
		return err
	}
	return e.setEnd(elements)
}

// setEnd computes the end of the data of a tensor of that many elements. The fastest
// dimension, the last of the shape, is made of whole blocks.
func (e *entry) setEnd(elements uint64) error {
	block, size := e.kind.Block()
	row := 1
	if len(e.shape) > 0 {
		row = e.shape[len(e.shape)-1]
	}
	if row%block != 0 {
		return fmt.Errorf("has rows of %d elements, which is no multiple of the %d of a %s block", row, block, e.kind)
	}
	high, length := bits.Mul64(elements/uint64(block), uint64(size))
	end, carry := bits.Add64(e.begin, length, 0)
	if high != 0 || carry != 0 || end > math.MaxInt/2 {
		return fmt.Errorf("of shape %v is too large", e.shape)
	}
	e.end = end
	return nil
}

// checkLayout reports tensors that do not follow one another at the alignment, and
// data that is missing. The padding after the last tensor may be missing.
func (h header) checkLayout(alignment uint64) error {
	var at uint64
	for _, e := range h.entries {
		switch {
		case e.begin != at:
			return fmt.Errorf("tensor %q begins at byte %d of the data, but the one before it ends at %d (with padding)", e.name, e.begin, at)
		case e.end > uint64(len(h.data)):
			return fmt.Errorf("the file is truncated or damaged: tensor %q ends at byte %d of the data, which has %d", e.name, e.end, len(h.data))
		}
		at = roundUp(e.end, alignment)
	}
	return nil
}

// roundUp returns the next multiple of a power of two.
func roundUp(n, power uint64) uint64 { return (n + power - 1) &^ (power - 1) }

// alignment returns the alignment of the data, in bytes.
func (h header) alignment() (uint64, error) {
	v, ok := h.metadata["general.alignment"]
	if !ok {
		return 32, nil
	}
	a, ok := v.decode().(uint32)
	if !ok || a == 0 || a&(a-1) != 0 {
		return 0, fmt.Errorf("general.alignment is %v (%T), not a power of two (uint32)", v.decode(), v.decode())
	}
	return uint64(a), nil
}

// originalShapes sets the shapes that the metadata gives for reshaped tensors.
func (h header) originalShapes() error {
	for i, e := range h.entries {
		v, ok := h.metadata["comfy.gguf.orig_shape."+e.name]
		if !ok {
			continue
		}
		dims, ok := v.decode().([]int32)
		if !ok || len(dims) > 8 {
			return fmt.Errorf("the original shape of tensor %q is no list of up to 8 int32 numbers", e.name)
		}
		shape, elements := make([]int, len(dims)), uint64(1)
		for j, dim := range dims {
			high, low := bits.Mul64(elements, uint64(max(dim, 0)))
			if high != 0 {
				low = 0
			}
			shape[j], elements = int(dim), low
		}
		if elements != uint64(e.elements()) {
			return fmt.Errorf("tensor %q has shape %v, to which its original shape %v does not fit", e.name, e.shape, dims)
		}
		h.entries[i].shape = shape
	}
	return nil
}
