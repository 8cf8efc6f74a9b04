package weights

import (
	"fmt"

	"reflectionflow/weights/gguf"
)

// Integers says how the values of a quantized tensor are made of small integers, see
// [gguf.Integers].
type Integers = gguf.Integers

// Integers returns the form of the tensor, and false if its values are not made of integers
// or its rows are not whole blocks.
func (t *Tensor) Integers() (Integers, bool) {
	var form Integers
	for i, p := range t.parts {
		kind, ok := p.coding.(gguf.Type)
		if !ok {
			return Integers{}, false
		}
		f, ok := kind.Integers()
		if !ok || p.scale != nil || p.first%f.Block != 0 || t.width%f.Block != 0 || i > 0 && f != form {
			return Integers{}, false
		}
		form = f
	}
	return form, len(t.parts) > 0
}

// ReadIntegers reads whole blocks of a row of a tensor that has [Tensor.Integers], from the
// given column on: quants gets one integer an element, scales and mins one number a group.
// It panics as [Tensor.ReadRow] does.
func (t *Tensor) ReadIntegers(quants []uint8, scales, mins []float32, row, column int) {
	for i := range t.parts {
		p := &t.parts[i]
		if row < p.rows {
			p.coding.(gguf.Type).IntegersAt(quants, scales, mins, p.data, p.first+row*t.width+column) //nolint:forcetypeassert // see Integers
			return
		}
		row -= p.rows
	}
	panic(fmt.Sprintf("tensor %q has no %d more rows", t.info.Name, row+1))
}
