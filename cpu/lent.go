package cpu

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
)

// Owner lends memory to buffers, such as weights in a mapped file. Executions tell it when they read the memory, from
// several goroutines.
type Owner interface {
	// Ready is called before the first step of an execution that reads the memory. Its error ends the execution.
	Ready() error
}

// Announce makes executions tell the owner when they read a buffer of [Backend.BufferOverFlatData] or
// [Backend.BufferOverRows].
func (b *Backend) Announce(lent compute.Buffer, owner Owner) error {
	u, ok := lent.(*buffer)
	if !ok || u.backend != b || !u.lent {
		return errors.New("cpu: announce a buffer that is not over memory of the caller's")
	}
	u.owner = owner
	return nil
}

// firstReads lists the inputs in the order in which the steps first read them, and sets how many each step begins with.
func firstReads(n int, steps []*step) []int {
	order, seen := make([]int, 0, n), make([]bool, n)
	for _, st := range steps {
		for _, s := range st.reads {
			if s.kind == inInput && !seen[s.index] {
				seen[s.index], order = true, append(order, s.index)
				st.begins++
			}
		}
	}
	return order
}

// ready tells the owners of the inputs that the next step is the first to read. begun inputs, in the order of the program,
// were read before; it returns how many have been then.
func (p *program) ready(x *execution, begun int, st *step) (int, error) {
	for range st.begins {
		index := p.order[begun]
		begun++
		owner := x.inputs[index].owner
		if owner == nil {
			continue
		}
		if err := owner.Ready(); err != nil {
			return begun, fmt.Errorf("cpu: execute %q: parameter %q: %w", p.name, p.names[index], err)
		}
	}
	return begun, nil
}
