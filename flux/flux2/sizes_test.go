package flux2

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
)

// TestMemoryOfTheAutoencoder compares the estimate with what the compiled networks take at true shapes. Nothing is run.
func TestMemoryOfTheAutoencoder(t *testing.T) {
	c, backend := KleinAutoencoder(), nntest.Backend(t)
	variables, err := c.Variables()
	if err != nil {
		t.Fatal(err)
	}
	store := nn.NewStore()
	for _, v := range variables { // of one memory
		store.SetInPlace(v.Name, zeros(v.Size()), v.Shape...)
	}
	for _, side := range []int{512, 768, 1024} {
		grid := flux.Grid{Rows: side / 16, Cols: side / 16}
		for name, network := range map[string]struct {
			input []int
			run   func(s nn.Scope, x *Node) *Node
		}{
			"encoder": {[]int{1, side, side, 3}, func(s nn.Scope, x *Node) *Node { return Encode(s, c, x) }},
			"decoder": {[]int{1, grid.Tokens(), 4 * c.LatentChannels}, func(s nn.Scope, x *Node) *Node {
				return Decode(s, c, flux.Packed{Tokens: x, Grid: grid})
			}},
		} {
			p, err := nn.Compile(backend, store, []shapes.Shape{shapes.Make(dtypes.Float32, network.input...)}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
				return []*Node{network.run(s, in[0])}, nil
			}, nn.Options{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			need, estimate := int64(p.Memory()), 4*c.Peak(side, side)
			t.Logf("%s, %d pixels: %d MB, estimated %d MB", name, side, need/1e6, estimate/1e6)
			if need == 0 {
				t.Skip("the backend does not say what it takes")
			}
			if need > estimate || name == "decoder" && need < estimate/2 {
				t.Errorf("%s, %d pixels: takes %d bytes, estimated %d", name, side, need, estimate)
			}
			p.Close()
		}
	}
}

// zeroed is the memory of all weights.
var zeroed = make([]float32, 1<<22)

func zeros(n int) []float32 { return zeroed[:n] }
