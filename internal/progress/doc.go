// Package progress shows the progress of searches, evaluations, sets, training and
// benchmarks: a bar on a terminal, plain lines elsewhere. It writes to the writers that
// it is given and to nothing else. Texts that others wrote, such as prompts and
// reflections, are escaped by package terminal.
package progress
