//go:build !amd64 || !goexperiment.simd

package gguf

// vectorDecoder returns nil: there are no vectors.
func vectorDecoder(Type) func(dst []float32, b []byte) { return nil }
