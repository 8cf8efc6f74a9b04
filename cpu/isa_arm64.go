package cpu

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
