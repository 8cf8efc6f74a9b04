//go:build slow

package main

// everyFormat tries every format with every model.
const everyFormat = true
