package reward

import (
	"errors"
	"image"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

func tiny() Config {
	return Config{Side: 16, Patch: 8, Width: 8, Depth: 1, TextDepth: 1, Heads: 2, Hidden: 8, Length: 4, Vocabulary: []string{"a", "dog", "cup", "."}}
}

func backend(t testing.TB) compute.Backend { return nntest.Backend(t) }

func TestWords(t *testing.T) {
	got := tiny().Words([]string{"A dog.", "", "a cup a zebra a dog"})
	want := []int32{2, 3, 5, 0, 1, 0, 0, 0, 2, 4, 2, 1}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestValidate(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"patch":      func(c *Config) { c.Patch = 5 },
		"heads":      func(c *Config) { c.Heads = 3 },
		"length":     func(c *Config) { c.Length = 1 << 40 },
		"vocabulary": func(c *Config) { c.Vocabulary = append(c.Vocabulary, "dog") },
	} {
		c := tiny()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if spoil(&c); !errors.Is(c.Validate(), reflectionflow.ErrInvalid) {
			t.Errorf("%s: %+v is accepted", name, c)
		}
	}
}

// TestTrainingUsesWordsAndImages trains the network to prefer the dark or the light image by the
// word of the prompt, which needs both inputs.
func TestTrainingUsesWordsAndImages(t *testing.T) {
	c, b, seed := tiny(), backend(t), uint64(5)
	const pairs = 8
	store := nn.NewStore()
	inputs := []shapes.Shape{shapes.Make(dtypes.Uint8, 2*pairs, c.Side, c.Side, 3), shapes.Make(dtypes.Int32, pairs, c.Length)}
	step, err := nn.Compile(b, store, inputs, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		loss, right := Loss(s.In(prefix), c, nn.Images(in[0]), in[1])
		names := s.Used()
		var values []*graph.Node
		for _, name := range names {
			values = append(values, s.Node(name))
		}
		updates := map[string]*graph.Node{}
		for i, grad := range graph.Gradient(loss, values...) {
			updates[names[i]] = graph.Sub(values[i], graph.MulScalar(grad, 0.2))
		}
		return []*graph.Node{right}, updates
	}, nn.Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	shade := func(light bool) []uint8 {
		pixels := make([]uint8, c.Side*c.Side*3)
		for i := range pixels {
			pixels[i] = uint8(40 + rng.IntN(40))
			if light {
				pixels[i] += 140
			}
		}
		return pixels
	}
	var right float32
	for range 60 {
		var better, worse []uint8
		var texts []string
		for range pairs {
			light := rng.IntN(2) == 0
			better, worse = append(better, shade(light)...), append(worse, shade(!light)...)
			texts = append(texts, map[bool]string{true: "a dog", false: "a cup"}[light])
		}
		out, err := step.Run(tensors.FromFlatDataAndDimensions(append(better, worse...), 2*pairs, c.Side, c.Side, 3),
			tensors.FromFlatDataAndDimensions(c.Words(texts), pairs, c.Length))
		if err != nil {
			t.Fatal(err)
		}
		right = tensors.ToScalar[float32](out[0])
	}
	if right != 1 {
		t.Errorf("%v of the pairs are right after training", right)
	}
	saved(t, b, c, store)
}

// saved checks that a saved model scores as the one in the store.
func saved(t *testing.T, b compute.Backend, c Config, store *nn.Store) {
	t.Helper()
	dir := t.TempDir()
	if err := Save(dir, c, store, prefix, safetensors.F32); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(b, os.DirFS(dir), ".")
	if err != nil {
		t.Fatal(err)
	}
	trained, err := New(b, c, store, prefix)
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	want, err := trained.Score("a dog", img)
	if err != nil {
		t.Fatal(err)
	}
	got, err := loaded.Score("a dog", img)
	if err != nil || got != want {
		t.Errorf("loaded scores %v, %v, trained scored %v", got, err, want)
	}
	if other, err := loaded.Score("a cup", img); err != nil || !(got > other) {
		t.Errorf("a light image: %v for dog, %v for cup, %v", got, other, err)
	}
	if _, err := loaded.Score("a dog", nil); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("no image: %v", err)
	}
}
