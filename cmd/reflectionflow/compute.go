package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// backendUsage describes --backend.
const backendUsage = "compute backend: cpu, cpu:bf16 for faster and less exact products, or in builds with -tags xla xla:PLUGIN or xla:PLUGIN:bf16"

// Virtual memory that commands need, in bytes: a tenth or more above the peaks (VmPeak)
// that were measured without cgo. Much of it is address space that the runtime reserves
// and does not use. Where the runtime is refused memory or a thread, it ends the process
// with stack traces, so that a limit which is too low must be found before anything is
// loaded.
const (
	startMemory   = 1000 << 20 // any command
	computeMemory = 1500 << 20 // the embedded networks
	trainMemory   = 2900 << 20 // a stage of training
	threadMemory  = 64 << 20   // for each processor: stacks and heaps of its threads; 50 MB measured
)

// computingCommands load the embedded networks.
var computingCommands = []string{"generate", "evaluate", "genref build", "genref annotate", "models check", "bench engine", "train " + policyStage}

// neededMemory is the virtual memory that a command line needs.
func neededMemory(args []string) uint64 {
	name := strings.Join(args[:min(len(args), 2)], " ")
	threads := uint64(threadMemory) * uint64(runtime.NumCPU())
	switch {
	case slices.Contains(args, "--help") || slices.Contains(args, "-h"):
	case slices.Contains(computingCommands, name), len(args) > 0 && slices.Contains(computingCommands, args[0]):
		return computeMemory + cgoMemory + threads
	case strings.HasPrefix(name, "train "):
		return trainMemory + cgoMemory + threads
	}
	return startMemory + cgoMemory
}

// checkMemory reports a limit of virtual memory below what is needed.
func checkMemory(need uint64) error {
	if limit, limited := addressSpaceLimit(); limited && limit < need {
		return fmt.Errorf("virtual memory is limited to %d MB (ulimit -v), and this command needs %d MB: raise the limit, for example with ulimit -v %d",
			limit/1e6, need/1e6, need/1024)
	}
	return nil
}

// beginComputing prints once that this binary is slow, if it is, and reports a limit of
// virtual memory under which networks cannot run, for commands that may or may not
// compute: main has checked the others. Each calls it before it loads a model.
func (p *program) beginComputing() error {
	if err := checkMemory(neededMemory(computingCommands[:1])); err != nil {
		return err
	}
	if p.slow != "" {
		_, _ = fmt.Fprintf(p.stderr, "reflectionflow: %s\n", p.slow)
	}
	return nil
}
