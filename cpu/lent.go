package cpu

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
)

// Owner lends memory to buffers, such as weights in a mapped file. Executions tell it when they read the memory. Its
// methods are called from several goroutines.
type Owner interface {
	// Soon says that an execution will read the memory after that of one or two other buffers. It must not wait.
	Soon()
	// Ready is called before the first step of an execution that reads the memory. Its error ends the execution.
	Ready() error
}

// soonAhead is how many lent inputs ahead an execution announces: while it reads one weight of a block, the next two are
// read from the disk.
const soonAhead = 2

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

// reading is how far an execution has read the lent inputs, in the order of the program.
type reading struct {
	begun int // positions in the order
	soon  int
	ahead int // owners before soon that have not begun
}

// ready tells the owners of the inputs that the next step is the first to read, and those of the inputs after them.
func (p *program) ready(x *execution, r *reading, st *step) error {
	for range st.begins {
		index := p.order[r.begun]
		r.begun++
		owner := x.inputs[index].owner
		if owner == nil {
			continue
		}
		r.ahead = max(0, r.ahead-1)
		for r.soon = max(r.soon, r.begun); r.soon < len(p.order) && r.ahead < soonAhead; r.soon++ {
			if next := x.inputs[p.order[r.soon]].owner; next != nil {
				next.Soon()
				r.ahead++
			}
		}
		if err := owner.Ready(); err != nil {
			return fmt.Errorf("cpu: execute %q: parameter %q: %w", p.name, p.names[index], err)
		}
	}
	return nil
}
