package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// viewTable holds, for every node that is a view of another value (Reshape, Transpose …), that value and the view. Every
// other node is a view of itself.
type viewTable struct {
	source map[*node]*node
	view   map[*node]*tensor // over the dense array of the source; the storage is not set
}

func newViewTable(nodes []*node) *viewTable {
	k := &viewTable{source: make(map[*node]*node, len(nodes)), view: make(map[*node]*tensor, len(nodes))}
	for _, n := range nodes {
		if n.shape.Ok() {
			k.add(n)
		}
	}
	return k
}

func (k *viewTable) add(n *node) {
	k.source[n], k.view[n] = n, &tensor{dims: n.shape.Dimensions, strides: rowMajor(n.shape.Dimensions)}
	if len(n.operand) == 0 || n.of != nil {
		return
	}
	o := n.operand[0]
	if t := viewOf(n, k.view[o]); t != nil {
		k.source[n], k.view[n] = k.source[o], t
	}
}

// viewOf returns n's view of the value of which its first operand is the view x, or nil if n is no view.
func viewOf(n *node, x *tensor) *tensor {
	switch {
	case x == nil:
		return nil
	case n.op == compute.OpTypeIdentity || n.op == compute.OpTypeSchedulingBarrier:
		return x
	case n.op == compute.OpTypeConvertDType && widens(n):
		return x // kernels that cannot read bf16 get a copy from tensorOf
	case n.op == compute.OpTypeReshape:
		return x.reshaped(n.shape.Dimensions)
	case n.shape.DType.IsPacked() || n.shape.Rank() > 16 || len(x.dims) > 16:
		return nil
	}
	switch n.op {
	case compute.OpTypeTranspose:
		return x.transposed(n.attr.(axesAttr).axes)
	case compute.OpTypeBroadcastInDim:
		return x.broadcast(n.shape.Dimensions, n.attr.(axesAttr).axes)
	case compute.OpTypeSlice:
		return x.sliced(n.attr.(sliceAttr))
	case compute.OpTypeReverse:
		if swapsPairs(n) && x.strides[len(x.dims)-1] == 1 {
			return nil // an operation of a tape
		}
		return x.reversed(n.attr.(axesAttr).axes)
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin:
		if x.size() == product(n.shape.Dimensions) && x.size() > 0 && n.shape.DType == dtypes.Float32 { // over axes of dimension 1
			return x.reshaped(n.shape.Dimensions)
		}
	}
	return nil
}

// widens reports whether n converts bf16 to f32, which is exact: reading the value converts it.
func widens(n *node) bool {
	return n.op == compute.OpTypeConvertDType && n.shape.DType == dtypes.Float32 && n.operand[0].shape.DType == dtypes.BFloat16
}

// swapsPairs reports whether n reverses pairs of neighbours, as rotary embeddings do.
func swapsPairs(n *node) bool {
	last := n.shape.Rank() - 1
	return n.op == compute.OpTypeReverse && last >= 0 && last < 16 && n.shape.Dimensions[last] == 2 &&
		n.shape.DType == dtypes.Float32 && slices.Equal(n.attr.(axesAttr).axes, []int{last})
}

// opcodeOf maps operations to opcodes; swap means that the operands are exchanged.
func opcodeOf(op compute.OpType) (code opcode, swap, ok bool) {
	switch op {
	case compute.OpTypeAdd:
		return opAdd, false, true
	case compute.OpTypeSub:
		return opSub, false, true
	case compute.OpTypeMul:
		return opMul, false, true
	case compute.OpTypeDiv:
		return opDiv, false, true
	case compute.OpTypeMax:
		return opMax, false, true
	case compute.OpTypeMin:
		return opMin, false, true
	case compute.OpTypePow:
		return opPow, false, true
	case compute.OpTypeRem:
		return opRem, false, true
	case compute.OpTypeAtan2:
		return opAtan2, false, true
	case compute.OpTypeEqual:
		return opEq, false, true
	case compute.OpTypeNotEqual:
		return opNe, false, true
	case compute.OpTypeLessThan:
		return opLt, false, true
	case compute.OpTypeLessOrEqual:
		return opLe, false, true
	case compute.OpTypeGreaterThan:
		return opLt, true, true
	case compute.OpTypeGreaterOrEqual:
		return opLe, true, true
	case compute.OpTypeLogicalAnd:
		return opAnd, false, true
	case compute.OpTypeLogicalOr:
		return opOr, false, true
	case compute.OpTypeLogicalXor:
		return opXor, false, true
	}
	code, ok = unaryOpcode(op)
	return code, false, ok
}

