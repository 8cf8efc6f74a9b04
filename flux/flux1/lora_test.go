package flux1

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

func TestCorrectorModules(t *testing.T) {
	dev := Variants[0].Params
	if n := len(NewLoRA(dev, 32, false).Modules); n != 343 {
		t.Errorf("FLUX-Corrector adapts %d modules, want 343", n)
	}
	for _, module := range NewLoRA(dev, 32, false).Modules {
		for _, other := range []string{"context", "add_", "net.0", "norm_out", "time_text"} {
			if strings.Contains(module, other) {
				t.Errorf("%q is adapted", module)
			}
		}
	}
}

func TestLoRASavedAndLoaded(t *testing.T) {
	for _, name := range []string{"lora", "lora_all"} {
		original := openTransformerFixture(t, name)
		store := nn.NewStore()
		lora, err := LoadLoRA(original.file, tinyParams, store, "corrector")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{"lora": 4, "lora_all": 8}[name]
		if lora.Rank != 4 || lora.Alpha != want || lora.AllStreams != (name == "lora_all") {
			t.Errorf("%s: read %+v", name, lora)
		}
		if made := NewLoRA(tinyParams, 4, lora.AllStreams).Modules; !slices.Equal(lora.Modules, made) {
			t.Errorf("%s adapts %v, want %v", name, lora.Modules, made)
		}
		for _, module := range lora.Modules { // as training has them
			from := "corrector.0.transformer." + module
			store.Share(store, from+".lora_A.weight", "corrector."+module+".lora_A.weight")
			store.Share(store, from+".lora_B.weight.0", "corrector."+module+".lora_B.weight")
		}
		path := filepath.Join(t.TempDir(), "pytorch_lora_weights.safetensors")
		if err := lora.Save(path, store, "corrector", safetensors.BF16); err != nil {
			t.Fatal(err)
		}
		saved, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer saved.Close() //nolint:errcheck // read only
		if !slices.Equal(saved.Names(), original.file.Names()) {
			t.Errorf("%s: names differ: %v", name, saved.Names())
		}
		again, err := LoadLoRA(saved, tinyParams, nn.NewStore(), "corrector")
		if err != nil || again.Alpha != lora.Alpha || again.AllStreams != lora.AllStreams {
			t.Errorf("%s: read again %+v, %v", name, again, err)
		}
		var peft struct {
			Type    string   `json:"peft_type"`
			Rank    int      `json:"r"`
			Alpha   float64  `json:"lora_alpha"`
			Targets []string `json:"target_modules"`
		}
		if err := flux.FilesOf(os.DirFS(filepath.Dir(path))).ReadConfig(AdapterConfigFile, &peft); err != nil {
			t.Fatal(err)
		}
		if peft.Type != "LORA" || peft.Rank != lora.Rank || peft.Alpha != lora.Alpha || !slices.Equal(peft.Targets, lora.Modules) {
			t.Errorf("%s: adapter_config.json holds %+v", name, peft)
		}
	}
}

