//go:build !amd64 || !goexperiment.simd

package bench

// fuse needs the compiler's vector types: without them the arithmetic peak is unknown.
func fuse(int, *fmaChains) (flop float64) { return 0 }
