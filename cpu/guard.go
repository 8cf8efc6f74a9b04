package cpu

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// errFault says that memory could not be read, as a mapped file that was cut short.
var errFault = errors.New("the memory could not be read")

// guard calls run. A panic becomes an error, as for an integer divided by zero, and so does the memory fault of reading a
// mapped file that another process has cut short or whose disk fails, which would otherwise end the process. The helpers
// of the pool do the same.
func guard(run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		_, fault := r.(interface{ Addr() uintptr })
		cause, isError := r.(error)
		switch {
		case fault:
			err = errFault
		case isError:
			err = cause
		default:
			err = fmt.Errorf("%v", r)
		}
	}()
	return run()
}

// execute runs the step.
func (s *step) execute(x *execution) error { return guard(func() error { return s.run(x) }) }

// failed describes the error of a step. For a memory fault these are the inputs that the step reads in memory of the
// caller's: what the step computes does not matter then.
func (p *program) failed(x *execution, st *step, err error) error {
	if !errors.Is(err, errFault) {
		return fmt.Errorf("cpu: execute %q: %s: %w", p.name, st.origin, err)
	}
	var names []string
	for _, s := range st.reads {
		if s.kind == inInput && x.inputs[s.index].lent {
			names = append(names, fmt.Sprintf("%q", p.names[s.index]))
		}
	}
	slices.Sort(names)
	return fmt.Errorf("cpu: execute %q: %w: %s: its file was cut short or changed while in use, or its disk fails", p.name, errFault, strings.Join(slices.Compact(names), ", "))
}
