//go:build !slow

package cpu

// randomGraphs is how many graphs TestRandomGraphs builds; ten times as many with -tags slow.
const randomGraphs = 20000
