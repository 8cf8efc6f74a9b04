//go:build !slow

package cpu

// randomGraphs is how many graphs TestRandomGraphs builds, and stressRounds how often stress tests repeat; more with -tags slow.
const (
	randomGraphs = 20000
	stressRounds = 20
)
