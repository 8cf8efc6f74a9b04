package safetensors

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"reflectionflow"
	"reflectionflow/internal/disk"
	"reflectionflow/weights/internal/float"
)

// Tensor is a tensor to be written. Its values come from the first of Raw, Load and
// Values that is not nil.
type Tensor struct {
	Name  string
	Shape []int // outermost dimension first; empty for a scalar
	// DType is the type in the file: F32, F16 or BF16, to which values are rounded
	// to the nearest, ties to even. With Raw it may be any type.
	DType DType
	// Values are row-major.
	Values []float32
	// Load returns the values. It is called once, when the tensor is written, so that a
	// large model need not be in memory at once.
	Load func() ([]float32, error)
	// Raw is the data as stored in the file: row-major, little-endian.
	Raw []byte
}

// Write writes a safetensors file atomically: on an error, no file is left behind and
// an older one of that name is unchanged. The layout is the reference
// implementation's, the widest types first and then by name, whatever the order of
// tensors: the same tensors and metadata give the same bytes. Tensors that cannot be
// written (a duplicate name, a shape that does not fit the values, a type that values
// cannot be rounded to) give an error wrapping [reflectionflow.ErrInvalid].
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	return disk.Write(path, func(w io.Writer) error { return Encode(w, tensors, metadata) })
}

// Encode writes the bytes of a safetensors file to w, see [Write].
func Encode(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	ordered := slices.Clone(tensors)
	slices.SortStableFunc(ordered, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(b.DType.rank(), a.DType.rank()), strings.Compare(a.Name, b.Name))
	})
	header, err := buildHeader(ordered, metadata)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	if _, err := buffered.Write(header); err != nil {
		return err
	}
	for _, t := range ordered {
		if err := t.write(buffered); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// buildHeader checks the tensors and returns the length and the JSON header, padded
// with spaces so that the data begins at a multiple of 8.
func buildHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	header := bytes.NewBuffer(make([]byte, 8)) // the length, set below
	header.WriteByte('{')
	if len(metadata) > 0 {
		writeJSON(header, metadataKey)
		header.WriteByte(':')
		writeMetadata(header, metadata)
	}
	seen := map[string]bool{metadataKey: true}
	var at uint64
	for _, t := range tensors {
		length, err := t.check()
		if err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, t.invalid("comes twice, or has a name that the format keeps for itself")
		}
		seen[t.Name] = true
		if header.Len() > 9 {
			header.WriteByte(',')
		}
		writeJSON(header, t.Name)
		fmt.Fprintf(header, `:{"dtype":"%s","shape":`, t.DType)
		writeJSON(header, append([]int{}, t.Shape...)) // never null
		fmt.Fprintf(header, `,"data_offsets":[%d,%d]}`, at, at+length)
		at += length
	}
	header.WriteByte('}')
	for header.Len()%8 != 0 {
		header.WriteByte(' ')
	}
	if header.Len()-8 > maxHeader {
		return nil, fmt.Errorf("%w: the names of the tensors and the metadata make a header of %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, header.Len()-8, maxHeader)
	}
	text := header.Bytes()
	binary.LittleEndian.PutUint64(text, uint64(len(text)-8))
	return text, nil
}

// writeMetadata writes the metadata in the order of its keys.
func writeMetadata(header *bytes.Buffer, metadata map[string]string) {
	separator := byte('{')
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		header.WriteByte(separator)
		writeJSON(header, key)
		header.WriteByte(':')
		writeJSON(header, metadata[key])
		separator = ','
	}
	header.WriteByte('}')
}

// writeJSON writes text or a shape, which cannot fail.
func writeJSON(header *bytes.Buffer, value any) {
	encoder := json.NewEncoder(header)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err == nil {
		header.Truncate(header.Len() - 1) // Encode ends its value with a newline
	}
}

// check returns the bytes that the tensor takes in the file.
func (t Tensor) check() (uint64, error) {
	length, ok := byteLength(t.DType, t.Shape)
	for _, dim := range t.Shape {
		ok = ok && dim >= 0
	}
	switch {
	case !utf8.ValidString(t.Name):
		return 0, t.invalid("has a name that is not valid UTF-8")
	case t.DType.Size() == 0:
		return 0, t.invalid("has the unknown dtype %q", t.DType)
	case !ok:
		return 0, t.invalid("has the impossible shape %v", t.Shape)
	case t.Raw != nil && uint64(len(t.Raw)) != length:
		return 0, t.invalid("has %d bytes, but shape %v of %s takes %d", len(t.Raw), t.Shape, t.DType, length)
	case t.Raw == nil && t.DType != F32 && t.DType != F16 && t.DType != BF16:
		return 0, t.invalid("is to be written as %s, which only raw data can be: use F32, F16 or BF16", t.DType)
	case t.Raw == nil && t.Load == nil:
		return length, t.checkCount(t.Values)
	}
	return length, nil
}

func (t Tensor) checkCount(values []float32) error {
	if n := (Info{Shape: t.Shape}).Elements(); len(values) != n {
		return t.invalid("has %d values, but shape %v takes %d", len(values), t.Shape, n)
	}
	return nil
}

func (t Tensor) invalid(format string, args ...any) error {
	return fmt.Errorf("%w: tensor %q %s", reflectionflow.ErrInvalid, t.Name, fmt.Sprintf(format, args...))
}

// write writes the tensor's data.
func (t Tensor) write(w io.Writer) error {
	if t.Raw != nil {
		_, err := w.Write(t.Raw)
		return err
	}
	values := t.Values
	if t.Load != nil {
		var err error
		if values, err = t.Load(); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if err := t.checkCount(values); err != nil {
			return err
		}
	}
	var buffer []byte
	for chunk := range slices.Chunk(values, 1<<14) {
		buffer = appendFloats(buffer[:0], chunk, t.DType)
		if _, err := w.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}

// appendFloats appends the values rounded to F32, F16 or BF16.
func appendFloats(buffer []byte, values []float32, dtype DType) []byte {
	for _, v := range values {
		switch dtype {
		case F16:
			buffer = binary.LittleEndian.AppendUint16(buffer, float.ToF16(v))
		case BF16:
			buffer = binary.LittleEndian.AppendUint16(buffer, float.ToBF16(v))
		default:
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		}
	}
	return buffer
}
