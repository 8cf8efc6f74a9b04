package cpu

import (
	"encoding/binary"
	"os"
)

// level is an instruction set that the kernels are written for.
type level int

const (
	plain level = iota // portable Go
	neon               // Advanced SIMD, which every arm64 has
	avx2
	avx512
	amx
)

// levelNames are the names of the instruction sets that this architecture may have.
var levelNames = []string{"plain", "neon"}

// machine is the best level of this processor.
var machine = neon

//go:noescape
func tileNEON(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

// kernel returns the micro-kernel of matrix products.
func (l level) kernel() tileKernel {
	if l == neon {
		return tileKernel{rows: 8, cols: 8, tile: tileNEON}
	}
	return plainKernel
}

//go:noescape
func tileBFDOT(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

// pairKernel is the micro-kernel for pairs: k, the strides and the operands count words.
var pairKernel = tileKernel{rows: 8, cols: 8, tile: tileBFDOT, strips: true}

// hasPairs reports whether there are products of pairs.
func (l level) hasPairs() bool { return l == neon && machineHas.pairs }

// machineHas is what this processor has besides its level, as far as the system says so: Linux does.
var machineHas = capabilities(os.ReadFile)

// capabilities reads the auxiliary vector of the process: pairs of numbers, of which the second of number 26 (AT_HWCAP2) has bit
// 14 (HWCAP2_BF16).
func capabilities(read func(name string) ([]byte, error)) (has features) {
	vector, err := read("/proc/self/auxv")
	if err != nil {
		return has
	}
	for ; len(vector) >= 16; vector = vector[16:] {
		if binary.LittleEndian.Uint64(vector) == 26 {
			has.pairs = binary.LittleEndian.Uint64(vector[8:])>>14&1 == 1
		}
	}
	return has
}
