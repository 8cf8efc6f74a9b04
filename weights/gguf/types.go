package gguf

import (
	"fmt"

	"reflectionflow/weights/internal/float"
)

// Type is the element type of a tensor, by its number in the file.
type Type uint32

// The types that are decoded.
const (
	F32   Type = 0
	F16   Type = 1
	Q4_0  Type = 2 //nolint:revive // ggml's name
	Q4_1  Type = 3 //nolint:revive // ggml's name
	Q5_0  Type = 6 //nolint:revive // ggml's name
	Q5_1  Type = 7 //nolint:revive // ggml's name
	Q8_0  Type = 8 //nolint:revive // ggml's name
	Q2K   Type = 10
	Q3K   Type = 11
	Q4K   Type = 12
	Q5K   Type = 13
	Q6K   Type = 14
	IQ4NL Type = 20
	IQ4XS Type = 23
	BF16  Type = 30
)

// format describes a type. Only types with decode can be read.
type format struct {
	name            string
	elements, bytes int                               // of a block
	decode          func(dst []float32, block []byte) // one block; any number of elements without blocks
	vector          func(dst []float32, block []byte) // decode by vectors, or nil
	halves          []int                             // offsets of the f16 scales in a block
	removed         bool                              // from ggml: no current program writes it
}

// formats are those of table by their numbers, with nil between.
var formats = func() (list [64]*format) {
	for t, f := range table {
		f.vector = vectorDecoder(t)
		list[t] = f
	}
	return list
}()

// format returns the format, or nil for an unknown type.
func (t Type) format() *format {
	if int(t) >= len(formats) {
		return nil
	}
	return formats[t]
}

var table = map[Type]*format{
	F32:   {name: "F32", elements: 1, bytes: 4, decode: decodeF32},
	F16:   {name: "F16", elements: 1, bytes: 2, decode: float.WidenF16},
	BF16:  {name: "BF16", elements: 1, bytes: 2, decode: float.WidenBF16},
	Q4_0:  {name: "Q4_0", elements: 32, bytes: 18, decode: decodeQ4_0, halves: []int{0}},
	Q4_1:  {name: "Q4_1", elements: 32, bytes: 20, decode: decodeQ4_1, halves: []int{0, 2}},
	Q5_0:  {name: "Q5_0", elements: 32, bytes: 22, decode: decodeQ5_0, halves: []int{0}},
	Q5_1:  {name: "Q5_1", elements: 32, bytes: 24, decode: decodeQ5_1, halves: []int{0, 2}},
	Q8_0:  {name: "Q8_0", elements: 32, bytes: 34, decode: decodeQ8_0, halves: []int{0}},
	Q2K:   {name: "Q2_K", elements: 256, bytes: 84, decode: decodeQ2K, halves: []int{80, 82}},
	Q3K:   {name: "Q3_K", elements: 256, bytes: 110, decode: decodeQ3K, halves: []int{108}},
	Q4K:   {name: "Q4_K", elements: 256, bytes: 144, decode: decodeQ4K, halves: []int{0, 2}},
	Q5K:   {name: "Q5_K", elements: 256, bytes: 176, decode: decodeQ5K, halves: []int{0, 2}},
	Q6K:   {name: "Q6_K", elements: 256, bytes: 210, decode: decodeQ6K, halves: []int{208}},
	IQ4NL: {name: "IQ4_NL", elements: 32, bytes: 18, decode: decodeIQ4NL, halves: []int{0}},
	IQ4XS: {name: "IQ4_XS", elements: 256, bytes: 136, decode: decodeIQ4XS, halves: []int{0}},

	9: {name: "Q8_1"}, 15: {name: "Q8_K"},
	16: {name: "IQ2_XXS"}, 17: {name: "IQ2_XS"}, 18: {name: "IQ3_XXS"}, 19: {name: "IQ1_S"},
	21: {name: "IQ3_S"}, 22: {name: "IQ2_S"}, 29: {name: "IQ1_M"},
	24: {name: "I8"}, 25: {name: "I16"}, 26: {name: "I32"}, 27: {name: "I64"}, 28: {name: "F64"},
	34: {name: "TQ1_0"}, 35: {name: "TQ2_0"}, 39: {name: "MXFP4"}, 40: {name: "NVFP4"},
	41: {name: "Q1_0"}, 42: {name: "Q2_0"},

	4: {name: "Q4_2", removed: true}, 5: {name: "Q4_3", removed: true},
	31: {name: "Q4_0_4_4", removed: true}, 32: {name: "Q4_0_4_8", removed: true}, 33: {name: "Q4_0_8_8", removed: true},
	36: {name: "IQ4_NL_4_4", removed: true}, 37: {name: "IQ4_NL_4_8", removed: true}, 38: {name: "IQ4_NL_8_8", removed: true},
}

// String returns ggml's name of the type, such as "Q4_K".
func (t Type) String() string {
	if f := t.format(); f != nil {
		return f.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block returns the elements of a block and its bytes. Both are 0 for a type that is
// not decoded.
func (t Type) Block() (elements, bytes int) {
	f := t.format()
	if f == nil {
		return 0, 0
	}
	return f.elements, f.bytes
}

// check says why a tensor of the type cannot be read.
func (t Type) check() error {
	const advice = "use a file in BF16, F16, Q8_0, Q4_0 to Q6_K or IQ4"
	f := t.format()
	switch {
	case f == nil:
		return fmt.Errorf("is of the unknown type %d: %s", uint32(t), advice)
	case f.removed:
		return fmt.Errorf("is of type %s, which ggml no longer has: %s", t, advice)
	case f.decode == nil:
		return fmt.Errorf("is of type %s, which is not supported: %s", t, advice)
	}
	return nil
}
