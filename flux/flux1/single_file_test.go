package flux1

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// singleFileParams are the sizes of a tiny transformer with FLUX.1's proportions.
var singleFileParams = Params{
	PatchSize: 1, InChannels: 8, NumLayers: 2, NumSingleLayers: 3, AttentionHeadDim: 32, NumAttentionHeads: 2,
	JointAttentionDim: 12, PooledProjectionDim: 10, GuidanceEmbeds: true, AxesDimsRope: [3]int{4, 14, 14},
}

// model is the weights of a transformer by name.
type model map[string]safetensors.Tensor

// randomModel has random weights that BF16 holds exactly.
func randomModel(t *testing.T, p Params) model {
	t.Helper()
	variables, err := p.variables()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	m := model{}
	for _, v := range variables {
		values := make([]float32, safetensors.Info{Shape: v.Shape}.Elements())
		for i := range values {
			values[i] = float32(r.IntN(255)-127) / 128
		}
		m[v.Name] = safetensors.Tensor{Name: v.Name, Shape: v.Shape, DType: safetensors.BF16, Values: values}
	}
	return m
}

// fuse is the inverse of ReadTransformer: it joins the tensors one below the other under a new name, by hand from
// Black Forest Labs' published layout.
func (m model) fuse(t *testing.T, p Params) model {
	t.Helper()
	out := model{}
	put := func(to string, from ...string) {
		for _, kind := range []string{".weight", ".bias"} {
			var joined safetensors.Tensor
			for i, name := range from {
				part, ok := m[name+kind]
				if !ok {
					t.Fatalf("no tensor %s", name+kind)
				}
				if i == 0 {
					joined = safetensors.Tensor{Name: to + kind, DType: part.DType, Shape: slices.Clone(part.Shape)}
				} else {
					joined.Shape[0] += part.Shape[0]
				}
				joined.Values = append(joined.Values, part.Values...)
			}
			out[joined.Name] = joined
		}
	}
	norm := func(to, from string) {
		n := m[from+".weight"]
		n.Name = to + ".scale"
		out[n.Name] = n
	}
	put("img_in", "x_embedder")
	put("txt_in", "context_embedder")
	for to, from := range map[string]string{"time_in": "timestep", "vector_in": "text", "guidance_in": "guidance"} {
		if to == "guidance_in" && !p.GuidanceEmbeds {
			continue
		}
		put(to+".in_layer", "time_text_embed."+from+"_embedder.linear_1")
		put(to+".out_layer", "time_text_embed."+from+"_embedder.linear_2")
	}
	for i := range p.NumLayers {
		a, b := fmt.Sprintf("double_blocks.%d.", i), fmt.Sprintf("transformer_blocks.%d.", i)
		put(a+"img_mod.lin", b+"norm1.linear")
		put(a+"txt_mod.lin", b+"norm1_context.linear")
		put(a+"img_attn.qkv", b+"attn.to_q", b+"attn.to_k", b+"attn.to_v")
		put(a+"txt_attn.qkv", b+"attn.add_q_proj", b+"attn.add_k_proj", b+"attn.add_v_proj")
		norm(a+"img_attn.norm.query_norm", b+"attn.norm_q")
		norm(a+"img_attn.norm.key_norm", b+"attn.norm_k")
		norm(a+"txt_attn.norm.query_norm", b+"attn.norm_added_q")
		norm(a+"txt_attn.norm.key_norm", b+"attn.norm_added_k")
		put(a+"img_attn.proj", b+"attn.to_out.0")
		put(a+"txt_attn.proj", b+"attn.to_add_out")
		put(a+"img_mlp.0", b+"ff.net.0.proj")
		put(a+"img_mlp.2", b+"ff.net.2")
		put(a+"txt_mlp.0", b+"ff_context.net.0.proj")
		put(a+"txt_mlp.2", b+"ff_context.net.2")
	}
	for i := range p.NumSingleLayers {
		a, b := fmt.Sprintf("single_blocks.%d.", i), fmt.Sprintf("single_transformer_blocks.%d.", i)
		put(a+"modulation.lin", b+"norm.linear")
		put(a+"linear1", b+"attn.to_q", b+"attn.to_k", b+"attn.to_v", b+"proj_mlp")
		put(a+"linear2", b+"proj_out")
		norm(a+"norm.query_norm", b+"attn.norm_q")
		norm(a+"norm.key_norm", b+"attn.norm_k")
	}
	put("final_layer.linear", "proj_out")
	put("final_layer.adaLN_modulation.1", "norm_out.linear")
	for _, kind := range []string{".weight", ".bias"} { // scale, shift becomes shift, scale
		n := out["final_layer.adaLN_modulation.1"+kind]
		half := len(n.Values) / 2
		n.Values = slices.Concat(n.Values[half:], n.Values[:half])
		out[n.Name] = n
	}
	return out
}

