//go:build xla

package main

const hasXLA = true
