//go:build amd64 && goexperiment.simd

package bench

import "simd/archsimd"

// fuse runs n fused multiply-adds in each lane of each chain and returns how many
// multiplications and additions that is: 0 on a processor without them.
func fuse(n int, c *fmaChains) (flop float64) {
	switch {
	case archsimd.X86.AVX512():
		fuse512(n, &c.wide)
		return float64(n) * chains * 2 * 16
	case archsimd.X86.AVX2() && archsimd.X86.FMA():
		fuse256(n, &c.narrow)
		return float64(n) * chains * 2 * 8
	}
	return 0
}
