package qwen3_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux/qwen3"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/tokenizer"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

func open(t testing.TB, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func values(t testing.TB, f *safetensors.File, name string) []float32 {
	t.Helper()
	v, err := f.Float32(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// model is the tiny model that transformers wrote.
type model struct {
	cfg     qwen3.Config
	store   *nn.Store
	backend compute.Backend
}

func saved(t testing.TB) model {
	t.Helper()
	cfg, err := qwen3.ReadConfig(os.DirFS("testdata"), "saved/config.json")
	if err != nil {
		t.Fatal(err)
	}
	f, store := open(t, "saved/model.safetensors"), nn.NewStore()
	for _, name := range f.Names() {
		info, err := f.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		if own := qwen3.Name(name); own != "" {
			store.Set(own, values(t, f, name), info.Shape...)
		}
	}
	return model{cfg, store, nntest.Backend(t)}
}

// encode runs [qwen3.Encode].
func (m model) encode(t testing.TB, taps []int, ids, used []int32) []float32 {
	t.Helper()
	cfg := m.cfg
	batch, length := len(used), len(ids)/len(used)
	inputs := []shapes.Shape{shapes.Make(dtypes.Int32, batch, length), shapes.Make(dtypes.Int32, batch)}
	p, err := nn.Compile(m.backend, m.store, inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{qwen3.Encode(s, cfg, taps, in[0], in[1])}, nil
	}, nn.Options{Name: "text encoder"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Run(tensors.FromFlatDataAndDimensions(ids, batch, length), tensors.FromFlatDataAndDimensions(used, batch))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{batch, length, len(taps) * cfg.Hidden}; !slices.Equal(out[0].Shape().Dimensions, want) {
		t.Fatalf("the result has the shape %v, want %v", out[0].Shape(), want)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

func compare(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	worst, size := 0.0, 0.0
	for i := range got {
		worst, size = max(worst, math.Abs(float64(got[i]-want[i]))), max(size, math.Abs(float64(want[i])))
	}
	if !(worst <= 1e-5*size) {
		t.Errorf("%s: values differ by %g, the largest is %g", what, worst, size)
	}
}

func ints(t testing.TB, f *safetensors.File, name string) []int32 {
	t.Helper()
	data, err := f.Bytes(name)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int32, len(data)/4)
	for i := range out {
		out[i] = int32(data[4*i]) | int32(data[4*i+1])<<8 | int32(data[4*i+2])<<16 | int32(data[4*i+3])<<24
	}
	return out
}

func TestStatesAsTransformers(t *testing.T) {
	m := saved(t)
	f := open(t, "states.safetensors")
	ids, used := ints(t, f, "ids"), ints(t, f, "used")
	for tap := range m.cfg.Layers + 1 {
		got := m.encode(t, []int{tap}, ids, used)
		compare(t, fmt.Sprintf("state %d", tap), got, values(t, f, fmt.Sprintf("state.%d", tap)))
		var short []int32
		for row := range 3 {
			short = append(short, ids[16*row:16*row+7]...)
		}
		got = m.encode(t, []int{tap}, short, []int32{7, 7, 7})
		compare(t, fmt.Sprintf("state %d without padding", tap), got, values(t, f, fmt.Sprintf("plain.%d", tap)))
	}
}

// A row's states do not depend on the others of its batch, to the bit.
func TestRowsAreIndependent(t *testing.T) {
	m := saved(t)
	f := open(t, "states.safetensors")
	ids, used := ints(t, f, "ids"), ints(t, f, "used")
	all := m.encode(t, []int{1, 3}, ids, used)
	for row := range used {
		got := m.encode(t, []int{1, 3}, ids[16*row:16*row+16], used[row:row+1])
		if want := all[len(got)*row : len(got)*(row+1)]; !slices.Equal(got, want) {
			t.Errorf("row %d differs by itself", row)
		}
	}
}

func openTokenizer(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	opened, err := tokenizer.Load("../../tokenizer/testdata/qwen.json")
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestPromptsAsDiffusers(t *testing.T) {
	m := saved(t)
	f := open(t, "prompts.safetensors")
	var prompts []string
	var taps []int
	if err := errors.Join(json.Unmarshal([]byte(f.Metadata()["prompts"]), &prompts), json.Unmarshal([]byte(f.Metadata()["taps"]), &taps)); err != nil {
		t.Fatal(err)
	}
	text, err := qwen3.NewTokenizer(openTokenizer(t), m.cfg)
	if err != nil {
		t.Fatal(err)
	}
	const length = 40
	var ids, used []int32
	for i, prompt := range prompts {
		row, n, truncated := text.Encode(prompt, length)
		if truncated != (i == 3) {
			t.Errorf("%q: truncated is %t", prompt, truncated)
		}
		ids, used = append(ids, row...), append(used, int32(n))
	}
	compare(t, "prompts", m.encode(t, taps, ids, used), values(t, f, "embeds"))
}

func TestVariables(t *testing.T) {
	m := saved(t)
	cfg, store := m.cfg, m.store
	for _, taps := range [][]int{{0}, {1, 2}, {4}} {
		if err := cfg.CheckTaps(taps); err != nil {
			t.Error(err)
		}
		variables, err := cfg.Variables(taps)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range variables {
			if !slices.Equal(store.Dims(v.Name), v.Shape) {
				t.Errorf("%s is %v, want %v", v.Name, v.Shape, store.Dims(v.Name))
			}
			if layer := fmt.Sprintf("layers.%d.", taps[len(taps)-1]); strings.HasPrefix(v.Name, layer) {
				t.Errorf("taps %v need %s", taps, v.Name)
			}
		}
	}
	for _, taps := range [][]int{nil, {-1}, {5}, {2, 1}, {1, 1}} {
		if err := cfg.CheckTaps(taps); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("taps %v: %v", taps, err)
		}
	}
	parameters := func(c qwen3.Config, taps ...int) (n int) {
		variables, err := c.Variables(taps)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range variables {
			n += v.Size()
		}
		return n
	}
	if n := parameters(qwen3.Qwen4B(), 36); n != 4_022_468_096 {
		t.Errorf("Qwen3-4B has %d parameters", n)
	}
	if n := parameters(qwen3.Qwen8B(), 36) + 151936*4096; n != 8_190_735_360 { // and the output layer
		t.Errorf("Qwen3-8B has %d parameters", n)
	}
}

func TestBadConfigs(t *testing.T) {
	good, err := os.ReadFile("testdata/saved/config.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"missing", "", "", "config.json is missing"},
		{"no JSON", "{", "[", "config.json"},
		{"other model", `"qwen3"`, `"llama"`, `model_type is "llama"`},
		{"yarn", `"rope_type": "default"`, `"rope_type": "yarn"`, `"yarn" is not supported`},
		{"old yarn", `"rope_parameters"`, `"rope_scaling": {"type": "yarn"}, "x"`, `"yarn" is not supported`},
		{"bias", `"attention_bias": false`, `"attention_bias": true`, "attention_bias"},
		{"heads", `"num_key_value_heads": 2`, `"num_key_value_heads": 3`, "cannot share 3"},
		{"odd head", `"head_dim": 8`, `"head_dim": 7`, "must be even"},
		{"no layers", `"num_hidden_layers": 4`, `"num_hidden_layers": 0`, "num_hidden_layers is 0"},
		{"huge", `"hidden_size": 16`, `"hidden_size": 16000000`, "hidden_size is 16000000"},
		{"epsilon", `"rms_norm_eps": 1e-06`, `"rms_norm_eps": 0`, "rms_norm_eps"},
		{"theta", `"rope_theta": 1000000.0`, `"rope_theta": -5`, "rope_theta"},
		{"gelu", `"silu"`, `"gelu"`, `hidden_act is "gelu"`},
	} {
		files := fstest.MapFS{"config.json": {Data: []byte(strings.Replace(string(good), c.old, c.new, 1))}}
		if c.name == "missing" {
			delete(files, "config.json")
		}
		_, err := qwen3.ReadConfig(files, "config.json")
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	old := fstest.MapFS{"c": {Data: []byte(`{"model_type":"qwen3","num_attention_heads":32,"rope_theta":1000000,"rope_scaling":null,"sliding_window":null}`)}}
	if c, err := qwen3.ReadConfig(old, "c"); err != nil || c.Theta != 1e6 || c.KeyHeads != 32 || c.Hidden != 4096 {
		t.Errorf("transformers 4: %+v, %v", c, err)
	}
	data, err := json.Marshal(qwen3.Qwen4B())
	var again qwen3.Config
	if err = errors.Join(err, json.Unmarshal(data, &again)); err != nil || again.FeedForward != 9728 || again.Theta != 1e6 {
		t.Errorf("written and read: %+v, %v", again, err)
	}
}

func TestWrongTokenizers(t *testing.T) {
	clip, err := tokenizer.OpenFolder(os.DirFS("../../tokenizer/testdata"), "clip")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t    *tokenizer.Tokenizer
		size int
		want string
	}{{clip, 592, "no token <|im_start|>"}, {openTokenizer(t), 500, "588 tokens, its encoder's vocabulary has 500"}} {
		cfg := qwen3.Qwen4B()
		cfg.Vocabulary = c.size
		if _, err := qwen3.NewTokenizer(c.t, cfg); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
}

// The names of every kind of file are those of transformers' Qwen3Model.
func TestNamesAndSizes(t *testing.T) {
	f, err := weights.Open("testdata/saved")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg, err := qwen3.Infer(f)
	if err != nil || cfg.Vocabulary != 592 || cfg.Layers != 4 || cfg.Heads != 4 || cfg.KeyHeads != 2 || cfg.HeadDim != 8 || cfg.FeedForward != 24 {
		t.Errorf("inferred %+v, %v", cfg, err)
	}
	for _, c := range [][2]string{
		{"model.layers.3.self_attn.q_norm.weight", "layers.3.self_attn.q_norm.weight"},
		{"layers.3.mlp.up_proj.weight", "layers.3.mlp.up_proj.weight"},
		{"text_encoders.qwen3_4b.transformer.model.embed_tokens.weight", "embed_tokens.weight"},
		{"blk.12.attn_q_norm.weight", "layers.12.self_attn.q_norm.weight"},
		{"blk.0.ffn_norm.weight", "layers.0.post_attention_layernorm.weight"},
		{"token_embd.weight", "embed_tokens.weight"},
		{"output_norm.weight", "norm.weight"},
		{"output.weight", ""},
		{"lm_head.weight", ""},
		{"blk.x.attn_q.weight", "blk.x.attn_q.weight"},
	} {
		if got := qwen3.Name(c[0]); got != c[1] {
			t.Errorf("%s is %s, want %s", c[0], got, c[1])
		}
	}
	tensors := map[string][]weights.Cut{}
	for _, name := range f.Names() {
		if !strings.Contains(name, "q_norm") {
			tensors[name] = []weights.Cut{{From: name}}
		}
	}
	view, err := weights.NewView(f, maps.Clone(tensors))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := qwen3.Infer(view); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "q_norm") {
		t.Errorf("without q_norm: %v", err)
	}
}
