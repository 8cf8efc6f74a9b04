//go:build !amd64 || !goexperiment.simd

package cpu

// Without the compiler's vector types (GOEXPERIMENT=simd, amd64) elementwise operations are portable Go. Matrix products
// are in assembly and do not need them.

func vectors512() *vectors { return plainVectors() }
func vectors256() *vectors { return plainVectors() }
