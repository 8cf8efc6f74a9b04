//go:build !amd64 && !arm64

package cpu

// level is an instruction set that the kernels are written for.
type level int

const (
	plain level = iota // portable Go
	avx2
	avx512
	amx
)

// levelNames are the names of the instruction sets that this architecture may have.
var levelNames = []string{"plain"}

// machine is the best level of this processor: there are kernels for amd64 and arm64 only.
var machine = plain

func (l level) kernel() tileKernel { return plainKernel }

var (
	machineHas features
	pairKernel tileKernel // for pairs: there is none
)

func (l level) hasPairs() bool { return false }
