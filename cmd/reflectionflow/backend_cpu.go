//go:build !xla

package main

const hasXLA = false
