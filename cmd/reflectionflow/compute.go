package main

import (
	"fmt"
	"runtime"
)

// Virtual memory that a command needs to compute with the embedded model: measured with
// two processors, plus the stacks and heaps of the threads of further ones. Where the
// Go runtime is refused memory it ends the process with a stack trace, so too low a limit
// must be found before.
const (
	computeMemory       = 1900 << 20
	computeMemoryPerCPU = 32 << 20
)

// beginComputing reports a limit of virtual memory under which networks cannot run, and
// prints once that this binary is slow, if it is. Each command that computes calls it
// before it loads a model.
func (p *program) beginComputing() error {
	need := uint64(computeMemory + computeMemoryPerCPU*runtime.NumCPU())
	if limit, limited := addressSpaceLimit(); limited && limit < need {
		return fmt.Errorf("virtual memory is limited to %d MB (ulimit -v), and computing takes at least %d MB: raise the limit, for example with ulimit -v %d",
			limit/1e6, need/1e6, need/1024)
	}
	if p.slow != "" {
		_, _ = fmt.Fprintf(p.stderr, "reflectionflow: %s\n", p.slow)
	}
	return nil
}
