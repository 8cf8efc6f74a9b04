package flux1

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
)

func TestAutoencoderAgreesWithDiffusers(t *testing.T) {
	for _, name := range []string{"vae", "vae_quant", "vae_plain"} {
		t.Run(name, func(t *testing.T) {
			f := fluxtest.OpenFixture(t, name)
			var cfg flux.AutoencoderConfig
			f.Config(&cfg)
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			got := f.Run(func(s nn.Scope, in []*Node) []*Node {
				mean, logvar := flux.Encode(s, cfg, in[0])
				return []*Node{mean, logvar}
			}, f.Images("images"))
			fluxtest.Compare(t, "mean", got[0], fluxtest.ChannelsLast(f.Output("mean")))
			fluxtest.Compare(t, "logvar", got[1], fluxtest.ChannelsLast(f.Output("logvar")))
			got = f.Run(func(s nn.Scope, in []*Node) []*Node { return []*Node{flux.Decode(s, cfg, in[0])} }, f.Images("latents"))
			fluxtest.Compare(t, "decoded", got[0], fluxtest.ChannelsLast(f.Output("decoded")))
		})
	}
}

func TestScaleAndUnscale(t *testing.T) {
	cfg := flux.FluxDevAutoencoder()
	latents := tensors.FromFlatDataAndDimensions([]float32{-2, 0, 0.1159, 5}, 1, 2, 2, 1)
	f := &fluxtest.Fixture{T: t, Store: nn.NewStore()}
	got := f.Run(func(_ nn.Scope, in []*Node) []*Node {
		scaled := cfg.Scale(in[0])
		return []*Node{scaled, cfg.Unscale(scaled)}
	}, latents)
	fluxtest.Compare(t, "scaled", got[0], fluxtest.Dense{Dims: []int{1, 2, 2, 1}, Values: []float32{-0.76405149, -0.04185149, 0, 1.76364851}})
	fluxtest.Compare(t, "unscaled", got[1], fluxtest.Dense{Dims: []int{1, 2, 2, 1}, Values: []float32{-2, 0, 0.1159, 5}})
}

// Every weight must receive a gradient, or training would not change it. Only the
// biases of keys have none: they move all scores of a query alike.
func TestEveryWeightHasAGradient(t *testing.T) {
	vae := flux.NewAutoencoder([]int{4, 8}, 2, 1, 2, true)
	t5 := NewT5(11, 8, 2, 12, 2)
	clip := NewCLIP(11, 8, 2, 2, 6)
	image := shapes.Make(dtypes.Float32, 1, 4, 4, 3)
	ids := shapes.Make(dtypes.Int32, 1, 6)
	seed := uint64(5)
	store := nn.NewStore()
	var names []string
	p, err := nn.Compile(openTestBackend(t), store, []shapes.Shape{image, ids}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		mean, logvar := flux.Encode(s.In("vae"), vae, in[0])
		back := flux.Decode(s.In("vae"), vae, Add(mean, Exp(MulScalar(logvar, 0.5))))
		out := []*Node{back, T5Encode(s.In("t5"), t5, in[1]), CLIPPooled(s.In("clip"), clip, in[1])}
		loss := ScalarZero(s.Graph(), dtypes.Float32)
		for _, o := range out {
			// A weighted sum: plain squares of normalized values would be constant.
			weights := AddScalar(IotaFull(s.Graph(), o.Shape()), 1)
			loss = Add(loss, ReduceAllSum(Mul(Square(o), weights)))
		}
		names = s.Used()
		var weights []*Node
		for _, name := range names {
			weights = append(weights, s.Node(name))
		}
		var sums []*Node
		for _, g := range Gradient(loss, weights...) {
			sums = append(sums, ReduceAllSum(Abs(g)))
		}
		return sums, nil
	}, nn.Options{Seed: &seed, Name: "gradients"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range names { // zero at first, which holds back the gradients before it
		if strings.HasSuffix(name, ".conv2.weight") {
			dims := store.Dims(name)
			store.Set(name, nn.InitKaiming(rand.New(rand.NewPCG(1, 2)), dims), dims...)
		}
	}
	pixels := make([]float32, 48)
	for i := range pixels {
		pixels[i] = float32(i%7)/3 - 1
	}
	sums, err := p.Run(tensors.FromFlatDataAndDimensions(pixels, 1, 4, 4, 3), tensors.FromFlatDataAndDimensions([]int32{3, 1, 4, 10, 0, 0}, 1, 6))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		key := strings.HasSuffix(name, ".to_k.bias") || strings.HasSuffix(name, ".k_proj.bias")
		if sum := tensors.ToScalar[float32](sums[i]); !(sum > 0 || key) {
			t.Errorf("the gradient of %s sums to %v", name, sum)
		}
	}
}

func BenchmarkDecode128(b *testing.B) {
	cfg := flux.NewAutoencoder([]int{24, 48, 64, 96}, 16, 1, 8, true)
	seed := uint64(1)
	latents := shapes.Make(dtypes.Float32, 1, 16, 16, 16)
	p, err := nn.Compile(openTestBackend(b), nn.NewStore(), []shapes.Shape{latents}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{flux.Decode(s, cfg, in[0])}, nil
	}, nn.Options{Seed: &seed, Name: "decode"})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	input := tensors.FromShape(latents)
	for b.Loop() {
		if _, err := p.Run(input); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAutoencoderGroupNorms looks for one step of statistics for each group norm of the encoder and of the decoder.
func TestAutoencoderGroupNorms(t *testing.T) {
	cfg := flux.NewAutoencoder([]int{8, 16, 16}, 4, 1, 4, true)
	const perBlock = 2 // norms of a residual block
	middle := 2*perBlock + 1
	for name, c := range map[string]struct {
		input shapes.Shape
		build func(s nn.Scope, x *Node) *Node
		want  int
	}{
		"encoder": {shapes.Make(dtypes.Float32, 2, 32, 32, 3), func(s nn.Scope, x *Node) *Node {
			mean, _ := flux.Encode(s, cfg, x)
			return mean
		}, 3*perBlock + middle + 1},
		"decoder": {shapes.Make(dtypes.Float32, 2, 8, 8, 4), func(s nn.Scope, x *Node) *Node { return flux.Decode(s, cfg, x) }, 6*perBlock + middle + 1},
	} {
		backend, seed := openTestBackend(t), uint64(1)
		p, err := nn.Compile(backend, nn.NewStore(), []shapes.Shape{c.input}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
			return []*Node{c.build(s, in[0])}, nil
		}, nn.Options{Seed: &seed, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if got := backend.(*cpu.Backend).Steps()["group norm"]; got != c.want {
			t.Errorf("%s: %d steps of group norm, want %d", name, got, c.want)
		}
	}
}
