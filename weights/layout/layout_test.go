package layout

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// shapesOnly is a Source without values.
type shapesOnly map[string][]int

func (s shapesOnly) Names() []string { return slices.Sorted(maps.Keys(s)) }

func (s shapesOnly) Info(name string) (weights.Info, error) {
	shape, ok := s[name]
	if !ok {
		return weights.Info{}, fmt.Errorf("%w: no tensor %q", reflectionflow.ErrInvalid, name)
	}
	return weights.Info{Name: name, Type: "BF16", Shape: slices.Clone(shape)}, nil
}

func (s shapesOnly) ReadRows([]float32, string, int) error { return errors.New("no values") }

// trueShapes reads the shapes of a model's file and of its network.
func trueShapes(t *testing.T, model string) (file, network shapesOnly) {
	t.Helper()
	raw, err := os.Open("testdata/shapes.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	lines, err := gzip.NewReader(raw)
	if err != nil {
		t.Fatal(err)
	}
	sides := map[string]shapesOnly{"file": {}, "network": {}}
	for scan := bufio.NewScanner(lines); scan.Scan(); {
		field := strings.Fields(scan.Text())
		if field[0] != model {
			continue
		}
		var shape []int
		for d := range strings.SplitSeq(field[3], ",") {
			n, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, n)
		}
		sides[field[1]][field[2]] = shape
	}
	return sides["file"], sides["network"]
}

// behind puts a prefix before the names, and beside them tensors of other parts of a combined checkpoint.
func (s shapesOnly) behind(prefix string) shapesOnly {
	if prefix == "" {
		return s
	}
	other := shapesOnly{"some_other_part.layer.weight": {3}}
	for name, shape := range s {
		other[prefix+name] = shape
	}
	return other
}

// TestTrueShapes lays out files of every model at its true size, in every naming and behind every prefix: the names and
// shapes are those of the network in diffusers or transformers, all of them and no others.
func TestTrueShapes(t *testing.T) {
	for _, test := range []struct {
		model    string
		layout   Func
		tensors  int
		prefixes []string
	}{
		{"flux2", Flux2Transformer, 169, []string{"", "model.diffusion_model."}},
		{"vae1", Autoencoder, 244, []string{"", "vae.", "first_stage_model."}},
		{"vae2", Autoencoder, 250, []string{"", "vae."}},
		{"t5", T5, 219, []string{"", "text_encoders.t5xxl.transformer."}},
		{"clip", CLIP, 196, []string{"", "text_encoders.clip_l.transformer."}},
	} {
		file, network := trueShapes(t, test.model)
		if len(network) != test.tensors {
			t.Errorf("%s: the fixture has %d tensors, want %d", test.model, len(network), test.tensors)
		}
		for _, prefix := range test.prefixes {
			compare(t, test.model+" in its own naming", test.layout, file.behind(prefix), network)
			compare(t, test.model+" in the network's naming", test.layout, network.behind(prefix), network)
		}
	}
}

func compare(t *testing.T, what string, layout Func, file, network shapesOnly) {
	t.Helper()
	laid, err := layout(file)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if names := laid.Names(); !slices.Equal(names, network.Names()) {
		for _, name := range names {
			if network[name] == nil {
				t.Errorf("%s: %q is not of the network", what, name)
			}
		}
		t.Errorf("%s: %d tensors, want %d", what, len(names), len(network))
		return
	}
	for name, shape := range network {
		if info, err := laid.Info(name); err != nil || !slices.Equal(info.Shape, shape) {
			t.Errorf("%s: %q has shape %v, want %v (%v)", what, name, info.Shape, shape, err)
		}
	}
}

// under is the part of a Source behind a prefix, without it.
func under(t *testing.T, source weights.Source, prefix string) weights.Source {
	t.Helper()
	part, err := rename(source, prefix, func(name string) string { return name })
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// TestValuesEqualDiffusers lays out tiny models in Black Forest Labs' naming: the values are those that diffusers' own
// converters give.
func TestValuesEqualDiffusers(t *testing.T) {
	file, err := weights.Open("testdata/values.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for model, layout := range map[string]Func{"flux2": Flux2Transformer, "vae1": Autoencoder, "vae2": Autoencoder} {
		laid, err := layout(under(t, file, model+"/file/"))
		if err != nil {
			t.Fatal(err)
		}
		want := under(t, file, model+"/network/")
		if !slices.Equal(laid.Names(), want.Names()) {
			t.Errorf("%s: names %v, want %v", model, laid.Names(), want.Names())
		}
		for _, name := range want.Names() {
			a, b := values(t, laid, name), values(t, want, name)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %s differs", model, name)
			}
		}
	}
}

