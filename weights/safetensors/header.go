package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxHeader bounds the header, in bytes, as the reference implementation does. The
// header of the largest models has a few hundred kilobytes.
const maxHeader = 100_000_000

// metadataKey is the only key of the header that is not the name of a tensor.
const metadataKey = "__metadata__"

// entry is one tensor of a file; begin and end are offsets into the file's data.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end uint64
}

// parse splits a file into its tensors, its metadata and the tensors' data.
func parse(file []byte) (entries []entry, metadata map[string]string, data []byte, err error) {
	if len(file) < 8 {
		return nil, nil, nil, fmt.Errorf("the file is truncated: it has %d bytes, a safetensors file has at least 8", len(file))
	}
	length := binary.LittleEndian.Uint64(file)
	rest := file[8:]
	switch {
	case length > maxHeader:
		return nil, nil, nil, fmt.Errorf("the header claims %d bytes, at most %d are allowed: this is no safetensors file", length, maxHeader)
	case length > uint64(len(rest)):
		return nil, nil, nil, fmt.Errorf("the file is truncated: the header has %d bytes, the file holds %d of them", length, len(rest))
	}
	entries, metadata, err = parseHeader(rest[:length])
	if err != nil {
		return nil, nil, nil, err
	}
	data = rest[length:]
	return entries, metadata, data, checkLayout(entries, uint64(len(data)))
}

// parseHeader reads the JSON header. The entries are in the header's order.
func parseHeader(header []byte) (entries []entry, metadata map[string]string, err error) {
	switch {
	case len(header) == 0 || header[0] != '{':
		return nil, nil, errors.New("the header does not begin with {: this is no safetensors file")
	case !utf8.Valid(header):
		return nil, nil, errors.New("the header is not valid UTF-8")
	}
	d := newDecoder(header)
	err = d.object(func(name string) error {
		if name == metadataKey {
			metadata, err = d.stringMap()
			if err != nil {
				return fmt.Errorf("%s: %w", metadataKey, err)
			}
			return nil
		}
		e, err := d.entry()
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		e.name = name
		entries = append(entries, e)
		return nil
	})
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	return entries, metadata, nil
}

// checkLayout sorts the entries by offset. It reports gaps and overlaps between them,
// lengths that do not fit the shape, and data that is missing or left over.
func checkLayout(entries []entry, size uint64) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	var at uint64
	for _, e := range entries {
		length, ok := byteLength(e.dtype, e.shape)
		switch {
		case e.end < e.begin:
			return fmt.Errorf("tensor %q ends at %d, before it begins at %d", e.name, e.end, e.begin)
		case e.end > size:
			return fmt.Errorf("the file is truncated or damaged: tensor %q ends at byte %d of the data, which has %d", e.name, e.end, size)
		case e.begin != at:
			return fmt.Errorf("tensor %q begins at %d, but the one before it ends at %d", e.name, e.begin, at)
		case !ok:
			return fmt.Errorf("tensor %q: shape %v is too large", e.name, e.shape)
		case length != e.end-e.begin:
			return fmt.Errorf("tensor %q has %d bytes, but shape %v of %s takes %d", e.name, e.end-e.begin, e.shape, e.dtype, length)
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("the data has %d bytes, but the tensors take %d", size, at)
	}
	return nil
}

// byteLength returns the bytes of a tensor, or false if they, or the product of any
// leading dimensions, overflow an int.
func byteLength(dtype DType, shape []int) (uint64, bool) {
	length := uint64(dtype.Size())
	for _, dim := range shape {
		high, low := bits.Mul64(length, uint64(dim))
		if high != 0 || low > 1<<(strconv.IntSize-1)-1 {
			return 0, false
		}
		length = low
	}
	return length, true
}

// decoder reads JSON by tokens. Unlike json.Unmarshal it rejects duplicate keys, null
// and keys in another case.
type decoder struct{ *json.Decoder }

func newDecoder(text []byte) decoder {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return decoder{d}
}

// next reads a token, which must be the delimiter given.
func (d decoder) next(want json.Delim) error {
	token, err := d.token()
	if err == nil && token != want {
		err = fmt.Errorf("found %v where %v should be", token, want)
	}
	return err
}

func (d decoder) token() (json.Token, error) {
	token, err := d.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}

// end reports text after the value.
func (d decoder) end() error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the closing }")
	}
	return nil
}

// object reads an object and calls value to read the value of each member. A duplicate
// key is an error.
func (d decoder) object(value func(key string) error) error {
	if err := d.next('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return fmt.Errorf("found %v where a name should be", token)
		}
		if seen[key] {
			return fmt.Errorf("the name %q comes twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return d.next('}')
}

// skip reads a value of any kind.
func (d decoder) skip() error {
	var value json.RawMessage
	return d.Decode(&value)
}

func (d decoder) text() (string, error) {
	token, err := d.token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("found %v where text should be", token)
	}
	return s, nil
}

// stringMap reads an object whose values are strings.
func (d decoder) stringMap() (map[string]string, error) {
	m := map[string]string{}
	err := d.object(func(key string) (err error) {
		m[key], err = d.text()
		return err
	})
	return m, err
}

// numbers reads an array of non-negative integers that fit an int.
func (d decoder) numbers() ([]int, error) {
	if err := d.next('['); err != nil {
		return nil, err
	}
	numbers := []int{}
	for d.More() {
		token, err := d.token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("found %v where a number should be", token)
		}
		n, err := strconv.ParseUint(number.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("%s is no size or offset", number)
		}
		numbers = append(numbers, int(n))
	}
	return numbers, d.next(']')
}

// entry reads the header's description of a tensor. Like the reference implementation
// it ignores further members.
func (d decoder) entry() (entry, error) {
	var e entry
	var offsets []int
	err := d.object(func(key string) (err error) {
		switch key {
		case "dtype":
			var name string
			name, err = d.text()
			e.dtype = DType(name)
		case "shape":
			e.shape, err = d.numbers()
		case "data_offsets":
			offsets, err = d.numbers()
		default:
			err = d.skip()
		}
		return err
	})
	switch {
	case err != nil:
		return entry{}, err
	case e.dtype == "" || e.shape == nil || offsets == nil:
		return entry{}, errors.New("dtype, shape or data_offsets is missing")
	case e.dtype.Size() == 0:
		return entry{}, fmt.Errorf("unknown dtype %q", e.dtype)
	case len(offsets) != 2:
		return entry{}, fmt.Errorf("data_offsets has %d numbers, not 2", len(offsets))
	}
	e.begin, e.end = uint64(offsets[0]), uint64(offsets[1])
	return e, nil
}
