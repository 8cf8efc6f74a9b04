package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
)

// computeOptions are the flags of what networks compute on, and in which precision.
type computeOptions struct{ backend, precision string }

// registerCompute adds them.
func (o *computeOptions) registerCompute(f *pflag.FlagSet) {
	f.StringVar(&o.backend, "backend", "", "what networks compute on: cpu, or in builds with -tags xla xla:PLUGIN")
	f.StringVar(&o.precision, "precision", "", "what products are computed in: f32, bf16, int8 for quantized weights, or auto: the fastest for the model's weights (default f32)")
}

// checkCompute checks the flags, and takes the precision out of a backend such as cpu:bf16.
func (o *computeOptions) checkCompute() (err error) {
	o.backend, o.precision, err = config.SplitCompute(o.backend, o.precision)
	return err
}

// settle sets the precision that is recorded.
func (o *computeOptions) settle(model assemble.Model) (err error) {
	o.precision, err = model.PrecisionOf(o.backend, o.precision)
	return err
}

// compute is the name that networks are opened with.
func (o *computeOptions) compute() string { return config.Compute(o.backend, o.precision) }

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