func values(t *testing.T, source weights.Source, name string) []float32 {
	t.Helper()
	tensor, err := weights.Find(source, name)
	if err != nil {
		t.Fatal(err)
	}
	all, err := tensor.Values()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]float32, len(all))
	if err := source.ReadRows(rows, name, 0); err != nil || !slices.Equal(rows, all) {
		t.Errorf("%s: ReadRows differs from Values (%v)", name, err)
	}
	return all
}

// TestT5Names accepts the token embedding under either name and leaves a decoder out.
func TestT5Names(t *testing.T) {
	const query = "encoder.block.0.layer.0.SelfAttention.q.weight"
	for _, file := range []shapesOnly{
		{query: {4, 4}, "shared.weight": {9, 4}, "encoder.embed_tokens.weight": {9, 4}, "decoder.block.0.x": {1}, "lm_head.weight": {9, 4}},
		{query: {4, 4}, "encoder.embed_tokens.weight": {9, 4}},
		{query: {4, 4}, "shared.weight": {9, 4}},
		{"enc.blk.0.attn_q.weight": {4, 4}, "token_embd.weight": {9, 4}, "dec.blk.0.attn_q.weight": {4, 4}},
	} {
		compare(t, fmt.Sprint(file.Names()), T5, file, shapesOnly{query: {4, 4}, "shared.weight": {9, 4}})
	}
}

// TestCannotBeLaidOut refuses two tensors of one name and keeps what it does not know.
func TestCannotBeLaidOut(t *testing.T) {
	same := shapesOnly{"a": {1}, "b": {1}}
	if _, err := rename(same, "", func(string) string { return "c" }); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), `"a" and "b" are both "c"`) {
		t.Error(err)
	}
	odd := shapesOnly{"double_blocks.0.img_attn.qkv.weight": {7, 2}, "double_blocks.x.y.weight": {1}, "final_layer.adaLN_modulation.1.weight": {5, 1}}
	laid, err := Flux2Transformer(odd)
	if err != nil || !slices.Contains(laid.Names(), "double_blocks.x.y.weight") {
		t.Error(laid, err)
	}
	for _, layout := range []Func{CLIP, T5, Autoencoder, Flux2Transformer} {
		compare(t, "unknown names", layout, same, same)
	}
}

// FuzzNames lays out files of any names: nothing panics, and every tensor is of the file.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"encoder.mid.attn_1.q.weight", "decoder.up.3.block.0.nin_shortcut.bias", "decoder.up.-1.block.0", "enc.blk.0.attn_q.weight",
		"double_blocks.0.img_attn.qkv.weight", "single_blocks.9.norm.key_norm.scale", "vae.decoder.conv_in.weight", "....", "decoder.up.99999999999999999999.x.y",
	} {
		f.Add(name, "final_layer.adaLN_modulation.1.weight")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		file := shapesOnly{a: {4, 2}, b: {6, 1, 1, 1}, "decoder.conv_in.weight": {2, 2}, "double_blocks.0.img_attn.qkv.weight": {6, 2}}
		for _, layout := range []Func{CLIP, T5, Autoencoder, Flux2Transformer} {
			laid, err := layout(file)
			if err != nil {
				if !errors.Is(err, reflectionflow.ErrInvalid) {
					t.Error(err)
				}
				continue
			}
			for _, name := range laid.Names() {
				if _, err := laid.Info(name); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// A fused fp8 matrix has one scale, or one per row: each part gets its own.
func TestScalesFollowTheRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	const qkv = "double_blocks.0.img_attn.qkv"
	codes, scales := make([]byte, 6*2), make([]float32, 6)
	for i := range codes {
		codes[i] = 0x38 // 1
		scales[i/2] = float32(i/2 + 1)
	}
	if err := safetensors.Write(path, []safetensors.Tensor{
		{Name: qkv + ".weight", Shape: []int{6, 2}, DType: safetensors.F8E4M3, Raw: codes},
		{Name: qkv + ".weight_scale", Shape: []int{6, 1}, DType: safetensors.F32, Values: scales},
	}, nil); err != nil {
		t.Fatal(err)
	}
	file, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	laid, err := Flux2Transformer(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"to_q": {1, 1, 2, 2}, "to_k": {3, 3, 4, 4}, "to_v": {5, 5, 6, 6}} {
		if got := values(t, laid, "transformer_blocks.0.attn."+name+".weight"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