func TestBadLoRAFiles(t *testing.T) {
	matrix := func(name string, rows, cols int) safetensors.Tensor {
		return safetensors.Tensor{Name: name, Shape: []int{rows, cols}, DType: safetensors.F32, Values: make([]float32, rows*cols)}
	}
	const module = "transformer.x_embedder.lora_"
	pair := []safetensors.Tensor{matrix(module+"A.weight", 2, 8), matrix(module+"B.weight", 16, 2)}
	for _, c := range []struct {
		name     string
		tensors  []safetensors.Tensor
		metadata string
		want     string
	}{
		{"empty", nil, "", "the file has no LoRA tensors"},
		{"A without B", pair[:1], "", `tensor "transformer.x_embedder.lora_A.weight" has no counterpart`},
		{"modules missing", pair, `{"transformer.target_modules": ["x_embedder", "transformer_blocks.0.attn.to_q", "proj_out"]}`, `the file is incomplete: it lacks 3 of the 4 layers that its metadata lists: "proj_out", "single_transformer_blocks.0.proj_out", "transformer_blocks.0.attn.to_q"`},
		{"modules of a suffix missing", pair, `{"transformer.target_modules": ["to_q"]}`, "the file is incomplete: it lacks 2 of the 2 layers"},
		{"modules of a pattern missing", pair, `{"transformer.target_modules": "x_embedder|transformer_blocks\\.[0-9]+\\.ff\\.net\\.2"}`, `the file is incomplete: it lacks 1 of the 2 layers that its metadata lists: "transformer_blocks.0.ff.net.2"`},
		{"wider model", []safetensors.Tensor{pair[0], matrix(module+"B.weight", 24, 2)}, "", `tensor "transformer.x_embedder.lora_B.weight" has the shape [24 2], this model needs [16 2]: the LoRA is for another model`},
		{"other", []safetensors.Tensor{matrix("x_embedder.weight", 16, 8)}, "", "the file is no LoRA for this model"},
		{"of text", []safetensors.Tensor{matrix("transformer.context_embedder.lora_A.weight", 2, 12), matrix("transformer.context_embedder.lora_B.weight", 16, 2)}, "", `the file adapts "context_embedder", which no reference passes through: it is no corrector`},
		{"metadata", pair, `{"transformer.r": 3}`, "lora_adapter_metadata: rank 3, but the tensors of"},
		{"json", pair, `{`, "lora_adapter_metadata: unexpected end of JSON input"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.safetensors")
			metadata := map[string]string{}
			if c.metadata != "" {
				metadata[lora.MetadataKey] = c.metadata
			}
			if err := safetensors.Write(path, c.tensors, metadata); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			file, err := safetensors.FromBytes("bad", data)
			if err != nil {
				t.Fatal(err)
			}
			_, err = LoadLoRA(file, tinyParams, nn.NewStore(), "corrector")
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.HasPrefix(err.Error(), "invalid input: bad: "+c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// Whatever a file holds, it is refused as invalid input or is an adapter with all its weights in the store.
func FuzzLoadLoRA(f *testing.F) {
	for _, name := range []string{"lora", "lora_all"} {
		data, err := os.ReadFile(filepath.Join("testdata", "transformer_"+name+".safetensors"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := safetensors.FromBytes("fuzz", data)
		if err != nil {
			return
		}
		store := nn.NewStore()
		lora, err := LoadLoRA(file, tinyParams, store, "corrector")
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q", err)
			}
			return
		}
		if n := len(store.Names("")); n < len(lora.Modules) || n == 0 {
			t.Fatalf("%d weights of %d modules", n, len(lora.Modules))
		}
	})
}

// A new adapter changes nothing at first, and every one of its B matrices, as all
// base weights, learns from the loss.
func TestNewLoRAIsNeutralAndLearns(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	lora := NewLoRA(tinyParams, 3, true)
	velocity := func(adapted bool) func(s nn.Scope, in []*graph.Node) *graph.Node {
		return func(s nn.Scope, in []*graph.Node) *graph.Node {
			c := &Condition{Latents: in[5], Grid: tinyConditionGrid, AllStreams: true}
			if adapted {
				c.Adapter = lora.Adapter(s.In("corrector"), s.In("transformer"))
			}
			return tinyVelocity(s, tinyParams, in, c)
		}
	}
	base := runGraph(t, tinyStore(t), velocity(false), tinyInputs(cases)...)
	inputs := tinyInputs(cases) // a tensor belongs to the backend it was used on
	store, seed := tinyStore(t), uint64(3)
	given := make([]shapes.Shape, len(inputs))
	for i, in := range inputs {
		given[i] = in.Shape()
	}
	var names []string
	p, err := nn.Compile(openTestBackend(t), store, given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		v := velocity(true)(s, in)
		loss := graph.ReduceAllMean(graph.Square(graph.Sub(v, graph.OnesLike(v))))
		names = s.Used()
		nodes := make([]*graph.Node, len(names))
		for i, name := range names {
			nodes[i] = s.Node(name)
		}
		var sizes []*graph.Node
		for _, gradient := range graph.Gradient(loss, nodes...) {
			sizes = append(sizes, graph.ConvertDType(graph.ReduceAllSum(graph.Abs(gradient)), dtypes.Float32))
		}
		return append([]*graph.Node{v}, sizes...), nil
	}, nn.Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(inputs...)
	if err != nil {
		t.Fatal(err)
	}
	checkRelative(t, tensors.MustCopyFlatData[float32](out[0]), base)
	for i, name := range names {
		size := tensors.ToScalar[float32](out[1+i])
		// With B at zero nothing reaches A; the condition's last output is discarded.
		if strings.HasSuffix(name, ".lora_A.weight") {
			continue
		}
		if !(size > 0) || math.IsInf(float64(size), 0) {
			t.Errorf("the gradient of %s is %v", name, size)
		}
	}
}

// A style beside a corrector is as if its matrices were added to the base: it acts on every stream, and the corrector on
// its own beside it.
func TestStyleBesideCorrector(t *testing.T) {
	cases := openTransformerFixture(t, "cases")
	const layer, out, in, rank = "single_transformer_blocks.0.proj_out", 16, 80, 2
	down, up := make([]float32, rank*in), make([]float32, out*rank)
	for i := range down {
		down[i] = float32(math.Sin(float64(i))) / 4
	}
	for i := range up {
		up[i] = float32(math.Cos(float64(3 * i)))
	}
	path := filepath.Join(t.TempDir(), "style.safetensors")
	if err := safetensors.Write(path, []safetensors.Tensor{
		{Name: "lora_unet_single_blocks_0_linear2.lora_down.weight", Shape: []int{rank, in}, DType: safetensors.F32, Values: down},
		{Name: "lora_unet_single_blocks_0_linear2.lora_up.weight", Shape: []int{out, rank}, DType: safetensors.F32, Values: up},
	}, nil); err != nil {
		t.Fatal(err)
	}
	const weight = 0.7
	merged, apart := tinyStore(t), tinyStore(t)
	base, err := merged.Values("transformer." + layer + ".weight")
	if err != nil {
		t.Fatal(err)
	}
	for row := range out {
		for col := range in {
			for r := range rank {
				base[row*in+col] += weight * up[row*rank+r] * down[r*in+col]
			}
		}
	}
	merged.Set("transformer."+layer+".weight", base, out, in)
	file, err := lora.Open(path, weight)
	if err != nil {
		t.Fatal(err)
	}
	variables, err := tinyParams.variables()
	if err != nil {
		t.Fatal(err)
	}
	style, err := lora.Load(apart, "lora", []lora.Network{lora.FLUX1("transformer", variables)}, []lora.File{file})
	if err != nil {
		t.Fatal(err)
	}
	velocity := func(store *nn.Store, adapt func(s nn.Scope) nn.Scope) []float32 {
		corrector, err := LoadLoRA(openTransformerFixture(t, "lora_all").file, tinyParams, store, "corrector")
		if err != nil {
			t.Fatal(err)
		}
		return runGraph(t, store, func(s nn.Scope, in []*graph.Node) *graph.Node {
			return tinyVelocity(adapt(s), tinyParams, in, &Condition{
				Latents: in[5], Grid: tinyConditionGrid, AllStreams: true, Adapter: corrector.Adapter(s, s.In("transformer")),
			})
		}, tinyInputs(cases)...)
	}
	got := velocity(apart, func(s nn.Scope) nn.Scope { return s.WithAdapter(style.Adapter(s)) })
	checkRelative(t, got, velocity(merged, func(s nn.Scope) nn.Scope { return s }))
	if without := velocity(tinyStore(t), func(s nn.Scope) nn.Scope { return s }); slices.Equal(got, without) {
		t.Error("the style changes nothing")
	}
}
