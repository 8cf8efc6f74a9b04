//go:build slow

package cpu

const randomGraphs = 200000
