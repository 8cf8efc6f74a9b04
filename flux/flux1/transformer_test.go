package flux1

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

// tinyParams are those of testdata/make_fixtures_transformer.py.
var tinyParams = Params{
	PatchSize: 1, InChannels: 8, NumLayers: 1, NumSingleLayers: 1, AttentionHeadDim: 8, NumAttentionHeads: 2,
	JointAttentionDim: 12, PooledProjectionDim: 10, GuidanceEmbeds: true, AxesDimsRope: [3]int{2, 2, 4},
}

var tinyGrid, tinyConditionGrid = flux.Grid{Rows: 4, Cols: 3}, flux.Grid{Rows: 3, Cols: 2}

// transformerFixture is one of the files of make_fixtures_transformer.py.
type transformerFixture struct {
	t    testing.TB
	file *safetensors.File
}

func openTransformerFixture(t testing.TB, name string) transformerFixture {
	t.Helper()
	f, err := safetensors.Open(filepath.Join("testdata", "transformer_"+name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // read only
	return transformerFixture{t, f}
}

func (f transformerFixture) values(name string) []float32 {
	f.t.Helper()
	values, err := f.file.Float32(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return values
}

func (f transformerFixture) tensor(name string) *tensors.Tensor {
	f.t.Helper()
	info, err := f.file.Info(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return tensors.FromFlatDataAndDimensions(f.values(name), info.Shape...)
}

// tinyStore holds the fixture's weights below "transformer".
func tinyStore(t testing.TB) *nn.Store {
	f, store := openTransformerFixture(t, "weights"), nn.NewStore()
	for _, name := range f.file.Names() {
		info, err := f.file.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		store.Set("transformer."+name, f.values(name), info.Shape...)
	}
	return store
}

// checkRelative asks for an error below 1e-4 of the largest value wanted.
func checkRelative(t testing.TB, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	var worst, largest float64
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
		if math.IsNaN(float64(got[i])) {
			t.Fatalf("value %d is NaN", i)
		}
	}
	t.Logf("relative error %.1e", worst/largest)
	if worst > 1e-4*largest {
		t.Errorf("largest error %g of values up to %g", worst, largest)
	}
}

func openTestBackend(t testing.TB) compute.Backend { return nntest.Backend(t) }

// runGraph compiles and runs fn once and returns its first output.
func runGraph(t testing.TB, store *nn.Store, fn func(s nn.Scope, in []*graph.Node) *graph.Node, inputs ...*tensors.Tensor) []float32 {
	t.Helper()
	given := make([]shapes.Shape, len(inputs))
	for i, in := range inputs {
		given[i] = in.Shape()
	}
	p, err := nn.Compile(openTestBackend(t), store, given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{fn(s, in)}, nil
	}, nn.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

// tinyInputs are the fixture's inputs in the order of tinyVelocity.
func tinyInputs(f transformerFixture) []*tensors.Tensor {
	var inputs []*tensors.Tensor
	for _, name := range []string{"latents", "text", "pooled", "timestep", "guidance", "condition"} {
		inputs = append(inputs, f.tensor(name))
	}
	return inputs
}

func tinyVelocity(s nn.Scope, p Params, in []*graph.Node, c *Condition) *graph.Node {
	return Transformer(s.In("transformer"), p, Inputs{
		Latents: in[0], Grid: tinyGrid, Text: in[1], Pooled: in[2], Timestep: in[3], Guidance: in[4], Condition: c,
	})
}

func TestTransformerEqualsDiffusers(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	for _, guided := range []bool{true, false} {
		name := map[bool]string{true: "base.guided", false: "base.plain"}[guided]
		t.Run(name, func(t *testing.T) {
			p := tinyParams
			p.GuidanceEmbeds = guided
			got := runGraph(t, tinyStore(t), func(s nn.Scope, in []*graph.Node) *graph.Node {
				return tinyVelocity(s, p, in, nil)
			}, tinyInputs(cases)...)
			checkRelative(t, got, cases.values(name))
		})
	}
}

func TestConditionEqualsReference(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	for _, c := range []struct {
		name, lora string
		scale      float64
	}{
		{"condition.lora", "lora", 1}, {"condition.scaled", "lora", 0.4}, {"condition.all_streams", "lora_all", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := tinyStore(t)
			lora, err := LoadLoRA(openTransformerFixture(t, c.lora).file, tinyParams, store, "lora")
			if err != nil {
				t.Fatal(err)
			}
			got := runGraph(t, store, func(s nn.Scope, in []*graph.Node) *graph.Node {
				return tinyVelocity(s, tinyParams, in, &Condition{
					Latents: in[5], Grid: tinyConditionGrid, Scale: c.scale,
					Adapter: lora.Adapter(s.In("lora"), s.In("transformer")), AllStreams: lora.AllStreams,
				})
			}, tinyInputs(cases)...)
			checkRelative(t, got, cases.values(c.name))
		})
	}
}

// TestTransformerFusesAttention looks for one step of attention a block, and one more in its gradient.
func TestTransformerFusesAttention(t *testing.T) {
	inputs := tinyInputs(openTransformerFixture(t, "cases"))
	given := make([]shapes.Shape, len(inputs))
	for i, in := range inputs {
		given[i] = in.Shape()
	}
	for _, training := range []bool{false, true} {
		backend := openTestBackend(t)
		program, err := nn.Compile(backend, tinyStore(t), given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			v := tinyVelocity(s, tinyParams, in, nil)
			if !training {
				return []*graph.Node{v}, nil
			}
			return graph.Gradient(graph.ReduceAllSum(graph.Square(v)), in[0], in[1]), nil
		}, nn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		want := tinyParams.NumLayers + tinyParams.NumSingleLayers
		if training {
			want *= 2
		}
		if got := backend.(*cpu.Backend).Steps()["attention"]; got != want {
			t.Errorf("training %v: %d steps of attention, want %d", training, got, want)
		}
	}
}

func TestDenoiseEqualsDiffusers(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	inputs := tinyInputs(cases)
	float := func(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
	given := []shapes.Shape{inputs[0].Shape(), inputs[1].Shape(), inputs[2].Shape(), float(2), inputs[4].Shape(), float(2)}
	step, err := nn.Compile(openTestBackend(t), tinyStore(t), given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{flux.EulerStep(in[0], tinyVelocity(s, tinyParams, in, nil), in[3], in[5])}, nil
	}, nn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pair := func(v float64) *tensors.Tensor { return tensors.FromValue([]float32{float32(v), float32(v)}) }
	x, err := flux.Denoise(context.Background(), inputs[0], flux.FluxScheduler.Sigmas(5, tinyGrid.Tokens()), func(x *tensors.Tensor, sigma, next float64) (*tensors.Tensor, error) {
		out, err := step.Run(x, inputs[1], inputs[2], pair(sigma), inputs[4], pair(next))
		if err != nil {
			return nil, err
		}
		return out[0], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checkRelative(t, tensors.MustCopyFlatData[float32](x), cases.values("euler.5"))
}

func TestDenoiseStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	_, err := flux.Denoise(ctx, 0, []float64{1, 0.5, 0.2, 0}, func(x int, _, _ float64) (int, error) {
		steps++
		cancel()
		return x, nil
	})
	if err != context.Canceled || steps != 1 { //nolint:errorlint // it must be the context's own
		t.Errorf("%d steps, error %v", steps, err)
	}
}

func TestRotationsEqualDiffusers(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	positions := append(textPositions(2), imagePositions(flux.Grid{Rows: 5, Cols: 7})...)
	positions = append(positions, conditionPositions(flux.Grid{Rows: 3, Cols: 4})...)
	cos, sin := flux.Rotations(flat(positions), []int{4, 6, 6}, ropeTheta)
	for i := 0; i < len(sin); i += 2 {
		sin[i] = -sin[i]
	}
	checkRelative(t, cos, cases.values("rope.cos"))
	checkRelative(t, sin, cases.values("rope.sin"))
}

func TestPackEqualsDiffusers(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	image := cases.tensor("pack.image")
	packed := runGraph(t, nn.NewStore(), func(_ nn.Scope, in []*graph.Node) *graph.Node {
		return flux.Pack(graph.TransposeAllAxes(in[0], 0, 2, 3, 1))
	}, image)
	if !slices.Equal(packed, cases.values("pack.tokens")) {
		t.Error("packed tokens differ")
	}
	back := runGraph(t, nn.NewStore(), func(_ nn.Scope, in []*graph.Node) *graph.Node {
		return graph.TransposeAllAxes(flux.Unpack(in[0], flux.Grid{Rows: 3, Cols: 2}), 0, 3, 1, 2)
	}, cases.tensor("pack.tokens"))
	if !slices.Equal(back, cases.values("pack.image")) {
		t.Error("unpacked image differs")
	}
}

func TestSigmasEqualDiffusers(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	check := func(name string, got []float64) {
		t.Run(name, func(t *testing.T) {
			single := make([]float32, len(got))
			for i, v := range got {
				single[i] = float32(v)
			}
			checkRelative(t, single, cases.values(name))
		})
	}
	for _, c := range []struct{ steps, tokens int }{{28, 4096}, {4, 1024}, {1, 64}, {10, 64}, {30, 3072}} {
		check(fmt.Sprintf("sigmas.%d.%d", c.steps, c.tokens), flux.FluxScheduler.Sigmas(c.steps, c.tokens))
	}
	check("sigmas.shift3.20", flux.SchedulerConfig{Shift: 3}.Sigmas(20, 64))
}

// The timesteps that FLUX.1-dev is known to visit.
func TestSigmasOfFluxDev(t *testing.T) {
	sigmas := flux.FluxScheduler.Sigmas(28, 4096)
	for i, want := range map[int]float64{0: 1000, 1: 988.409, 2: 976.222, 3: 963.394, 26: 195.455, 27: 104.721, 28: 0} {
		if got := 1000 * sigmas[i]; math.Abs(got-want) > 6e-4 {
			t.Errorf("timestep %d is %.4f, want %.3f", i, got, want)
		}
	}
}
