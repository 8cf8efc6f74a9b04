package safetensors

import "slices"

// DType names the element type of a tensor as the header spells it.
type DType string

// The element types of whole bytes. [File.Float32] reads F64, F32, F16 and BF16,
// [File.ReadRows] also F8_E4M3 and F8_E5M2, [File.Int64] reads I64, I32 and U8, and
// [File.Bytes] reads all of them.
const (
	Bool    DType = "BOOL"
	U8      DType = "U8"
	I8      DType = "I8"
	F8E5M2  DType = "F8_E5M2"
	F8E4M3  DType = "F8_E4M3"
	F8E8M0  DType = "F8_E8M0"
	I16     DType = "I16"
	U16     DType = "U16"
	F16     DType = "F16"
	BF16    DType = "BF16"
	I32     DType = "I32"
	U32     DType = "U32"
	F32     DType = "F32"
	Complex DType = "C64"
	F64     DType = "F64"
	I64     DType = "I64"
	U64     DType = "U64"
)

// dtypeOrder is the order of the reference implementation's Dtype. Files are laid out
// in reverse order, widest types first, so that every tensor is aligned to its element
// size.
var dtypeOrder = [...]DType{Bool, U8, I8, F8E5M2, F8E4M3, F8E8M0, I16, U16, F16, BF16, I32, U32, F32, Complex, F64, I64, U64}

func (d DType) rank() int { return slices.Index(dtypeOrder[:], d) }

// Size returns the bytes of one element, 0 for an unknown type.
func (d DType) Size() int {
	switch d {
	case Bool, U8, I8, F8E5M2, F8E4M3, F8E8M0:
		return 1
	case I16, U16, F16, BF16:
		return 2
	case I32, U32, F32:
		return 4
	case Complex, F64, I64, U64:
		return 8
	}
	return 0
}

// Float reports whether the type is a floating-point type.
func (d DType) Float() bool {
	switch d {
	case F8E5M2, F8E4M3, F8E8M0, F16, BF16, F32, F64:
		return true
	}
	return false
}
