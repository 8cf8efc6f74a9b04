package flux

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// TestBandsAreExact encodes and decodes an image in bands of various heights: the results have the bits of those that are
// computed as a whole, and the memory is less.
func TestBandsAreExact(t *testing.T) {
	cfg := NewAutoencoder([]int{8, 16, 16}, 4, 1, 4, true)
	backend, err := nn.OpenBackend("")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	const height, width = 72, 40
	seed, store, rng := uint64(3), nn.NewStore(), rand.New(rand.NewPCG(1, 2))
	image, latents := tensors.FromShape(floats(2, height, width, 3)), tensors.FromShape(floats(2, height/4, width/4, 4))
	for _, x := range []*tensors.Tensor{image, latents} {
		tensors.MustMutableFlatData(x, func(flat []float32) {
			for i := range flat {
				flat[i] = float32(rng.NormFloat64())
			}
		})
	}
	run := func(numbers int) (out [][]float32, memory int) {
		cfg.bandNumbers = numbers
		p, err := nn.Compile(backend, store, []shapes.Shape{image.Shape(), latents.Shape()}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
			mean, logvar := Encode(s, cfg, in[0])
			return []*Node{mean, logvar, Decode(s, cfg, in[1])}, nil
		}, nn.Options{Name: "autoencoder", Seed: &seed})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		results, err := p.Run(image, latents)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			out = append(out, tensors.MustCopyFlatData[float32](r))
		}
		return out, p.Memory()
	}
	whole, most := run(1 << 30)
	for _, numbers := range []int{1, 1 << 10, 1 << 13, 1 << 14} {
		got, memory := run(numbers)
		for i := range whole {
			if !slices.Equal(got[i], whole[i]) {
				t.Errorf("bands of %d numbers: result %d differs", numbers, i)
			}
		}
		if numbers == 1<<13 && memory > most*3/4 {
			t.Errorf("bands of %d numbers take %d bytes, the whole image %d", numbers, memory, most)
		}
	}
}