// renamed returns the model with other names.
func (m model) renamed(rename func(string) string) model {
	out := model{}
	for name, tensor := range m {
		tensor.Name = rename(name)
		out[tensor.Name] = tensor
	}
	return out
}

// open writes the model and more tensors to a file, and opens it.
func (m model) open(t *testing.T, more ...safetensors.Tensor) *weights.File {
	t.Helper()
	for _, tensor := range m {
		more = append(more, tensor)
	}
	path := filepath.Join(t.TempDir(), "flux.safetensors")
	if err := safetensors.Write(path, more, nil); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestReadTransformerOfASingleFile(t *testing.T) {
	plain := singleFileParams
	plain.GuidanceEmbeds = false
	prefix := func(p string) func(string) string { return func(name string) string { return p + name } }
	vae := safetensors.Tensor{Name: "vae.decoder.conv_in.bias", Shape: []int{1}, DType: safetensors.F32, Values: []float32{1}}
	for _, test := range []struct {
		name   string
		params Params
		layout func(model) model
		more   []safetensors.Tensor
	}{
		{"dev", singleFileParams, func(m model) model { return m.fuse(t, singleFileParams) }, nil},
		{"schnell", plain, func(m model) model { return m.fuse(t, plain) }, nil},
		{"ComfyUI", singleFileParams, func(m model) model {
			return m.fuse(t, singleFileParams).renamed(prefix("model.diffusion_model."))
		}, []safetensors.Tensor{vae}},
		{"norms named weight", singleFileParams, func(m model) model {
			return m.fuse(t, singleFileParams).renamed(func(name string) string { return strings.Replace(name, "_norm.scale", "_norm.weight", 1) })
		}, nil},
		{"diffusers", singleFileParams, func(m model) model { return m }, nil},
		{"diffusers with prefix", singleFileParams, func(m model) model { return m.renamed(prefix("transformer.")) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := randomModel(t, test.params)
			got, err := ReadTransformer(test.layout(want).open(t, test.more...))
			if err != nil {
				t.Fatal(err)
			}
			if got.Params != test.params || len(got.Unused) > 0 || len(got.Weights.Names()) != len(want) {
				t.Errorf("%+v, %d tensors, unused %v, want %+v, %d", got.Params, len(got.Weights.Names()), got.Unused, test.params, len(want))
			}
			for name, tensor := range want {
				info, err := got.Weights.Info(name)
				if err != nil || !slices.Equal(info.Shape, tensor.Shape) {
					t.Fatalf("%s: %v, %v", name, info, err)
				}
				values := make([]float32, info.Elements())
				if err := got.Weights.ReadRows(values, name, 0); err != nil || !slices.Equal(values, tensor.Values) {
					t.Errorf("%s differs, %v", name, err)
				}
			}
		})
	}
}

// Rows of a scaled matrix keep their scales when q, k and v are cut apart.
func TestReadTransformerOfScaledFP8(t *testing.T) {
	want := randomModel(t, singleFileParams)
	fused := want.fuse(t, singleFileParams)
	qkv := fused["double_blocks.1.img_attn.qkv.weight"]
	raw := make([]byte, len(qkv.Values))
	for i := range raw {
		raw[i] = byte(0x30 + i%8)
	}
	fused[qkv.Name] = safetensors.Tensor{Name: qkv.Name, Shape: qkv.Shape, DType: safetensors.F8E4M3, Raw: raw}
	scale := safetensors.Tensor{Name: "double_blocks.1.img_attn.qkv.weight_scale", Shape: []int{qkv.Shape[0]}, DType: safetensors.F32, Values: make([]float32, qkv.Shape[0])}
	for i := range scale.Values {
		scale.Values[i] = float32(1 + i)
	}
	got, err := ReadTransformer(fused.open(t, scale))
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float32, singleFileParams.Hidden())
	if err := got.Weights.ReadRows(row, "transformer_blocks.1.attn.to_v.weight", 5); err != nil {
		t.Fatal(err)
	}
	if want := (0.5 + 0.0625*3) * float32(2*64+5+1); row[3] != want { // code 0x33 is 0.5 + 3/16
		t.Errorf("%v, want %v", row[3], want)
	}
}

