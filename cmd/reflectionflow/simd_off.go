//go:build !goexperiment.simd

package main

// slowNotice is said once by a command that computes.
const slowNotice = "this binary is several times slower than it could be; rebuild it with GOEXPERIMENT=simd (make build)"
