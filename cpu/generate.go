package cpu

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/dtypes/float16"
)

// Operations that generate values from nothing or from a state.

// iota lowers Iota to a constant. It has one axis (see function.Iota).
func (l *lowering) iota(n *node) bool {
	count := n.shape.Size()
	var flat any
	switch n.shape.DType {
	case dtypes.Int8:
		flat = counted(count, func(i int) int8 { return int8(i) })
	case dtypes.Int16:
		flat = counted(count, func(i int) int16 { return int16(i) })
	case dtypes.Int32:
		flat = counted(count, func(i int) int32 { return int32(i) })
	case dtypes.Int64:
		flat = counted(count, func(i int) int64 { return int64(i) })
	case dtypes.Uint8:
		flat = counted(count, func(i int) uint8 { return uint8(i) })
	case dtypes.Uint16:
		flat = counted(count, func(i int) uint16 { return uint16(i) })
	case dtypes.Uint32:
		flat = counted(count, func(i int) uint32 { return uint32(i) })
	case dtypes.Uint64:
		flat = counted(count, func(i int) uint64 { return uint64(i) })
	case dtypes.Float32:
		flat = counted(count, func(i int) float32 { return float32(i) })
	case dtypes.Float64:
		flat = counted(count, func(i int) float64 { return float64(i) })
	case dtypes.BFloat16:
		flat = counted(count, func(i int) bfloat16.BFloat16 { return bfloatOf(float32(i)) })
	case dtypes.Float16:
		flat = counted(count, func(i int) float16.Float16 { return halfOf(float32(i)) })
	default:
		return false
	}
	s := l.storage(n.shape)
	s.kind, s.constant = inConstant, dtypes.UnsafeByteSliceFromAny(flat)
	l.value[n] = denseTensor(s, dimsOf(n.shape))
	return true
}

func counted[T any](n int, f func(i int) T) []T {
	v := make([]T, n)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

// randomBits lowers RNGBitGenerator: the bytes of the numbers of a PCG with the given state, and the state after them;
// see [rand.PCG]. The third word of the state does not change; the others are written in the byte order of GoMLX's Go
// backend, so that the numbers are the same there.
func (l *lowering) randomBits(n *node) bool {
	state := l.dense(l.tensorOf(n.operand[0]))
	results := n.resultNodes()
	next, bits := l.define(results[0]), l.define(results[1])
	l.emit("RNGBitGenerator", []*storage{state.s}, []*storage{next.s, bits.s}, func(x *execution) error {
		from, to := slice[uint64](x, state.s, state.off), slice[uint64](x, next.s, 0)
		pcg := rand.NewPCG(from[0], from[1])
		raw := x.bytesOf(bits.s)
		for ; len(raw) >= 8; raw = raw[8:] {
			binary.LittleEndian.PutUint64(raw, pcg.Uint64())
		}
		if len(raw) > 0 {
			var last [8]byte
			binary.LittleEndian.PutUint64(last[:], pcg.Uint64())
			copy(raw, last[:])
		}
		saved, err := pcg.MarshalBinary()
		if err != nil || len(saved) != 20 {
			return fmt.Errorf("the state of the generator has %d bytes, want 20: %w", len(saved), err)
		}
		copy(to, from[:len(to)])
		to[0], to[1] = binary.LittleEndian.Uint64(saved[4:]), binary.LittleEndian.Uint64(saved[12:])
		return nil
	})
	return true
}
