//go:build slow

package cpu

const (
	randomGraphs = 200000
	stressRounds = 20000
)