func TestReadTransformerRejectsOtherFiles(t *testing.T) {
	fused := randomModel(t, singleFileParams).fuse(t, singleFileParams)
	one := func(name string, shape ...int) safetensors.Tensor {
		return safetensors.Tensor{Name: name, Shape: shape, DType: safetensors.BF16, Values: make([]float32, safetensors.Info{Shape: shape}.Elements())}
	}
	with := func(change func(m model)) model {
		m := fused.renamed(func(name string) string { return name })
		change(m)
		return m
	}
	for _, test := range []struct {
		name  string
		model model
		want  string
	}{
		{"FLUX.2", model{"x": one("double_stream_modulation_img.lin.weight", 2, 2)}, "of the kind FLUX.2"},
		{"Chroma", with(func(m model) { m["x"] = one("distilled_guidance_layer.in_proj.weight", 2, 2) }), "of the kind Chroma"},
		{"text encoder", model{"x": one("encoder.block.0.layer.0.SelfAttention.q.weight", 2, 2)}, "has no FLUX.1 transformer"},
		{"missing tensor", with(func(m model) { delete(m, "double_blocks.1.txt_mlp.2.bias") }), `missing: 1 (double_blocks.1.txt_mlp.2.bias)`},
		{"missing block", with(func(m model) { m["x"] = one("single_blocks.4.linear2.bias", 64) }), "single_blocks.3"},
		{"missing qkv", with(func(m model) { delete(m, "double_blocks.1.img_attn.qkv.weight") }), `missing: 1 (double_blocks.1.img_attn.qkv.weight)`},
		{"short qkv", with(func(m model) {
			m["double_blocks.1.img_attn.qkv.weight"] = one("double_blocks.1.img_attn.qkv.weight", 100, 64)
		}), "are not there"},
		{"long qkv", with(func(m model) {
			m["double_blocks.1.img_attn.qkv.weight"] = one("double_blocks.1.img_attn.qkv.weight", 200, 64)
		}), "to_v.weight is [72 64], must be [64 64]"},
		{"Fill", with(func(m model) { m["img_in.weight"] = one("img_in.weight", 64, 384) }), "FLUX.1-Fill is not supported"},
		{"vector for a matrix", with(func(m model) { m["txt_in.weight"] = one("txt_in.weight", 64) }), "must have 2 dimensions"},
		{"heads of another width", with(func(m model) {
			m["double_blocks.0.img_attn.norm.query_norm.scale"] = one("double_blocks.0.img_attn.norm.query_norm.scale", 8)
		}), "rotary axes of heads of width 8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ReadTransformer(test.model.open(t))
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(fmt.Sprint(err), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want an invalid input saying %q in one line", err, test.want)
			}
		})
	}
}

