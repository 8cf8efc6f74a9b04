// Package progress shows the progress of searches, evaluations, sets, training and
// benchmarks: a bar on a terminal, lines in a log. It writes to the writers that it is
// given and to nothing else.
package progress
