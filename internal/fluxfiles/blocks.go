package fluxfiles

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"reflectionflow/weights/gguf"
)

// encode returns the values in a type, which holds them exactly.
func encode(t Tensor, kind gguf.Type) ([]byte, error) {
	if write := plainTypes[kind]; write != nil {
		var data []byte
		for _, v := range t.Values() {
			data = write(data, v)
		}
		return data, nil
	}
	elements, size := kind.Block()
	write := blockTypes[kind]
	if write == nil {
		return nil, fmt.Errorf("no writer of %s", kind)
	}
	var data []byte
	for _, p := range t.parts {
		for i := p.begin; i < p.end; i += elements {
			b := block{bytes: make([]byte, size), q: make([]int, elements), e: make([]int, elements/group)}
			for j := range elements {
				b.q[j], b.e[j/group], b.s = p.level(i + j)
			}
			write(b)
			data = append(data, b.bytes...)
		}
	}
	return data, nil
}

// plainTypes append a value.
var plainTypes = map[gguf.Type]func(data []byte, v float32) []byte{
	gguf.F32: func(data []byte, v float32) []byte {
		return binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	},
	gguf.BF16: func(data []byte, v float32) []byte {
		return binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(v)>>16))
	},
	gguf.F16: func(data []byte, v float32) []byte { return binary.LittleEndian.AppendUint16(data, half(v)) },
}

// half returns a value that float16 holds as a normal number.
func half(v float32) uint16 {
	bits := math.Float32bits(v)
	if v == 0 {
		return 0
	}
	return uint16(bits>>16&0x8000) | uint16(int(bits>>23&0xff)-127+15)<<10 | uint16(bits>>13&0x3ff)
}

// block is a block of values q·2^(e-s) to encode.
type block struct {
	bytes []byte
	q, e  []int
	s     int
}

// half writes 2^exponent·n at a place.
func (b block) half(at, n, exponent int) {
	binary.LittleEndian.PutUint16(b.bytes[at:], half(scaled(n, exponent)))
}

// nibbles writes 32 numbers of 4 bits at a place: the first 16 in the low halves.
func (b block) nibbles(at int, q []int) {
	for j := range 16 {
		b.bytes[at+j] = byte(q[j]&15 | q[j+16]&15<<4)
	}
}

// above returns the numbers plus n.
func above(q []int, n int) []int {
	q = slices.Clone(q)
	for i := range q {
		q[i] += n
	}
	return q
}

// fifth writes the fifth bits of 32 numbers.
func (b block) fifth(at int, q []int) {
	for j, n := range q {
		b.bytes[at+j/8] |= byte(n >> 4 & 1 << (j % 8))
	}
}

// blockTypes write a block, as ggml-common.h lays it out.
var blockTypes = map[gguf.Type]func(b block){
	gguf.Q8_0: func(b block) {
		b.half(0, 1, b.e[0]-b.s)
		for j, q := range b.q {
			b.bytes[2+j] = byte(q)
		}
	},
	gguf.Q4_0: func(b block) {
		b.half(0, 1, b.e[0]-b.s)
		b.nibbles(2, above(b.q, 8))
	},
	gguf.Q4_1: func(b block) {
		b.half(0, 1, b.e[0]-b.s)
		b.half(2, -8, b.e[0]-b.s)
		b.nibbles(4, above(b.q, 8))
	},
	gguf.Q5_0: func(b block) {
		b.half(0, 1, b.e[0]-b.s)
		b.fifth(2, above(b.q, 16))
		b.nibbles(6, above(b.q, 16))
	},
	gguf.Q5_1: func(b block) {
		b.half(0, 1, b.e[0]-b.s)
		b.half(2, -16, b.e[0]-b.s)
		b.fifth(4, above(b.q, 16))
		b.nibbles(8, above(b.q, 16))
	},
	gguf.IQ4NL: func(b block) {
		b.half(0, 1, b.e[0]-b.s)
		b.nibbles(2, b.curved())
	},
	gguf.IQ4XS: func(b block) {
		b.half(0, 1, -b.s)
		for k, e := range b.e {
			scale := 32 + 1<<e
			b.bytes[4+k/2] |= byte(scale & 15 << (4 * (k % 2)))
			b.bytes[2+k/4] |= byte(scale >> 4 << (2 * (k % 4)))
			b.nibbles(8+16*k, b.curved()[32*k:])
		}
	},
	gguf.Q2K: func(b block) {
		b.half(80, 1, -b.s)
		b.half(82, 1, -b.s)
		for i := range 16 {
			b.bytes[i] = byte(1<<b.e[i/2] | 2<<b.e[i/2]<<4)
		}
		for j, q := range above(b.q, 2) {
			b.bytes[16+32*(j/128)+j%32] |= byte(q << (2 * (j % 128 / 32)))
		}
	},
	gguf.Q3K: func(b block) {
		b.half(108, 1, -b.s)
		for j, q := range above(b.q, 4) {
			b.bytes[32+32*(j/128)+j%32] |= byte(q & 3 << (2 * (j % 128 / 32)))
			b.bytes[j%32] |= byte(q >> 2 << (j / 32))
		}
		for i := range 16 {
			scale := 32 + 1<<b.e[i/2]
			b.bytes[96+i%8] |= byte(scale & 15 << (4 * (i / 8)))
			b.bytes[104+i%4] |= byte(scale >> 4 << (2 * (i / 4)))
		}
	},
	gguf.Q4K: func(b block) {
		b.pairs(8)
		b.groupNibbles(16, above(b.q, 8))
	},
	gguf.Q5K: func(b block) {
		b.pairs(16)
		q := above(b.q, 16)
		for j, n := range q {
			b.bytes[16+j%32] |= byte(n >> 4 & 1 << (j / 32))
		}
		b.groupNibbles(48, q)
	},
	gguf.Q6K: func(b block) {
		b.half(208, 1, -b.s)
		for j, q := range above(b.q, 32) {
			n, t, l := j/128, j%128/32, j%32
			b.bytes[64*n+32*(t&1)+l] |= byte(q & 15 << (4 * (t / 2)))
			b.bytes[128+32*n+l] |= byte(q >> 4 << (2 * t))
		}
		for i := range 16 {
			b.bytes[192+i] = byte(int(1) << b.e[i/2])
		}
	},
}

// curved returns the numbers of the values among the levels of IQ4.
func (b block) curved() []int {
	q := slices.Clone(b.q)
	for i := range q {
		q[i] = slices.Index(curve[:], q[i])
	}
	return q
}

// pairs writes d, dmin and eight pairs of scale and minimum, of 6 bits each, of Q4_K and Q5_K. The minimum of a group is
// -zero.
func (b block) pairs(zero int) {
	b.half(0, 1, -b.s)
	b.half(2, 1, -b.s)
	s := b.bytes[4:16]
	for j := range 8 {
		scale, minimum := 1<<b.e[j], zero<<b.e[j]
		if j < 4 {
			s[j] |= byte(scale)
			s[j+4] |= byte(minimum)
			continue
		}
		s[j+4] |= byte(scale&15 | minimum&15<<4)
		s[j-4] |= byte(scale >> 4 << 6)
		s[j] |= byte(minimum >> 4 << 6)
	}
}

// groupNibbles writes 4 bits of 256 numbers: 32 in the low halves of 32 bytes, and the next 32 in the high ones.
func (b block) groupNibbles(at int, q []int) {
	for j, n := range q {
		b.bytes[at+32*(j/64)+j%32] |= byte(n & 15 << (4 * (j / 32 % 2)))
	}
}