// All tensors that a file lacks are listed in its own names, with the shapes of the fused ones.
func TestReadTransformerListsMissingTensors(t *testing.T) {
	m := randomModel(t, singleFileParams).fuse(t, singleFileParams)
	for _, name := range []string{"double_blocks.1.img_attn.qkv.weight", "double_blocks.0.txt_mlp.2.bias", "double_blocks.1.txt_mlp.2.bias", "single_blocks.0.linear1.weight"} {
		delete(m, name)
	}
	_, err := ReadTransformer(m.open(t))
	unfit, ok := errors.AsType[*flux.UnfitError](err)
	if !ok || !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	want := []string{
		`transformer: tensor "double_blocks.1.img_attn.qkv.weight" is missing: [192 64] BF16`,
		`transformer: tensor "double_blocks.{0..1}.txt_mlp.2.bias" is missing: [64] BF16`,
		`transformer: tensor "single_blocks.0.linear1.weight" is missing: [448 64] BF16`,
	}
	if got := unfit.Problems.Report(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%q", got)
	}
}

func TestReadTransformerListsUnusedTensors(t *testing.T) {
	fused := randomModel(t, singleFileParams).fuse(t, singleFileParams)
	got, err := ReadTransformer(fused.open(t, safetensors.Tensor{Name: "other.weight", Shape: []int{1}, DType: safetensors.F32, Values: []float32{1}}))
	if err != nil || !slices.Equal(got.Unused, []string{"other.weight"}) {
		t.Errorf("unused %v, %v", got.Unused, err)
	}
}

// shapesOnly is a source without data.
type shapesOnly model

func (s shapesOnly) Names() []string { return slices.Sorted(maps.Keys(s)) }

func (s shapesOnly) Info(name string) (weights.Info, error) {
	t, ok := s[name]
	if !ok {
		return weights.Info{}, fmt.Errorf("%w: no tensor %q", reflectionflow.ErrInvalid, name)
	}
	return weights.Info{Name: name, Type: "Q4_K", Shape: t.Shape}, nil
}

func (s shapesOnly) ReadRows([]float32, string, int) error { return errors.New("no data") }

// The files of FLUX.1-dev and schnell have 780 and 776 tensors; diffusers has 1160 and 1156.
func TestReadTransformerAtTrueShapes(t *testing.T) {
	for _, test := range []struct {
		variant                     int
		file, diffusers, parameters int
	}{{0, 780, 1160, 11_901_408_320}, {1, 776, 1156, 11_891_178_560}} {
		v := Variants[test.variant]
		variables, err := v.Params.variables()
		if err != nil {
			t.Fatal(err)
		}
		m := model{}
		for _, v := range variables {
			m[v.Name] = safetensors.Tensor{Name: v.Name, Shape: v.Shape}
		}
		source := shapesOnly(m.fuse(t, v.Params))
		got, err := ReadTransformer(source)
		if err != nil {
			t.Fatal(err)
		}
		parameters := 0
		for _, name := range got.Weights.Names() {
			info, err := got.Weights.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			parameters += info.Elements()
		}
		if got.Params != v.Params || len(source) != test.file || len(got.Weights.Names()) != test.diffusers || parameters != test.parameters {
			t.Errorf("%s: %d tensors become %d of %d parameters, %+v", v.Name, len(source), len(got.Weights.Names()), parameters, got.Params)
		}
	}
}

// A file that lacks its first block's fused qkv is still a FLUX.1 transformer, and what it lacks is named.
func TestReadTransformerWithoutFirstQKV(t *testing.T) {
	m := randomModel(t, singleFileParams).fuse(t, singleFileParams)
	delete(m, "double_blocks.0.img_attn.qkv.weight")
	file := m.open(t)
	if parts := flux.Identify(file); !slices.Contains(parts, flux.FilePart{Kind: "transformer", Model: "FLUX.1"}) {
		t.Errorf("the file is taken for %v", parts)
	}
	_, err := ReadTransformer(file)
	unfit, ok := errors.AsType[*flux.UnfitError](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	if got, want := unfit.Problems.Report(), `transformer: tensor "double_blocks.0.img_attn.qkv.weight" is missing: [192 64] BF16`; !slices.Equal(got, []string{want}) {
		t.Errorf("%q, want %q", got, want)
	}
}
