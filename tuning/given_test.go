package tuning

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/genref"
	"reflectionflow/nn"
)

// givenModels are tiny folders of the architectures.
var givenModels = map[string]string{"FLUX.1": "../cmd/reflectionflow/testdata/tiny/flux1", "FLUX.2": "../flux/flux2/testdata/tiny"}

func openGiven(t testing.TB, name string) flux.Model {
	t.Helper()
	if name == "FLUX.2" {
		folder, err := flux2.OpenFolder(givenModels[name])
		if err != nil {
			t.Fatal(err)
		}
		model, err := flux2.LoadModel(folder)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	folder, err := flux1.OpenFolder(givenModels[name])
	if err != nil {
		t.Fatal(err)
	}
	model, err := flux1.LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func openGivenRun(t testing.TB, name string, c Corrector) *givenRun {
	t.Helper()
	base, err := newGivenBase(openGiven(t, name), c)
	if err != nil {
		t.Fatal(err)
	}
	run, err := newGivenRun(backend(t), base, c)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

var givenCorrector = Corrector{Size: 64, Rank: 2, Train: Config{Steps: 4, Batch: 2, LearningRate: 0.01, SaveEvery: 2, Seed: 5}}

// randomBatch is a batch of noise; texts are token 1.
func randomBatch(g *givenRun) []*tensors.Tensor {
	rng := testRNG()
	var batch []*tensors.Tensor
	for i, s := range g.denoising.batch {
		switch {
		case i == 3:
			batch = append(batch, timesteps(rng, s.Dimensions[0], 0))
		case i >= g.text:
			ids := make([]int32, s.Size())
			for i := range ids {
				ids[i] = 1
			}
			batch = append(batch, tensors.FromFlatDataAndDimensions(ids, s.Dimensions...))
		default:
			batch = append(batch, normal(rng, s.Dimensions...))
		}
	}
	return batch
}

// The loss and the gradients piece by piece are those of the whole model.
func TestPiecesEqualTheWhole(t *testing.T) {
	for name := range givenModels {
		t.Run(name, func(t *testing.T) {
			run := openGivenRun(t, name, givenCorrector)
			store := run.denoising.store
			for _, weight := range store.Names(run.base.prefix + ".") { // B is zero at first, and A then has no gradient
				d := store.Dims(weight)
				store.Set(weight, nn.InitNormal(0.2)(testRNG(), d), d...)
			}
			p, err := run.compile()
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			got, err := p.Run(t.Context(), randomBatch(run)...)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := nn.Compile(run.backend, store, run.denoising.batch, func(s nn.Scope, batch []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
				in, target := run.begin(s, batch)
				loss := graph.ReduceAllMean(graph.Square(graph.Sub(run.base.model.Velocity(run.base.adapt(s), run.inputs(in)), target)))
				var values []*graph.Node
				for _, name := range p.trainable {
					values = append(values, s.Node(name))
				}
				return append([]*graph.Node{loss}, graph.Gradient(loss, values...)...), nil
			}, nn.Options{Name: "whole"})
			if err != nil {
				t.Fatal(err)
			}
			want, err := whole.Run(randomBatch(run)...)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) || len(p.trainable) != 2*len(run.base.lora.Modules) {
				t.Fatalf("%d gradients of %d weights, want %d of %d", len(got)-1, len(p.trainable), len(want)-1, 2*len(run.base.lora.Modules))
			}
			zero := 0
			for i := range want {
				a, b := tensors.MustCopyFlatData[float32](got[i]), tensors.MustCopyFlatData[float32](want[i])
				var difference, size float64
				for k := range b {
					difference, size = difference+math.Pow(float64(a[k]-b[k]), 2), size+math.Pow(float64(b[k]), 2)
				}
				if size == 0 {
					zero++
				}
				if !(math.Sqrt(difference) <= 1e-4*math.Sqrt(size)+1e-7) {
					t.Errorf("output %d differs by %g of %g", i, math.Sqrt(difference), math.Sqrt(size))
				}
			}
			if most := map[string]int{"FLUX.1": 6}[name]; zero != most { // the last output of the condition is discarded
				t.Errorf("%d of %d gradients are zero", zero, len(want))
			}
		})
	}
}

func testRNG() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

// givenSet writes a GenRef set of n triplets of images of the side given.
func givenSet(t testing.TB, n int, edit func(i int, members map[string][]byte)) string {
	t.Helper()
	dir := t.TempDir()
	var shard bytes.Buffer
	w := tar.NewWriter(&shard)
	for i := range n {
		members := map[string][]byte{
			"bad_image.jpg": plainJPEG(t, 64, 64, color.RGBA{R: uint8(40 * i), A: 255}), "good_image.jpg": plainJPEG(t, 64, 64, color.RGBA{G: 200, B: uint8(30 * i), A: 255}),
			"prompt.txt": []byte("a photo of two red clocks"), "reflection.txt": []byte("Add a clock."), "subset.txt": []byte("rule"),
		}
		if edit != nil {
			edit(i, members)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%06d.%s", i, name), Mode: 0o644, Size: int64(len(members[name]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(members[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(dir, genref.ShardName(0)), shard.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func plainJPEG(t testing.TB, width, height int, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	data, err := genref.EncodeImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func trainGivenModel(ctx context.Context, t testing.TB, name string, c Corrector, opts StageOptions) error {
	t.Helper()
	opts.Backend, opts.Base = backend(t), openGiven(t, name)
	return Train(ctx, "corrector", Recipe{Corrector: c}, opts)
}

func TestGivenModelsLearn(t *testing.T) {
	for name := range givenModels {
		t.Run(name, func(t *testing.T) {
			c := givenCorrector
			c.Triplets, c.Train.Steps, c.Train.Accumulate = givenSet(t, 1, nil), 30, 2
			c.Train.SaveEvery = 0
			var losses []float64
			var plan Plan
			out := t.TempDir()
			err := trainGivenModel(t.Context(), t, name, c, StageOptions{Out: out, Notify: func(p Progress) { losses = append(losses, p.Loss) }, Planned: func(p Plan) { plan = p }})
			if err != nil {
				t.Fatal(err)
			}
			mean := func(list []float64) (sum float64) {
				for _, v := range list {
					sum += v / float64(len(list))
				}
				return sum
			}
			if first, last := mean(losses[:8]), mean(losses[22:]); !(last < first) {
				t.Errorf("the loss went from %.4f to %.4f: %.4f", first, last, losses)
			}
			if plan.Trained == 0 || plan.Mapped == 0 || plan.Allocated == 0 || !strings.Contains(plan.String(), "stay in the files") {
				t.Errorf("plan %+v: %s", plan, plan)
			}
			if _, err := os.Stat(filepath.Join(out, "model", flux1.AdapterConfigFile)); err != nil {
				t.Error(err)
			}
		})
	}
}

// An interrupted and resumed training writes the same bytes.
func TestGivenModelResumes(t *testing.T) {
	c := givenCorrector
	c.DropText, c.DropReflection, c.DropImage, c.Timestep = 0.2, 0.2, 0.2, 0.3
	c.Mix = Mix{Over: 2, Rule: [2]float64{1, 1}}
	c.Triplets = givenSet(t, 3, nil)
	whole, parts := t.TempDir(), t.TempDir()
	if err := trainGivenModel(t.Context(), t, "FLUX.2", c, StageOptions{Out: whole}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	err := trainGivenModel(ctx, t, "FLUX.2", c, StageOptions{Out: parts, Notify: func(p Progress) {
		if p.Step == 2 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	if err := trainGivenModel(t.Context(), t, "FLUX.2", c, StageOptions{Out: parts, Resume: true}); err != nil {
		t.Fatal(err)
	}
	read := func(dir string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, "model", flux1.CorrectorFile))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if !bytes.Equal(read(whole), read(parts)) {
		t.Error("the LoRAs differ")
	}
}

func TestGivenModelRefuses(t *testing.T) {
	good := givenCorrector
	good.Triplets = givenSet(t, 2, nil)
	set := func(name string, value []byte) string {
		return givenSet(t, 2, func(i int, members map[string][]byte) {
			if i == 1 {
				members[name] = value
			}
		})
	}
	for _, c := range []struct {
		name, model string
		change      func(c *Corrector)
		want        string
	}{
		{"reflection", "FLUX.2", func(c *Corrector) { c.Triplets = set("reflection.txt", []byte(" ")) }, "reflection"},
		{"small", "FLUX.2", func(c *Corrector) { c.Triplets = set("good_image.jpg", plainJPEG(t, 32, 32, color.Black)) }, "good_image.jpg has 32×32 pixels, training at 64 needs at least as many"},
		{"wide", "FLUX.2", func(c *Corrector) { c.Triplets = set("bad_image.jpg", plainJPEG(t, 96, 64, color.Black)) }, "training takes square images"},
		{"no image", "FLUX.2", func(c *Corrector) { c.Triplets = set("bad_image.jpg", []byte("x")) }, "000001"},
		{"no set", "FLUX.2", func(c *Corrector) { c.Triplets = t.TempDir() }, "no GenRef shards"},
		{"no triplets", "FLUX.2", func(c *Corrector) { c.Triplets = "" }, "triplets is missing"},
		{"size", "FLUX.2", func(c *Corrector) { c.Size = 72 }, "must be a multiple of 16"},
		{"no size", "FLUX.1", func(c *Corrector) { c.Size = 0 }, "size is 0"},
		{"rank", "FLUX.1", func(c *Corrector) { c.Rank = 0 }, "rank is 0"},
		{"edits", "FLUX.1", func(c *Corrector) { c.Edits = 3 }, "edits, redraw and critiques make clip-art"},
		{"streams", "FLUX.2", func(c *Corrector) { c.AllStreams = true }, "all_streams is for FLUX.1"},
		{"mix", "FLUX.2", func(c *Corrector) { c.Mix.General = [2]float64{1, 1} }, "the weights of the subsets that have samples"},
		{"samples", "FLUX.2", func(c *Corrector) { c.Train.SampleEvery = 2 }, "sample_every"},
		{"drop", "FLUX.2", func(c *Corrector) { c.DropText = 2 }, "drop_text is 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			err := trainGivenModel(t.Context(), t, c.model, bad, StageOptions{Out: t.TempDir()})
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if err := (Plan{Allocated: 2e9, Free: 1e9}).check(); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "takes 2.0 GB of memory beside the weights, and 1.0 GB are free") {
		t.Errorf("memory: %v", err)
	}
}

// A dry run needs no triplets and writes nothing.
func TestDryRun(t *testing.T) {
	var plan Plan
	out := t.TempDir()
	if err := trainGivenModel(t.Context(), t, "FLUX.2", givenCorrector, StageOptions{Out: out, DryRun: true, Planned: func(p Plan) { plan = p }}); err != nil {
		t.Fatal(err)
	}
	if len(plan.Blocks) != 2 || plan.Blocks[0].Count != 2 || plan.Blocks[1].Backward == 0 || plan.Step == 0 {
		t.Errorf("plan %+v", plan)
	}
	if files, err := os.ReadDir(out); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
}
