package cpu

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
)

// Name is the name under which [Register] announces the backend, and what [compute.NewWithConfig] takes.
const Name = "cpu"

// errFinalized is returned by every operation on a backend after Finalize.
var errFinalized = errors.New("cpu: the backend is finalized")

// Backend is a [compute.Backend] that runs graphs on the processor with kernels of its own. Operations without a kernel
// run on GoMLX's Go backend, so every graph that runs there runs here. All methods may be called from several
// goroutines; concurrent executions share one pool of workers.
type Backend struct {
	oracle    compute.Backend // shape inference, validation and fallback kernels
	pool      *pool
	memory    *memory
	finalized atomic.Bool
	level     level
	precision string      // as asked for
	pairs     bool        // products in bf16
	integers  *intsKernel // of products with quantized weights, or nil
	vectors   *vectors
	counter   fallbackCounter
	steps     stepCounter
	kept      atomic.Int64 // bytes of packed operands
	timing    atomic.Pointer[stepTimes]
	least     int // multiply-adds of an entry of a batch from which on it gets a program of its own
}

var _ compute.Backend = (*Backend)(nil)

// New returns a backend. The configuration is empty or a list of options with commas between:
//
//   - isa=plain, isa=avx2, isa=avx512, isa=amx or, on arm64, isa=neon chooses the kernels; the default is the best of this
//     processor. An instruction set that the processor lacks is an error.
//
//   - precision=bf16 computes matrix products, convolutions and attention in bf16 with sums in f32, where the processor has
//     AVX512-BF16 or AMX, or BF16 of arm64 on Linux. Elsewhere they are computed in f32, which is the default precision.
//
//   - precision=int8 is bf16, and multiplies weights that are stored as small integers ([Quantized]) as integers, with the
//     left operand rounded to 8 bits in their blocks, where the processor has AVX512-VNNI or AVX-VNNI. Elsewhere
//     it is bf16.
//
// Products of up to four rows are computed in f32 in every precision.
//
// The instruction set amx is that of processors with AMX-BF16, on Linux. It differs from avx512 in products in bf16. The first
// backend of the process that needs it asks the system for permission and multiplies a known product. Where either fails, avx512
// is used instead; a wrong product is logged.
//
// New has the type [compute.Constructor].
func New(config string) (compute.Backend, error) {
	use, named, precision, pairs, integers := machine, false, "f32", false, false
	for option := range strings.SplitSeq(config, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(option), "=")
		switch {
		case name == "isa":
			i := slices.Index(levelNames, value)
			if i < 0 || level(i) > machine {
				return nil, fmt.Errorf("cpu: %q: the instruction sets are %s; this processor has %s at best", config, strings.Join(levelNames, ", "), machine)
			}
			use, named = level(i), true
		case name == "precision" && slices.Contains([]string{"f32", "bf16", "int8"}, value):
			precision, pairs, integers = value, value != "f32", value == "int8"
		case name != "":
			return nil, fmt.Errorf("cpu: unknown option %q: the options are isa and precision (f32, bf16 or int8)", option)
		}
	}
	if use == amx {
		var problem error
		if pairs {
			problem = amxUsable()
		}
		if problem != nil && named {
			return nil, fmt.Errorf("cpu: %q: AMX cannot be used: %w", config, problem)
		}
		if problem != nil || !pairs {
			use = avx512
		}
	}
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		return nil, fmt.Errorf("cpu: make the fallback backend: %w", err)
	}
	b := &Backend{oracle: oracle, pool: sharedPool(), memory: newMemory(), level: use, vectors: vectorsFor(use), pairs: pairs && use.hasPairs(), least: leastEntryTerms, precision: precision}
	if integers {
		b.integers = intsFor(use)
	}
	return b, nil
}

// Precisions reports which precisions besides f32 this processor has instructions for, see [New].
func Precisions() (bf16, int8 bool) { return machineHas.pairs, intsFor(machine) != nil }

// AMX reports whether backends multiply in bf16 with AMX. Then that is faster than products of integers, which use AVX512-VNNI.
// The first call may ask the system for permission, see [New].
func AMX() bool { return machine == amx && amxUsable() == nil }

// Register announces the backend to GoMLX under [Name], so that compute.NewWithConfig("cpu") and the environment
// variable GOMLX_BACKEND=cpu find it. Call it once at the start of a program, before any other goroutine asks for a
// backend. The package has no init function that registers it.
func Register() { compute.Register(Name, New) }

// Name returns "cpu".
func (b *Backend) Name() string { return Name }

// String returns the same as Name.
func (b *Backend) String() string { return Name }

// Description names the instruction set of the kernels and the largest number of threads that run them.
func (b *Backend) Description() string {
	return fmt.Sprintf("own CPU kernels (%s, %d threads)", b.level, runtime.GOMAXPROCS(0))
}

// Precision returns what the configuration asks for: f32, bf16 or int8. The processor may lack the instructions.
func (b *Backend) Precision() string { return b.precision }

// NumDevices returns 1.
func (b *Backend) NumDevices() int { return 1 }

// DeviceDescription describes the only device.
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return b.Description() }

// Capabilities returns the fallback backend's capabilities, which are this backend's too.
func (b *Backend) Capabilities() compute.Capabilities { return b.oracle.Capabilities() }

// Finalize makes the backend invalid and frees its memory.
func (b *Backend) Finalize() {
	if b.finalized.CompareAndSwap(false, true) {
		b.memory.drop()
		b.oracle.Finalize()
	}
}

// IsFinalized reports whether Finalize was called.
func (b *Backend) IsFinalized() bool { return b.finalized.Load() }

// Fallbacks returns how many operations the fallback backend has executed since the backend was created, by operation
// type. Operations inside While, If, Sort and Call count as the one operation that holds them; a graph with dynamic
// shapes counts as one "DynamicShape".
func (b *Backend) Fallbacks() map[compute.OpType]int64 { return b.counter.counts() }

// Builder starts a new computation.
func (b *Backend) Builder(name string) compute.Builder {
	shadow := b.oracle.Builder(name)
	bd := &builder{backend: b, shadow: shadow}
	bd.main = newFunction(bd, nil, shadow.Main())
	return bd
}

// HasSharedBuffers returns true: buffers are ordinary memory.
func (b *Backend) HasSharedBuffers() bool { return true }

func (b *Backend) check(device compute.DeviceNum, shape shapes.Shape) error {
	if b.finalized.Load() {
		return errFinalized
	}
	if device != 0 {
		return fmt.Errorf("cpu: no device %d for a buffer of shape %s: there is only device 0", device, shape)
	}
	return nil
}
