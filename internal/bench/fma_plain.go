//go:build !amd64 || !goexperiment.simd

package bench

// fuse needs the compiler's vectors: without them the arithmetic peak is not known.
func fuse(int, *[16]float32) (flop float64) { return 0 }
