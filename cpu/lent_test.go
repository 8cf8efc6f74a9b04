package cpu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// owner records what an execution tells it.
type owner struct {
	name string
	log  *[]string
	err  error
}

func (o *owner) Ready() error {
	*o.log = append(*o.log, "ready "+o.name)
	return o.err
}

// TestOwners tells the owners of a chain of weights when they are read, each before its product. A weight without an
// owner is not told, and an error ends the execution.
func TestOwners(t *testing.T) {
	b := newLevel(t, "")
	const n, chain = 32, 5
	shape := shapes.Make(dtypes.Float32, n, n)
	builder := b.Builder("owners")
	f := builder.Main()
	parameter := func(name string) compute.Value {
		v, err := f.Parameter(name, shape, nil)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	x := parameter("x")
	var weights []compute.Value
	for i := range chain { // not in the order of their use
		weights = append(weights, parameter(fmt.Sprint("w", chain-1-i)))
	}
	slices.Reverse(weights)
	y := x
	for _, w := range append(weights, weights[0]) {
		var err error
		if y, err = f.DotGeneral(y, []int{1}, nil, w, []int{1}, nil, config); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Return([]compute.Value{y}, nil); err != nil {
		t.Fatal(err)
	}
	exe, err := builder.Compile()
	if err != nil {
		t.Fatal(err)
	}
	var log []string
	owners := make([]*owner, chain)
	inputs := make([]compute.Buffer, 1+chain)
	if inputs[0], err = b.BufferFromFlatData(0, make([]float32, n*n), shape); err != nil {
		t.Fatal(err)
	}
	if err := b.Announce(inputs[0], &owner{}); err == nil {
		t.Error("memory of the backend has an owner")
	}
	for i := range chain {
		at := chain - i
		if i%2 == 0 {
			inputs[at], err = b.BufferOverFlatData(make([]float32, n*n), shape)
		} else {
			inputs[at], _ = asRows(t, b, make([]float32, n*n), []int{n, n})
		}
		if err != nil {
			t.Fatal(err)
		}
		owners[i] = &owner{name: fmt.Sprint("w", i), log: &log}
		if i == 1 {
			continue
		}
		if err := b.Announce(inputs[at], owners[i]); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want error, lines ...string) {
		t.Helper()
		log = nil
		_, err := exe.Execute(inputs, make([]bool, 1+chain), 0)
		if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), `parameter "w3"`) {
			t.Errorf("error %v, want %v", err, want)
		}
		if !slices.Equal(log, lines) {
			t.Errorf("told %q, want %q", log, lines)
		}
	}
	run(nil, "ready w0", "ready w2", "ready w3", "ready w4")
	owners[3].err = errors.New("damaged")
	run(owners[3].err, "ready w0", "ready w2", "ready w3")
}
