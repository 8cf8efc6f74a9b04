package lora_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

func matrix(name string, dims ...int) safetensors.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return safetensors.Tensor{Name: name, Shape: dims, DType: safetensors.F32, Values: make([]float32, n)}
}

// load loads tensors as a file.
func load(t testing.TB, f fixture, header map[string]string, list ...safetensors.Tensor) (*lora.Adapters, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := safetensors.Write(path, list, header); err != nil {
		t.Fatal(err)
	}
	file := open(t, path, 1)
	return lora.Load(nn.NewStore(), "lora", f.networks(), []lora.File{file})
}

func TestRefused(t *testing.T) {
	one, two := openFixture(t, "flux1.safetensors"), openFixture(t, "flux2.safetensors")
	const layer = "transformer.transformer_blocks.0.attn.to_q."
	a, b := matrix(layer+"lora_A.weight", 2, 16), matrix(layer+"lora_B.weight", 16, 2)
	bad := matrix(layer+"alpha", 1)
	bad.Values[0] = float32(math.NaN())
	settings := func(json string) map[string]string { return map[string]string{lora.MetadataKey: json} }
	for _, c := range []struct {
		name   string
		f      fixture
		header map[string]string
		list   []safetensors.Tensor
		want   string
	}{
		{"empty", one, nil, nil, "no LoRA tensors"},
		{"DoRA", one, nil, []safetensors.Tensor{a, b, matrix(layer+"lora_magnitude_vector", 16)}, "is a DoRA"},
		{"kohya's DoRA", one, nil, []safetensors.Tensor{matrix("lora_unet_img_in.dora_scale", 16)}, "is a DoRA"},
		{"DoRA by its settings", one, settings(`{"transformer.use_dora":true}`), []safetensors.Tensor{a, b}, "is a DoRA"},
		{"LoKr", one, nil, []safetensors.Tensor{matrix("lora_unet_img_in.lokr_w1", 2, 2)}, "is a LoKr"},
		{"LoHa", one, nil, []safetensors.Tensor{matrix("lora_unet_img_in.hada_w1_a", 2, 2)}, "is a LoHa"},
		{"OFT", one, nil, []safetensors.Tensor{matrix("lora_unet_img_in.oft_blocks", 2, 2)}, "is an OFT"},
		{"GLoRA", one, nil, []safetensors.Tensor{matrix("diffusion_model.img_in.a1.weight", 2, 2)}, "is a GLoRA"},
		{"control", one, nil, []safetensors.Tensor{a, b, matrix("double_blocks.0.img_attn.norm.query_norm.scale", 8)}, "is a control LoRA"},
		{"control without norms", one, nil, []safetensors.Tensor{matrix("img_in.lora_A.weight", 2, 16), matrix("img_in.lora_B.weight", 16, 2)}, "[2 16], this model needs [2 8]"},
		{"set of norms", one, nil, []safetensors.Tensor{matrix("diffusion_model.double_blocks.0.img_attn.norm.key_norm.set_weight", 8)}, "full set of weights"},
		{"norms", one, nil, []safetensors.Tensor{a, b, matrix("transformer.transformer_blocks.0.attn.norm_q.diff", 8)}, `1 of its 3 tensors belong to no layer of this model, the LoRA is for another model: "transformer.transformer_blocks.0.attn.norm_q.diff"`},
		{"A alone", one, nil, []safetensors.Tensor{a}, "has no counterpart"},
		{"alpha alone", one, nil, []safetensors.Tensor{matrix(layer+"alpha", 1)}, "no matrices beside it"},
		{"alphas", one, nil, []safetensors.Tensor{a, b, matrix(layer+"alpha", 2)}, "an alpha is one number"},
		{"NaN", one, nil, []safetensors.Tensor{a, b, bad}, "is NaN"},
		{"ranks", one, nil, []safetensors.Tensor{a, matrix(layer+"lora_B.weight", 16, 3)}, "shape [16 3], this model needs [16 2]"},
		{"rank of the settings", one, settings(`{"transformer.r":4}`), []safetensors.Tensor{a, b}, "rank 4, but the tensors"},
		{"rank of a pattern", one, settings(`{"transformer.r":2,"transformer.rank_pattern":{"to_q":3}}`), []safetensors.Tensor{a, b}, "has rank 3, but"},
		{"odd settings", one, settings(`{"transformer.r":`), []safetensors.Tensor{a, b}, lora.MetadataKey},
		{"odd pattern", one, settings(`{"transformer.alpha_pattern":[]}`), []safetensors.Tensor{a, b}, "a pattern is not an object"},
		{"cut file", one, settings(`{"transformer.r":2,"transformer.target_modules":["to_q","to_k"]}`), []safetensors.Tensor{a, b}, "it lacks 3 of the 4 layers that its metadata lists"},
		{"more blocks", one, nil, []safetensors.Tensor{a, b, matrix("transformer.transformer_blocks.1.attn.to_q.lora_A.weight", 2, 16)}, "belong to no layer"},
		{"unknown names", one, nil, []safetensors.Tensor{a, b, matrix("x"), matrix("y"), matrix("z.q"), matrix("w")}, `4 of its 6 tensors belong to no layer of this model, the LoRA is for another model: "w", "x", "y", …`},
		{"Stable Diffusion", one, nil, []safetensors.Tensor{matrix("lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight", 2, 2)}, "no LoRA for this model but for Stable Diffusion"},
		{"FLUX.1 on FLUX.2", two, nil, []safetensors.Tensor{matrix("lora_unet_single_blocks_0_modulation_lin.lora_down.weight", 2, 16)}, "but for FLUX.1"},
		{"FLUX.2 on FLUX.1", one, nil, []safetensors.Tensor{matrix("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj.lora_A.weight", 2, 16)}, "but for FLUX.2"},
		{"other widths", two, nil, []safetensors.Tensor{a, matrix(layer+"lora_B.weight", 32, 2), matrix("transformer.transformer_blocks.0.norm1_context.x")}, "belong to no layer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.f, c.header, c.list...)
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.safetensors") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// What belongs to a text encoder and is none of its layers is left out with a warning, and so is guidance that the model
// does not have.
func TestLeftOut(t *testing.T) {
	one, two := openFixture(t, "flux1.safetensors"), openFixture(t, "flux2.safetensors")
	a, b := matrix("transformer.x_embedder.lora_A.weight", 2, 8), matrix("transformer.x_embedder.lora_B.weight", 16, 2)
	adapters, err := load(t, one, nil, a, b, matrix("lora_te1_text_projection.lora_down.weight", 2, 2))
	if err != nil || len(adapters.Layers()) != 1 || len(adapters.Warnings()) != 1 || !strings.Contains(adapters.Warnings()[0], `"lora_te1_text_projection.lora_down.weight"`) {
		t.Errorf("%v, %v", adapters, err)
	}
	guidance := []safetensors.Tensor{matrix("diffusion_model.guidance_in.in_layer.lora_A.weight", 2, 8), matrix("diffusion_model.guidance_in.in_layer.lora_B.weight", 16, 2)}
	adapters, err = load(t, two, nil, append(guidance, a, b)...)
	if err != nil || len(adapters.Layers()) != 1 || len(adapters.Warnings()) != 1 {
		t.Errorf("%v, %v", adapters, err)
	}
}

// The text encoder of FLUX.2 and names of transformers 5.
func TestTextEncoders(t *testing.T) {
	variables := []nn.Variable{{Name: "layers.0.self_attn.q_proj.weight", Shape: []int{4, 3}}, {Name: "text_model.encoder.layers.0.mlp.fc1.weight", Shape: []int{4, 3}}}
	for _, c := range []struct {
		network lora.Network
		name    string
	}{
		{lora.Qwen3("text_encoder", variables), "text_encoder.model.layers.0.self_attn.q_proj"},
		{lora.Qwen3("text_encoder", variables), "text_encoders.qwen3_4b.transformer.model.layers.0.self_attn.q_proj"},
		{lora.Qwen3("text_encoder", variables), "lora_te_layers_0_self_attn_q_proj"},
		{lora.CLIP("text_encoder", variables), "text_encoder.text_model.encoder.layers.0.mlp.fc1"},
		{lora.CLIP("text_encoder", variables), "text_encoder.encoder.layers.0.mlp.fc1"},
	} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.Write(path, []safetensors.Tensor{matrix(c.name+".lora_down.weight", 2, 3), matrix(c.name+".lora_up.weight", 4, 2)}, nil); err != nil {
			t.Fatal(err)
		}
		adapters, err := lora.Load(nn.NewStore(), "lora", []lora.Network{c.network}, []lora.File{open(t, path, 1)})
		if err != nil || len(adapters.Layers()) != 1 {
			t.Errorf("%s: %v, %v", c.name, adapters, err)
		}
	}
}

func TestFolders(t *testing.T) {
	f := openFixture(t, "flux1.safetensors")
	path := f.save(t, "PEFT")
	if file := open(t, filepath.Dir(path), 1); file.Weights.Name() != "adapter_model.safetensors" {
		t.Errorf("opened %s", file.Weights.Name())
	}
	for text, want := range map[string]string{"{": "adapter_config.json", `{"use_dora":true}`: "is a DoRA"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "adapter_config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := lora.Open(path, 1); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := lora.Open(filepath.Join(t.TempDir(), "missing"), 1); err == nil {
		t.Error("a file that is not there is open")
	}
}

// Whatever the names, there is an error of one line or adapters for layers that exist.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"flux1.safetensors", "flux2.safetensors"} {
		for _, full := range openFixture(f, name).file.Names() {
			if _, own, ok := strings.Cut(full, "|"); ok {
				f.Add(own, "lora_te1_x.alpha", `{"transformer.r":2,"transformer.alpha_pattern":{"^to_q":1}}`)
			}
		}
	}
	one := openFixture(f, "flux1.safetensors")
	networks := one.networks()
	f.Fuzz(func(t *testing.T, first, second, settings string) {
		if first == second || strings.HasPrefix(first, "__") || strings.HasPrefix(second, "__") {
			return
		}
		opened, err := inMemory(settings, first, second)
		if err != nil {
			return // no safetensors file
		}
		adapters, err := lora.Load(nn.NewStore(), "lora", networks, []lora.File{{Weights: opened, Weight: 1}})
		if err != nil && (!errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n")) {
			t.Fatal(err)
		}
		if err == nil && len(adapters.Layers()) == 0 && len(adapters.Warnings()) == 0 {
			t.Fatalf("%q and %q do nothing", first, second)
		}
	})
}

// inMemory returns a file of the matrices first [2, 16] and second [16, 2].
func inMemory(settings, first, second string) (*weights.File, error) {
	const bytes = 4 * 2 * 16
	header, err := json.Marshal(map[string]any{
		"__metadata__": map[string]string{lora.MetadataKey: settings},
		first:          map[string]any{"dtype": "F32", "shape": []int{2, 16}, "data_offsets": []int{0, bytes}},
		second:         map[string]any{"dtype": "F32", "shape": []int{16, 2}, "data_offsets": []int{bytes, 2 * bytes}},
	})
	if err != nil {
		return nil, err
	}
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	file, err := safetensors.FromBytes("x.safetensors", append(data, make([]byte, 2*bytes)...))
	if err != nil {
		return nil, err
	}
	return weights.FromSafetensors(file)
}
