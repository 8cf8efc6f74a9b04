//go:build goexperiment.simd

package main

// slowNotice is empty: this binary uses the processor's vector instructions.
const slowNotice = ""