func unaryOpcode(op compute.OpType) (opcode, bool) {
	switch op {
	case compute.OpTypeNeg:
		return opNeg, true
	case compute.OpTypeAbs:
		return opAbs, true
	case compute.OpTypeSqrt:
		return opSqrt, true
	case compute.OpTypeRsqrt:
		return opRsqrt, true
	case compute.OpTypeExp:
		return opExp, true
	case compute.OpTypeExpm1:
		return opExpm1, true
	case compute.OpTypeLog:
		return opLog, true
	case compute.OpTypeLog1p:
		return opLog1p, true
	case compute.OpTypeSin:
		return opSin, true
	case compute.OpTypeCos:
		return opCos, true
	case compute.OpTypeTanh:
		return opTanh, true
	case compute.OpTypeLogistic:
		return opLogistic, true
	case compute.OpTypeErf:
		return opErf, true
	case compute.OpTypeSign:
		return opSign, true
	case compute.OpTypeFloor:
		return opFloor, true
	case compute.OpTypeCeil:
		return opCeil, true
	case compute.OpTypeRound:
		return opRound, true
	case compute.OpTypeLogicalNot:
		return opNot, true
	case compute.OpTypeIsNaN:
		return opIsNaN, true
	case compute.OpTypeIsFinite:
		return opIsFinite, true
	}
	return 0, false
}

// registerType reports whether values of the dtype can be in a register of a tape.
func registerType(d dtypes.DType) bool {
	return d == dtypes.Float32 || d == dtypes.Bool || d == dtypes.BFloat16 || d == dtypes.Float16
}

// fusible returns the opcode of a node in a tape, and whether it can be part of one.
func (k *viewTable) fusible(n *node) (code opcode, ok bool) {
	if !n.shape.Ok() || n.of != nil || k.source[n] != n || n.shape.Size() == 0 || !registerType(n.shape.DType) {
		return 0, false
	}
	for _, o := range n.operand {
		if !registerType(o.shape.DType) && (n.op != compute.OpTypeConvertDType || o.shape.DType != dtypes.Int32) {
			return 0, false
		}
	}
	switch n.op {
	case compute.OpTypeWhere:
		return opWhere, true
	case compute.OpTypeReverse:
		return opSwap, swapsPairs(n)
	case compute.OpTypeConvertDType:
		from := n.operand[0].shape.DType
		if n.shape.DType == dtypes.Bool && from != dtypes.Bool {
			return 0, false
		}
		return opCopy, true
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin:
		if k.rowLength(n) == 0 {
			return 0, false
		}
		switch n.op {
		case compute.OpTypeReduceSum:
			return opSum, true
		case compute.OpTypeReduceMax:
			return opLargest, true
		}
		return opSmallest, true
	}
	code, _, ok = opcodeOf(n.op)
	return code, ok
}

// longestRow is the longest row that a tape reduces: its registers must stay in the second-level cache.
const longestRow = 65536

// rowLength returns the number of elements that a reduction over the last axes of an f32 value takes together, or 0 if
// the reduction is another one.
func (k *viewTable) rowLength(n *node) int {
	o := n.operand[0]
	if n.shape.DType != dtypes.Float32 || o.shape.DType != dtypes.Float32 || o.shape.Size() == 0 {
		return 0
	}
	reduced := make([]bool, o.shape.Rank())
	axes := n.attr.(axesAttr).axes
	for _, a := range axes {
		reduced[a] = true
	}
	if len(axes) == 0 {
		for i := range reduced {
			reduced[i] = true
		}
	}
	length, open := 1, true
	for i := o.shape.Rank() - 1; i >= 0; i-- {
		switch {
		case o.shape.Dimensions[i] == 1:
		case reduced[i] && open:
			length *= o.shape.Dimensions[i]
		case reduced[i]:
			return 0
		default:
			open = false
		}
	}
	if length > longestRow {
		return 0
	}
	return length
}
